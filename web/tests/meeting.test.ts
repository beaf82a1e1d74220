import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Meeting } from '../src/meeting/meeting';
import type { Problem } from '../src/meeting/problems';
import { attribute, child } from '../src/meeting/xml';
import { FakeOutside, refused, toldMuted, track } from './fakes';
import { add, initiate, leave, ROOM, self, somebody, theFocus } from './room_stanzas';

let outside: FakeOutside;
let meeting: Meeting;

/** Let what is under way finish, and so much time pass. */
const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
    vi.useFakeTimers();
    vi.spyOn(console, 'warn').mockImplementation(() => {});
    // The real one answers from a thread of its own, outside of the time of this test.
    vi.spyOn(crypto.subtle, 'digest').mockImplementation(async () => new ArrayBuffer(20));
    outside = new FakeOutside();
    const deployment = {
        domain: 'example',
        guest_domain: 'guest.example',
        muc: 'conference.example',
        focus: 'focus.example',
        websocket: 'ws://example/xmpp-websocket',
    };
    meeting = new Meeting(deployment, 'room', 'Ann', outside);
});
afterEach(() => {
    meeting.leave();
    vi.useRealTimers();
});

async function join(): Promise<void> {
    meeting.start();
    await pass();
    outside.link.deliver(theFocus());
    outside.link.deliver(self(outside.nick));
}

async function joinWithSession(): Promise<void> {
    await join();
    outside.link.deliver(somebody('b0b0', 'Bob'));
    outside.link.deliver(initiate('s1'));
    await pass();
}

const names = () => meeting.roster.participants.value.map((person) => person.name);
const requested = (name: string) => outside.link.requests.filter(([, payload]) => payload.localName === name);
const actions = () => requested('jingle').map(([, payload]) => attribute(payload, 'action'));

describe('joining', () => {
    it('asks the focus first, then enters, then is there', async () => {
        meeting.start();
        expect(meeting.phase.value).toBe('connecting');
        await pass();
        expect(requested('conference')).toHaveLength(1);
        expect(meeting.phase.value).toBe('connecting');
        outside.link.deliver(self(outside.nick));
        expect(meeting.phase.value).toBe('joined');
        expect(meeting.me.value).toBe(outside.nick);
        expect(meeting.moderator.value).toBe(true);
    });

    it('tells the others what is muted once the devices are open', async () => {
        let open = () => {};
        outside.devices = (kinds) => new Promise((resolve) => (open = () => resolve(kinds.map(track))));
        await join();
        expect(toldMuted(outside.link)).toEqual({ audio: true, video: true });
        open();
        await pass();
        expect(toldMuted(outside.link)).toEqual({ audio: false, video: false });
    });

    it.each<[string, Problem]>([
        ['resource-constraint', 'room-full'],
        ['not-authorized', 'login-needed'],
        ['not-allowed', 'refused'],
        ['bad-request', 'room-name'],
    ])('ends in words when the focus says %s', async (condition, problem) => {
        outside.prepare = (link) => link.answer('conference', refused(condition));
        meeting.start();
        await pass();
        expect(meeting.phase.value).toBe('ended');
        expect(meeting.problems.list.value).toEqual([problem]);
        expect(outside.link.closed).toBe(true);
    });

    it.each(['service-unavailable', 'remote-server-timeout', 'internal-server-error', 'session-invalid'])(
        'goes on trying when the focus says %s',
        async (condition) => {
            outside.prepare = (link) => link.answer('conference', refused(condition));
            meeting.start();
            await pass();
            expect(meeting.phase.value).toBe('reconnecting');
            expect(meeting.problems.list.value).toEqual(['no-focus']);
            outside.prepare = () => {};
            await pass(500);
            outside.link.deliver(self(outside.nick));
            expect(meeting.phase.value).toBe('joined');
            expect(meeting.problems.list.value).toEqual([]);
        },
    );

    it.each<[string, Problem]>([
        ['not-authorized', 'room-password'],
        ['registration-required', 'room-members-only'],
        ['forbidden', 'banned'],
        ['service-unavailable', 'room-full'],
    ])('ends in words when the room says %s', async (condition, problem) => {
        meeting.start();
        await pass();
        outside.link.deliver(`<presence from='${ROOM}/${outside.nick}' type='error'><error type='auth'>
            <${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>`);
        expect(meeting.problems.list.value).toEqual([problem]);
        expect(meeting.phase.value).toBe('ended');
    });

    it('takes another nick after a conflict', async () => {
        meeting.start();
        await pass();
        const before = outside.nick;
        outside.link.deliver(`<presence from='${ROOM}/${before}' type='error'><error type='cancel'>
            <conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>`);
        await pass(500);
        expect(outside.links).toHaveLength(2);
        expect(outside.nick).not.toBe(before);
    });

    it('starts over when the room never answers', async () => {
        outside.prepare = (link) => link.answer('ping', refused('not-acceptable'));
        meeting.start();
        await pass(30_000);
        expect(outside.links).toHaveLength(2);
    });

    it('stays away when it is left meanwhile', async () => {
        let answer = () => {};
        outside.prepare = (link) => {
            link.login = () => new Promise((resolve) => (answer = resolve));
        };
        meeting.start();
        meeting.leave();
        answer();
        await pass(60_000);
        expect(outside.links).toHaveLength(1);
        expect(outside.link.requests).toEqual([]);
        expect(meeting.phase.value).toBe('ended');
        expect(meeting.problems.list.value).toEqual([]);
    });
});

