import { describe, expect, it } from 'vitest';
import type { Problem } from '../src/meeting/problems';
import { refused, toldMuted, track } from './fakes';
import { meetingWorld, pass } from './meeting_world';
import { ROOM, self } from './room_stanzas';

const world = meetingWorld();

describe('joining', () => {
    it('asks the focus first, then enters, then is there', async () => {
        world.meeting.start();
        expect(world.meeting.phase.value).toBe('connecting');
        await pass();
        expect(world.requested('conference')).toHaveLength(1);
        expect(world.meeting.phase.value).toBe('connecting');
        world.outside.link.deliver(self(world.outside.nick));
        expect(world.meeting.phase.value).toBe('joined');
        expect(world.meeting.me.value).toBe(world.outside.nick);
        expect(world.meeting.moderator.value).toBe(true);
    });

    it('tells the others what is muted once the devices are open', async () => {
        let open = () => {};
        world.outside.devices = (kinds) => new Promise((resolve) => (open = () => resolve(kinds.map(track))));
        await world.join();
        expect(toldMuted(world.outside.link)).toEqual({ audio: true, video: true });
        open();
        await pass();
        expect(toldMuted(world.outside.link)).toEqual({ audio: false, video: false });
    });

    it('tells so when they open between the question to enter and the answer', async () => {
        let open = () => {};
        world.outside.devices = (kinds) => new Promise((resolve) => (open = () => resolve(kinds.map(track))));
        world.meeting.start();
        await pass();
        expect(toldMuted(world.outside.link)).toEqual({ audio: true, video: true });
        open();
        await pass();
        world.outside.link.deliver(self(world.outside.nick));
        expect(toldMuted(world.outside.link)).toEqual({ audio: false, video: false });
    });

    it.each<[string, Problem]>([
        ['resource-constraint', 'room-full'],
        ['not-authorized', 'login-needed'],
        ['not-allowed', 'refused'],
        ['bad-request', 'room-name'],
    ])('ends in words when the focus says %s', async (condition, problem) => {
        world.outside.prepare = (link) => link.answer('conference', refused(condition));
        world.meeting.start();
        await pass();
        expect(world.meeting.phase.value).toBe('ended');
        expect(world.meeting.problems.list.value).toEqual([problem]);
        expect(world.outside.link.closed).toBe(true);
    });

    it.each(['service-unavailable', 'remote-server-timeout', 'internal-server-error', 'session-invalid'])(
        'goes on trying when the focus says %s',
        async (condition) => {
            world.outside.prepare = (link) => link.answer('conference', refused(condition));
            world.meeting.start();
            await pass();
            expect(world.meeting.phase.value).toBe('reconnecting');
            expect(world.meeting.problems.list.value).toEqual(['no-focus']);
            world.outside.prepare = () => {};
            await pass(500);
            world.outside.link.deliver(self(world.outside.nick));
            expect(world.meeting.phase.value).toBe('joined');
            expect(world.meeting.problems.list.value).toEqual([]);
        },
    );

    it.each<[string, Problem]>([
        ['not-authorized', 'room-password'],
        ['registration-required', 'room-members-only'],
        ['forbidden', 'banned'],
        ['service-unavailable', 'room-full'],
    ])('ends in words when the room says %s', async (condition, problem) => {
        world.meeting.start();
        await pass();
        world.outside.link.deliver(`<presence from='${ROOM}/${world.outside.nick}' type='error'><error type='auth'>
            <${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>`);
        expect(world.meeting.problems.list.value).toEqual([problem]);
        expect(world.meeting.phase.value).toBe('ended');
    });

    it('takes another nick after a conflict', async () => {
        world.meeting.start();
        await pass();
        const before = world.outside.nick;
        world.outside.link.deliver(`<presence from='${ROOM}/${before}' type='error'><error type='cancel'>
            <conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>`);
        await pass(500);
        expect(world.outside.links).toHaveLength(2);
        expect(world.outside.nick).not.toBe(before);
    });

    it('starts over when the room never answers', async () => {
        world.outside.prepare = (link) => link.answer('ping', refused('not-acceptable'));
        world.meeting.start();
        await pass(30_000);
        expect(world.outside.links).toHaveLength(2);
    });

    it('stays away when it is left meanwhile', async () => {
        let answer = () => {};
        world.outside.prepare = (link) => {
            link.login = () => new Promise((resolve) => (answer = resolve));
        };
        world.meeting.start();
        world.meeting.leave();
        answer();
        await pass(60_000);
        expect(world.outside.links).toHaveLength(1);
        expect(world.outside.link.requests).toEqual([]);
        expect(world.meeting.phase.value).toBe('ended');
        expect(world.meeting.problems.list.value).toEqual([]);
    });
});
