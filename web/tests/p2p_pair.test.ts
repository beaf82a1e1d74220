import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Pair } from '../src/meeting/p2p_pair';
import type { Relays } from '../src/meeting/relays';
import type { Room } from '../src/meeting/room';
import type { Medium } from '../src/meeting/streams';
import { attribute, child } from '../src/meeting/xml';
import { FakeDirect, FakeLink, refused, track } from './fakes';
import { ROOM } from './room_stanzas';
import { stanza } from './stanza';

const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms);
const PAGE = ['urn:carillon:direct:0'];
const JITSI = ['http://jitsi.org/json-encoded-sources', 'urn:xmpp:jingle:1'];

let link: FakeLink;
let directs: FakeDirect[];
let carried: (string | null)[];
let own: Record<Medium, boolean>;
let pair: Pair;

/** What the other one says it can do. */
function features(...names: string[]): void {
    const list = names.map((name) => `<feature var='${name}'/>`).join('');
    link.answer('query', () =>
        stanza(`<iq type='result'><query xmlns='http://jabber.org/protocol/disco#info'>${list}</query></iq>`),
    );
}

beforeEach(() => {
    vi.useFakeTimers();
    for (const method of ['warn', 'debug'] as const) vi.spyOn(console, method).mockImplementation(() => {});
    vi.spyOn(Math, 'random').mockReturnValue(1); // back-off at its full length
    link = new FakeLink();
    directs = [];
    carried = [];
    own = { audio: true, video: true, desktop: false };
    features(...PAGE);
    const room = {
        id: 'bbbb',
        occupant: (id: string) => `${ROOM}/${id}`,
        isFromFocus: (iq: Element) => attribute(iq, 'from') === `${ROOM}/focus`,
    } as unknown as Room;
    const relays = { current: async () => [{ urls: 'stun:s' }] } as unknown as Relays;
    const sent = (medium: Medium) => (own[medium] ? track('video') : null);
    const make = (...parameters: ConstructorParameters<typeof FakeDirect>) => {
        const direct = new FakeDirect(...parameters);
        directs.push(direct);
        return direct;
    };
    pair = new Pair(link, room, relays, sent, make, {
        track: () => {},
        ended: () => {},
        carry: (partner) => carried.push(partner),
    });
});
afterEach(() => {
    pair.close();
    vi.useRealTimers();
});

const told = () =>
    link.requests
        .filter(([, payload]) => payload.localName === 'jingle')
        .map(([to, payload]) => `${attribute(payload, 'action')} ${to.slice(ROOM.length + 1)}`);
const last = (action: string) => {
    const payloads = link.requests.map(([, payload]) => payload);
    return payloads.filter((payload) => attribute(payload, 'action') === action).at(-1) ?? null;
};
const sid = () => attribute(last('session-initiate'), 'sid');
/** How the last IQ was answered: "result", or the condition. */
const answered = () => {
    const iq = link.sent.at(-1) ?? null;
    return attribute(iq, 'type') === 'result' ? 'result' : child(iq, 'error')?.firstElementChild?.localName;
};

function jingle(from: string, action: string, id: string, inside = ''): void {
    link.deliver(`<iq type='set' from='${ROOM}/${from}' id='i'>
        <jingle xmlns='urn:xmpp:jingle:1' action='${action}' sid='${id}'>${inside}</jingle></iq>`);
}

/** What an offer or answer holds, `videos` m-lines of video among it. */
function described(videos: number): string {
    const names = Array.from({ length: videos + 1 }, (_, at) => String(at));
    const contents = names.map(
        (name, at) => `<content name='${name}' senders='both'>
        <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='${at === 0 ? 'audio' : 'video'}'>
        <payload-type id='111' name='codec' clockrate='48000'/></description>
        <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='u' pwd='p'>
        <fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>AA</fingerprint>
        </transport></content>`,
    );
    const bundled = names.map((name) => `<content name='${name}'/>`).join('');
    return `<group xmlns='urn:xmpp:jingle:apps:grouping:0' semantics='BUNDLE'>${bundled}</group>${contents.join('')}`;
}

const candidate = "<candidate foundation='1' component='1' protocol='udp' priority='1' ip='::1' port='1' type='host'/>";
/** What a transport-info holds, so many candidates among it. */
const candidates = (count: number) =>
    `<content name='0'><transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'>${candidate.repeat(count)}</transport></content>`;

async function connected(): Promise<FakeDirect> {
    pair.update(['cccc'], true);
    await pass(1000);
    jingle('cccc', 'session-accept', sid(), described(2));
    await pass();
    const direct = directs.at(-1) as FakeDirect;
    direct.events.state('connected');
    return direct;
}