describe('a lost connection', () => {
    it('is said and made again, later and later, until the network is back', async () => {
        await join();
        outside.link.onLost();
        expect(meeting.phase.value).toBe('reconnecting');
        expect(meeting.problems.list.value).toEqual(['server-gone']);
        outside.prepare = (link) => {
            link.login = () => Promise.reject(new Error('no connection'));
        };
        await pass(60_000);
        const tries = outside.links.length;
        expect(tries).toBeGreaterThan(4);
        expect(tries).toBeLessThan(16);
        outside.prepare = () => {};
        dispatchEvent(new Event('online'));
        await pass();
        outside.link.deliver(self(outside.nick));
        expect(meeting.phase.value).toBe('joined');
        expect(meeting.problems.list.value).toEqual([]);
    });

    it('is noticed by a ping that nobody answers', async () => {
        await join();
        outside.link.answer('ping', refused('remote-server-timeout'));
        await pass(25_000);
        expect(meeting.problems.list.value).toEqual(['server-gone']);
        expect(meeting.phase.value).toBe('reconnecting');
    });

    it('is no loss when others do not understand pings', async () => {
        await join();
        outside.link.answer('ping', refused('service-unavailable'));
        await pass(60_000);
        expect(meeting.phase.value).toBe('joined');
    });

    it('is not made again after leaving', async () => {
        await join();
        outside.link.onLost();
        meeting.leave();
        await pass(60_000);
        expect(outside.links).toHaveLength(1);
        expect(meeting.phase.value).toBe('ended');
    });

    it('asks only for what was said since, and shows nothing twice', async () => {
        await join();
        const line = `<message from='${ROOM}/b0b0' type='groupchat'><body>hello</body>
            <delay xmlns='urn:xmpp:delay' stamp='2030-01-01T00:00:00Z'/></message>`;
        outside.link.deliver(line);
        outside.link.onLost();
        await pass(500);
        const muc = child(outside.link.presences[0] ?? null, 'x');
        expect(attribute(child(muc, 'history'), 'since')).toMatch(/^\d{4}-/);
        outside.link.deliver(line);
        expect(meeting.chat.lines.value.map(({ text }) => text)).toEqual(['hello']);
    });
});

