import { describe, expect, it } from 'vitest';
import type { Problem } from '../src/meeting/problems';
import { attribute, child } from '../src/meeting/xml';
import { refused } from './fakes';
import { meetingWorld, pass } from './meeting_world';
import { leave, ROOM, self } from './room_stanzas';

const world = meetingWorld();

describe('a lost connection', () => {
    it('is said and made again, later and later, until the network is back', async () => {
        await world.join();
        world.outside.link.onLost();
        expect(world.meeting.phase.value).toBe('reconnecting');
        expect(world.meeting.problems.list.value).toEqual(['server-gone']);
        world.outside.prepare = (link) => {
            link.login = () => Promise.reject(new Error('no connection'));
        };
        await pass(60_000);
        const tries = world.outside.links.length;
        expect(tries).toBeGreaterThan(4);
        expect(tries).toBeLessThan(16);
        world.outside.prepare = () => {};
        dispatchEvent(new Event('online'));
        await pass();
        world.outside.link.deliver(self(world.outside.nick));
        expect(world.meeting.phase.value).toBe('joined');
        expect(world.meeting.problems.list.value).toEqual([]);
    });

    it('is noticed by a ping that nobody answers', async () => {
        await world.join();
        world.outside.link.answer('ping', refused('remote-server-timeout'));
        await pass(25_000);
        expect(world.meeting.problems.list.value).toEqual(['server-gone']);
        expect(world.meeting.phase.value).toBe('reconnecting');
    });

    it('is no loss when others do not understand pings', async () => {
        await world.join();
        world.outside.link.answer('ping', refused('service-unavailable'));
        await pass(60_000);
        expect(world.meeting.phase.value).toBe('joined');
    });

    it('is not made again after leaving', async () => {
        await world.join();
        world.outside.link.onLost();
        world.meeting.leave();
        await pass(60_000);
        expect(world.outside.links).toHaveLength(1);
        expect(world.meeting.phase.value).toBe('ended');
    });

    it('asks only for what was said since, and shows nothing twice', async () => {
        await world.join();
        const line = `<message from='${ROOM}/b0b0' type='groupchat'><body>hello</body>
            <delay xmlns='urn:xmpp:delay' stamp='2030-01-01T00:00:00Z'/></message>`;
        world.outside.link.deliver(line);
        world.outside.link.onLost();
        await pass(500);
        const muc = child(world.outside.link.presences[0] ?? null, 'x');
        expect(attribute(child(muc, 'history'), 'since')).toMatch(/^\d{4}-/);
        world.outside.link.deliver(line);
        expect(world.meeting.chat.lines.value.map(({ text }) => text)).toEqual(['hello']);
    });
});

describe('being removed', () => {
    it.each<[string, Problem]>([
        ["<status code='307'/>", 'kicked'],
        ["<status code='301'/>", 'banned'],
        ['<destroy/>', 'room-closed'],
    ])('%s ends the meeting as %s', async (inner, problem) => {
        await world.join();
        world.outside.link.deliver(leave(world.outside.nick, inner));
        expect(world.meeting.problems.list.value).toEqual([problem]);
        await pass(60_000);
        expect(world.outside.links).toHaveLength(1);
    });

    it.each([
        ["<item role='none'><reason>too \u202Eloud</reason></item><status code='307'/>", 'too loud'],
        ['<destroy><reason>Good night.</reason></destroy>', 'Good night.'],
        ["<status code='307'/>", ''],
    ])('%s is told with the reason', async (inner, reason) => {
        await world.join();
        world.outside.link.deliver(leave(world.outside.nick, inner));
        expect(world.meeting.reason.value).toBe(reason);
    });

    it('for a technical problem leads back in', async () => {
        await world.join();
        world.outside.link.deliver(leave(world.outside.nick, "<status code='307'/><status code='333'/>"));
        await pass(500);
        expect(world.outside.links).toHaveLength(2);
    });
});
