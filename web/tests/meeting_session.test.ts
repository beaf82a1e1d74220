import { describe, expect, it } from 'vitest';
import { attribute } from '../src/meeting/xml';
import { refused, toldMuted } from './fakes';
import { meetingWorld, pass } from './meeting_world';
import { add, initiate, leave, ROOM, somebody, theFocus } from './room_stanzas';

const world = meetingWorld();

describe('the focus', () => {
    it('is believed only with its real address', async () => {
        await world.join();
        world.outside.link.deliver(theFocus('mallory@guest.example/r'));
        world.outside.link.deliver(initiate('s1'));
        await pass();
        expect(world.outside.sessions).toEqual([]);
        expect(attribute(world.outside.link.sent.at(-1) ?? null, 'type')).toBe('error');
    });

    it('may go: media go on, and it is asked back', async () => {
        await world.joinWithSession();
        world.outside.link.deliver(leave('focus', ''));
        expect(world.meeting.problems.list.value).toEqual(['no-focus']);
        await pass(500);
        expect(world.requested('conference')).toHaveLength(2);
        expect(world.outside.sessions[0]?.closed).toBe(false);
        world.outside.link.deliver(theFocus());
        expect(world.meeting.problems.list.value).toEqual([]);
        await pass(60_000);
        expect(world.requested('conference').length).toBeLessThan(4);
        expect(world.outside.links).toHaveLength(1);
    });

    it('mutes us, nobody else does', async () => {
        await world.join();
        const mute = (from: string) => `<iq type='set' from='${ROOM}/${from}' id='1'>
            <mute xmlns='http://jitsi.org/jitmeet/audio'>true</mute></iq>`;
        world.outside.link.deliver(mute('b0b0'));
        expect(world.meeting.own.muted.value.audio).toBe(false);
        world.outside.link.deliver(mute('focus'));
        expect(world.meeting.own.muted.value.audio).toBe(true);
        await pass();
        expect(toldMuted(world.outside.link)).toEqual({ audio: true, video: false });
    });
});

describe('the session', () => {
    it('is accepted, and streams find their owners', async () => {
        await world.joinWithSession();
        expect(world.actions).toEqual(['session-accept']);
        world.outside.link.deliver(add('s1', 'b0b0', 5));
        world.outside.link.deliver(add('s1', 'c0c0', 6));
        await pass();
        world.outside.link.deliver(somebody('c0c0', 'Cem'));
        expect(world.meeting.roster.participants.value.map((person) => person.audio !== null)).toEqual([true, true]);
        expect(world.names).toEqual(['Bob', 'Cem']);
    });

    it('is replaced by a new one, and what belongs to the old one is refused', async () => {
        await world.joinWithSession();
        world.outside.link.deliver(initiate('s2'));
        world.outside.link.deliver(add('s1', 'b0b0', 5));
        await pass();
        expect(world.outside.sessions.map((session) => session.closed)).toEqual([true, false]);
        expect(world.outside.sessions.flatMap((session) => session.added)).toEqual([]);
    });

    it('of an answer that was overtaken is not accepted any more', async () => {
        await world.join();
        world.outside.link.deliver(initiate('s1'));
        world.outside.link.deliver(initiate('s2'));
        await pass();
        expect(world.requested('jingle').map(([, payload]) => attribute(payload, 'sid'))).toEqual(['s2']);
    });

    it('that fails is asked for anew, after a while', async () => {
        await world.joinWithSession();
        world.outside.sessions[0]?.events.state('failed');
        expect(world.meeting.problems.list.value).toEqual(['media-interrupted']);
        await pass(2000);
        expect(world.actions).toEqual(['session-accept', 'session-info']);
        await pass(9000);
        expect(world.actions).toEqual(['session-accept', 'session-info', 'session-terminate']);
        world.outside.link.deliver(initiate('s2'));
        await pass();
        world.outside.sessions[1]?.events.state('connected');
        expect(world.meeting.problems.list.value).toEqual([]);
        await pass(60_000);
        expect(world.outside.links).toHaveLength(1);
    });

    it('goes on with another transport of the bridge, once for each generation', async () => {
        await world.joinWithSession();
        for (const generation of [1, 2, 2, 1]) {
            world.outside.link.deliver(`<iq type='set' from='${ROOM}/focus' id='r${generation}'>
                <jingle xmlns='urn:xmpp:jingle:1' action='transport-info' sid='s1'><content name='audio'>
                <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='n' pwd='q'
                    ice-generation='${generation}'>
                <fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256'>AA</fingerprint>
                </transport></content></jingle></iq>`);
        }
        await pass();
        const answers = world.requested('jingle').filter(([, payload]) => attribute(payload, 'action') === 'transport-info');
        const told = answers.map(([, payload]) => payload.querySelector('transport')?.getAttribute('ufrag'));
        expect(told).toEqual(['own1', 'own2']);
        expect(world.outside.sessions).toHaveLength(1);
    });

    it('is asked for anew when the focus refuses our answer', async () => {
        world.outside.prepare = (link) => {
            let asked = 0;
            link.answer('jingle', (to, payload) => (asked++ ? payload : refused('bad-request')(to, payload)));
        };
        await world.joinWithSession();
        expect(world.meeting.problems.list.value).toEqual(['media-failed']);
        await pass(3000);
        expect(world.actions).toEqual(['session-accept', 'session-terminate']);
    });

    it('that the focus does not give leads to a new entry', async () => {
        await world.joinWithSession();
        world.outside.sessions[0]?.events.state('failed');
        await pass(36_000);
        expect(world.outside.links).toHaveLength(2);
        expect(world.outside.sessions[0]?.closed).toBe(true);
    });

    it('ends quietly when the focus ends it', async () => {
        await world.joinWithSession();
        world.outside.link.deliver(`<iq type='set' from='${ROOM}/focus' id='t'>
            <jingle xmlns='urn:xmpp:jingle:1' action='session-terminate' sid='s1'/></iq>`);
        await pass(60_000);
        expect(world.outside.sessions[0]?.closed).toBe(true);
        expect(world.meeting.problems.list.value).toEqual([]);
        expect(world.meeting.phase.value).toBe('joined');
    });
});