describe('being removed', () => {
    it.each<[string, Problem]>([
        ["<status code='307'/>", 'kicked'],
        ["<status code='301'/>", 'banned'],
        ['<destroy/>', 'room-closed'],
    ])('%s ends the meeting as %s', async (inner, problem) => {
        await join();
        outside.link.deliver(leave(outside.nick, inner));
        expect(meeting.problems.list.value).toEqual([problem]);
        await pass(60_000);
        expect(outside.links).toHaveLength(1);
    });

    it('for a technical problem leads back in', async () => {
        await join();
        outside.link.deliver(leave(outside.nick, "<status code='307'/><status code='333'/>"));
        await pass(500);
        expect(outside.links).toHaveLength(2);
    });
});

describe('the focus', () => {
    it('is believed only with its real address', async () => {
        await join();
        outside.link.deliver(theFocus('mallory@guest.example/r'));
        outside.link.deliver(initiate('s1'));
        await pass();
        expect(outside.sessions).toEqual([]);
        expect(attribute(outside.link.sent.at(-1) ?? null, 'type')).toBe('error');
    });

    it('may go: media go on, and it is asked back', async () => {
        await joinWithSession();
        outside.link.deliver(leave('focus', ''));
        expect(meeting.problems.list.value).toEqual(['no-focus']);
        await pass(500);
        expect(requested('conference')).toHaveLength(2);
        expect(outside.sessions[0]?.closed).toBe(false);
        outside.link.deliver(theFocus());
        expect(meeting.problems.list.value).toEqual([]);
        await pass(60_000);
        expect(requested('conference').length).toBeLessThan(4);
        expect(outside.links).toHaveLength(1);
    });

    it('mutes us, nobody else does', async () => {
        await join();
        const mute = (from: string) => `<iq type='set' from='${ROOM}/${from}' id='1'>
            <mute xmlns='http://jitsi.org/jitmeet/audio'>true</mute></iq>`;
        outside.link.deliver(mute('b0b0'));
        expect(meeting.own.muted.value.audio).toBe(false);
        outside.link.deliver(mute('focus'));
        expect(meeting.own.muted.value.audio).toBe(true);
        await pass();
        expect(toldMuted(outside.link)).toEqual({ audio: true, video: false });
    });
});