describe('the one with the smaller id', () => {
    it('offers, with a screen among it to another page', async () => {
        const direct = await connected();
        expect(direct.done).toEqual(['offer with screen', 'accepted']);
        expect(direct.servers).toEqual([{ urls: 'stun:s' }]);
        expect(told()).toEqual(['session-initiate cccc']);
        expect(carried).toEqual(['cccc']);
    });

    it('offers voice and camera alone to a client of Jitsi', async () => {
        features(...JITSI);
        pair.update(['cccc'], true);
        await pass(1000);
        expect(directs[0]?.done).toEqual(['offer']);
    });

    it.each([
        ['another client', ['urn:xmpp:jingle:1']],
        ['a gateway', [...JITSI, 'http://jitsi.org/protocol/jigasi']],
    ])('does not offer to %s', async (_, names) => {
        features(...names);
        pair.update(['cccc'], true);
        await pass(2000);
        expect([told(), directs]).toEqual([[], []]);
    });

    it('does not offer when it is off, and begins when it is switched on', async () => {
        pair.update(['cccc'], false);
        await pass(60_000);
        expect(link.requests).toEqual([]);
        pair.update(['cccc'], true);
        await pass(1000);
        expect(told()).toEqual(['session-initiate cccc']);
    });

    it('does not offer before it is in the room', async () => {
        pair.update(null, true);
        await pass(60_000);
        expect(link.requests).toEqual([]);
        pair.update(['cccc'], true);
        await pass(1000);
        expect(told()).toEqual(['session-initiate cccc']);
    });

    it('stays on the bridge when the offer is refused', async () => {
        link.answer('jingle', refused('service-unavailable'));
        pair.update(['cccc'], true);
        await pass(1000);
        expect([directs[0]?.closed, carried, told()]).toEqual([true, [], ['session-initiate cccc']]);
    });

    it('stays on the bridge when the offer is declined, and asks again later', async () => {
        pair.update(['cccc'], true);
        await pass(1000);
        jingle('cccc', 'session-terminate', sid(), '<reason><decline/></reason>');
        expect([answered(), directs[0]?.closed, carried]).toEqual(['result', true, []]);
        await pass(599_000);
        expect(told()).toEqual(['session-initiate cccc']);
        await pass(3_000);
        expect(told()).toEqual(['session-initiate cccc', 'session-initiate cccc']);
    });

    it('tells its candidates behind the offer, several at a time', async () => {
        pair.update(['cccc'], true);
        await pass(1000);
        const one = { foundation: '1', component: '1', protocol: 'udp', priority: '1', ip: '192.0.2.2', type: 'host' };
        for (const port of ['1', '2']) {
            directs[0]?.events.candidate({ ...one, port, relatedAddress: '', relatedPort: '', tcpType: '' });
        }
        await pass(50);
        expect(told()).toEqual(['session-initiate cccc', 'transport-info cccc']);
        expect(last('transport-info')?.querySelectorAll('candidate').length).toBe(2);
    });
});

describe('the one with the greater id', () => {
    it('answers', async () => {
        pair.update(['aaaa'], true);
        await pass(5000);
        expect(link.requests).toEqual([]);
        jingle('aaaa', 'session-initiate', 's', described(2));
        await pass();
        expect([answered(), directs[0]?.done, told()]).toEqual(['result', ['answer'], ['session-accept aaaa']]);
        directs[0]?.events.state('connected');
        expect(carried).toEqual(['aaaa']);
    });

    it('offers when it is switched on, because the other one does not know', async () => {
        pair.update(['aaaa'], false);
        pair.update(['aaaa'], true);
        await pass(1000);
        expect(told()).toEqual(['session-initiate aaaa']);
    });

    it('does not offer when it has just come in', async () => {
        pair.update(null, true);
        pair.update(['aaaa'], true);
        await pass(60_000);
        expect(told()).toEqual([]);
    });

    it('takes one offer after the other, but not very fast', async () => {
        pair.update(['aaaa'], true);
        for (const id of ['s', 't']) jingle('aaaa', 'session-initiate', id, described(1));
        await pass(1000);
        expect(told()).toEqual(['session-terminate aaaa', 'session-accept aaaa']);
        jingle('aaaa', 'session-initiate', 'u', described(1));
        await pass();
        expect([directs.map(({ closed }) => closed), told().at(-1)]).toEqual([[true, false], 'session-accept aaaa']);
    });

    it.each([
        ['off', ['aaaa'], false],
        ['not alone', ['aaaa', 'cccc'], true],
    ])('declines when it is %s', (_, others, enabled) => {
        pair.update(others, enabled);
        jingle('aaaa', 'session-initiate', 's', described(1));
        expect([answered(), told(), directs]).toEqual(['result', ['session-terminate aaaa'], []]);
        expect(last('session-terminate')?.querySelector('reason > decline')).not.toBeNull();
    });
});