describe('the session', () => {
    it('is accepted, and streams find their owners', async () => {
        await joinWithSession();
        expect(actions()).toEqual(['session-accept']);
        outside.link.deliver(add('s1', 'b0b0', 5));
        outside.link.deliver(add('s1', 'c0c0', 6));
        await pass();
        outside.link.deliver(somebody('c0c0', 'Cem'));
        expect(meeting.roster.participants.value.map((person) => person.audio !== null)).toEqual([true, true]);
        expect(names()).toEqual(['Bob', 'Cem']);
    });

    it('is replaced by a new one, and what belongs to the old one is refused', async () => {
        await joinWithSession();
        outside.link.deliver(initiate('s2'));
        outside.link.deliver(add('s1', 'b0b0', 5));
        await pass();
        expect(outside.sessions.map((session) => session.closed)).toEqual([true, false]);
        expect(outside.sessions.flatMap((session) => session.added)).toEqual([]);
    });

    it('of an answer that was overtaken is not accepted any more', async () => {
        await join();
        outside.link.deliver(initiate('s1'));
        outside.link.deliver(initiate('s2'));
        await pass();
        expect(requested('jingle').map(([, payload]) => attribute(payload, 'sid'))).toEqual(['s2']);
    });

    it('that fails is asked for anew, after a while', async () => {
        await joinWithSession();
        outside.sessions[0]?.events.state('failed');
        expect(meeting.problems.list.value).toEqual(['media-interrupted']);
        await pass();
        expect(actions()).toEqual(['session-accept', 'session-info']);
        await pass(9000);
        expect(actions()).toEqual(['session-accept', 'session-info', 'session-terminate']);
        outside.link.deliver(initiate('s2'));
        await pass();
        outside.sessions[1]?.events.state('connected');
        expect(meeting.problems.list.value).toEqual([]);
        await pass(60_000);
        expect(outside.links).toHaveLength(1);
    });

    it('goes on with another transport of the bridge, once for each generation', async () => {
        await joinWithSession();
        for (const generation of [1, 2, 2, 1]) {
            outside.link.deliver(`<iq type='set' from='${ROOM}/focus' id='r${generation}'>
                <jingle xmlns='urn:xmpp:jingle:1' action='transport-info' sid='s1'><content name='audio'>
                <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='n' pwd='q'
                    ice-generation='${generation}'>
                <fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256'>AA</fingerprint>
                </transport></content></jingle></iq>`);
        }
        await pass();
        const answers = requested('jingle').filter(([, payload]) => attribute(payload, 'action') === 'transport-info');
        const told = answers.map(([, payload]) => payload.querySelector('transport')?.getAttribute('ufrag'));
        expect(told).toEqual(['own1', 'own2']);
        expect(outside.sessions).toHaveLength(1);
    });

    it('is asked for anew when the focus refuses our answer', async () => {
        outside.prepare = (link) => {
            let asked = 0;
            link.answer('jingle', (to, payload) => (asked++ ? payload : refused('bad-request')(to, payload)));
        };
        await joinWithSession();
        expect(meeting.problems.list.value).toEqual(['media-failed']);
        await pass(3000);
        expect(actions()).toEqual(['session-accept', 'session-terminate']);
    });

    it('that the focus does not give leads to a new entry', async () => {
        await joinWithSession();
        outside.sessions[0]?.events.state('failed');
        await pass(36_000);
        expect(outside.links).toHaveLength(2);
        expect(outside.sessions[0]?.closed).toBe(true);
    });

    it('ends quietly when the focus ends it', async () => {
        await joinWithSession();
        outside.link.deliver(`<iq type='set' from='${ROOM}/focus' id='t'>
            <jingle xmlns='urn:xmpp:jingle:1' action='session-terminate' sid='s1'/></iq>`);
        await pass(60_000);
        expect(outside.sessions[0]?.closed).toBe(true);
        expect(meeting.problems.list.value).toEqual([]);
        expect(meeting.phase.value).toBe('joined');
    });
});

describe('others', () => {
    it('come, change and go', async () => {
        await join();
        outside.link.deliver(somebody('b0b0', 'Bob'));
        outside.link.deliver(somebody('b0b0', 'Bobby'));
        outside.link.deliver(somebody('c0c0', 'Cem'));
        outside.link.deliver(leave('b0b0', ''));
        expect(names()).toEqual(['Cem']);
    });

    it('are shortened, and so is what they say', async () => {
        await join();
        outside.link.deliver(somebody('b0b0', 'x'.repeat(500)));
        expect(names()[0]?.length).toBe(61);
        const body = 'y'.repeat(9000);
        outside.link.deliver(`<message from='${ROOM}/b0b0' type='groupchat'><body>${body}</body></message>`);
        expect(meeting.chat.lines.value[0]?.text.length).toBe(4001);
    });

    it('are bounded in number, and so are their lines', () => {
        const quiet = { name: 'x', moderator: false, audioMuted: true, videoMuted: true };
        for (let index = 0; index < 600; index++) meeting.roster.update({ id: `p${index}`, ...quiet });
        expect(names()).toHaveLength(500);
        for (let index = 0; index < 700; index++) {
            meeting.chat.add({ from: 'a', name: 'a', text: `${index}`, at: new Date(index), own: false });
        }
        expect(meeting.chat.lines.value).toHaveLength(500);
        expect(meeting.chat.unread.value).toBe(700);
        meeting.chat.show(true);
        expect(meeting.chat.unread.value).toBe(0);
    });
});