describe('what others send', () => {
    it('is refused from who is not in the room, and for a session that is not there', async () => {
        await connected();
        for (const from of ['dddd', 'cccc/x', '']) {
            jingle(from, 'session-initiate', 's', described(1));
            expect(answered()).toBe('item-not-found');
        }
        jingle('cccc', 'session-terminate', 'another');
        expect(answered()).toBe('item-not-found');
        pair.update(['cccc', 'dddd'], true);
        jingle('dddd', 'session-terminate', sid());
        expect(answered()).toBe('item-not-found');
    });

    it('is left to the call when it comes from the focus', () => {
        pair.update(['aaaa'], true);
        jingle('focus', 'session-initiate', 's', described(1));
        expect([link.sent, directs]).toEqual([[], []]);
    });

    it('is refused when it cannot be read, and nothing changes', () => {
        pair.update(['aaaa'], true);
        for (const bad of ['', described(1).replace('BUNDLE', 'LS'), described(9), described(1).replaceAll('pwd', 'x')]) {
            expect(() => jingle('aaaa', 'session-initiate', 's', bad)).toThrow();
        }
        expect(directs).toEqual([]);
    });

    it('may be so many candidates and no more', async () => {
        const direct = await connected();
        jingle('cccc', 'transport-info', sid(), candidates(60));
        await pass();
        expect(direct.theirs.length).toBe(50);
        for (let times = 0; times < 4; times++) jingle('cccc', 'transport-info', sid(), candidates(50));
        await pass();
        expect(direct.theirs.length).toBe(200);
    });

    it('may be so many changes and no more', async () => {
        await connected();
        const modify = () => jingle('cccc', 'content-modify', sid(), "<content name='video' senders='both'/>");
        for (let times = 0; times < 100; times++) modify();
        expect(answered()).toBe('result');
        modify();
        expect(answered()).toBe('feature-not-implemented');
    });

    it('may not be a second answer, or what we do not know', async () => {
        await connected();
        for (const action of ['session-accept', 'transport-replace', 'nonsense']) {
            jingle('cccc', action, sid(), described(2));
            expect(answered()).toBe('feature-not-implemented');
        }
    });

    it('may be streams that come later', async () => {
        const direct = await connected();
        jingle('cccc', 'source-add', sid(), `<content name='2'><description xmlns='urn:xmpp:jingle:apps:rtp:1'>
            <source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='5' name='cccc-v1'/></description></content>`);
        await pass();
        expect(direct.done.at(-1)).toBe('change 2');
    });

    it('may be that our picture is not wanted', async () => {
        const direct = await connected();
        jingle('cccc', 'content-modify', sid(), "<content name='video' senders='none'/>");
        await pass();
        expect(direct.done.at(-1)).toBe('send video off');
        jingle('cccc', 'content-modify', sid(), "<content name='video' senders='both'/>");
        await pass();
        expect(direct.done.at(-1)).toBe('send video on');
    });
});

describe('a session', () => {
    it('ends a while after a third one came, and the other page is told at once', async () => {
        const direct = await connected();
        pair.update(['cccc', 'dddd'], true);
        expect([carried, direct.closed]).toEqual([['cccc', null], false]);
        expect(told().at(-1)).toBe('session-info cccc');
        await pass(3000);
        expect([told().at(-1), direct.closed]).toEqual(['session-terminate cccc', true]);
        expect(last('session-terminate')?.querySelector('reason > success')).not.toBeNull();
    });

    it('is left when the other page goes back', async () => {
        await connected();
        jingle('cccc', 'session-info', sid(), "<returning xmlns='urn:carillon:direct:0'/>");
        expect([answered(), carried]).toEqual(['result', ['cccc', null]]);
    });

    it.each(['disconnected', 'failed'] as const)('is given up at once when its connection is %s', async (state) => {
        const direct = await connected();
        direct.events.state(state);
        expect([carried, direct.closed, told().at(-1)]).toEqual([['cccc', null], true, 'session-terminate cccc']);
        expect(last('session-terminate')?.querySelector('reason > connectivity-error')).not.toBeNull();
    });

    it('ends without a word when the other one left', async () => {
        const direct = await connected();
        pair.update([], true);
        expect([carried, direct.closed, told()]).toEqual([['cccc', null], true, ['session-initiate cccc']]);
    });

    it('ends with the meeting', async () => {
        const direct = await connected();
        pair.close();
        expect([direct.closed, told().at(-1)]).toEqual([true, 'session-terminate cccc']);
    });

    it('carries a screen between pages, told when there is one', async () => {
        const direct = await connected();
        own.desktop = true;
        pair.send('desktop');
        await pass();
        expect([told().at(-1), direct.done.at(-1)]).toEqual(['source-add cccc', 'send desktop on']);
        own.desktop = false;
        pair.send('desktop');
        own.desktop = true;
        pair.send('desktop');
        await pass();
        expect(told().filter((one) => one.startsWith('source-add')).length).toBe(1);
    });

    it('gives way to the bridge while there is a screen that it cannot carry', async () => {
        features(...JITSI);
        await connected();
        own.desktop = true;
        pair.send('desktop');
        expect(carried).toEqual(['cccc', null]);
        await pass(60_000);
        expect(told().filter((one) => one.startsWith('session-initiate')).length).toBe(1);
        own.desktop = false;
        pair.send('desktop');
        await pass(1000);
        expect(told().filter((one) => one.startsWith('session-initiate')).length).toBe(2);
    });
});
