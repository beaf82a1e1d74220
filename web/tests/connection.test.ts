import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Connection } from '../src/meeting/connection';
import { LoginRefused } from '../src/meeting/link';
import { x } from '../src/meeting/xml';

const FRAMING = "xmlns='urn:ietf:params:xml:ns:xmpp-framing' version='1.0'";
const SASL = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";
const STREAM = "xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client'";
const SM = 'urn:xmpp:sm:3';
const JID = 'abc@guest.example/r';

/** The server's side of a WebSocket: logs guests in as Prosody does, unless it is told to be silent or to refuse. */
class FakeSocket {
    static readonly OPEN = 1;
    static readonly CLOSED = 3;
    static last: FakeSocket;
    static manner: 'kind' | 'silent' | 'refusing' = 'kind';
    /** Whether streams can be resumed (XEP-0198), how many stanzas were handled, and what comes after that. */
    static resumable = false;
    static handled = 0;
    static missed: string[] = [];
    /** Whether the stream of before is over. */
    static over = false;
    readyState = 1;
    readonly sent: string[] = [];
    onopen: (() => void) | null = null;
    onclose: ((event: object) => void) | null = null;
    onmessage: ((event: { data: string }) => void) | null = null;
    private authenticated = false;

    constructor(readonly url: string) {
        FakeSocket.last = this;
        queueMicrotask(() => this.onopen?.());
    }

    send(text: string): void {
        this.sent.push(text);
        if (FakeSocket.manner !== 'silent') queueMicrotask(() => this.answer(text));
    }

    receive(...texts: string[]): void {
        for (const data of texts) this.onmessage?.({ data });
    }

    close(): void {
        this.readyState = FakeSocket.CLOSED;
    }

    private answer(text: string): void {
        if (text.startsWith('<open')) {
            const management = FakeSocket.resumable ? `<sm xmlns='${SM}'/>` : '';
            const offered = this.authenticated
                ? `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>${management}`
                : `<mechanisms ${SASL}><mechanism>ANONYMOUS</mechanism></mechanisms>`;
            this.receive(`<open ${FRAMING}/>`, `<stream:features ${STREAM}>${offered}</stream:features>`);
        } else if (text.startsWith('<auth')) {
            this.authenticated = FakeSocket.manner === 'kind';
            this.receive(this.authenticated ? `<success ${SASL}/>` : `<failure ${SASL}><not-authorized/></failure>`);
        } else if (text.startsWith('<enable')) {
            this.receive(`<enabled xmlns='${SM}' id='token' resume='true' max='30'/>`);
        } else if (text.startsWith('<r ')) {
            this.receive(`<a xmlns='${SM}' h='${FakeSocket.handled}'/>`);
        } else if (text.startsWith('<resume') && FakeSocket.over) {
            this.receive(`<failed xmlns='${SM}'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>`);
        } else if (text.startsWith('<resume')) {
            this.receive(`<resumed xmlns='${SM}' previd='token' h='${FakeSocket.handled}'/>`, ...FakeSocket.missed);
        } else if (text.includes('xmpp-bind')) {
            const id = /id=["']([^"']+)/.exec(text)?.[1];
            this.receive(`<iq xmlns='jabber:client' type='result' id='${id}'>
                <bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>${JID}</jid></bind></iq>`);
        }
    }
}

let connection: Connection;

beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal('WebSocket', FakeSocket);
    for (const method of ['warn', 'error', 'info'] as const) vi.spyOn(console, method).mockImplementation(() => {});
    Object.assign(FakeSocket, { manner: 'kind', resumable: false, handled: 0, missed: [], over: false });
    const hosts = { domain: 'example', guest_domain: 'guest.example', muc: 'm.example', focus: 'focus.example' };
    connection = new Connection({ ...hosts, websocket: 'ws://localhost:3000/xmpp-websocket', p2p: false });
});
afterEach(() => {
    connection.close();
    vi.unstubAllGlobals();
    vi.useRealTimers();
});

/** Strophe flushes what it sends by a timer. */
async function login(): Promise<void> {
    const done = connection.login();
    await vi.advanceTimersByTimeAsync(1000);
    await done;
}

const socket = () => FakeSocket.last;
const lastId = () => /id=["']([^"']+)/.exec(socket().sent.at(-1) ?? '')?.[1];
const ask = () => connection.request('focus.example', 'get', x('ping', { xmlns: 'urn:xmpp:ping' }));

describe('the connection', () => {
    it('logs in as a guest', async () => {
        await login();
        expect(connection.jid).toBe(JID);
    });

    it('gives up on a server that says nothing', async () => {
        FakeSocket.manner = 'silent';
        const failed = expect(connection.login()).rejects.toThrow('no answer');
        await vi.advanceTimersByTimeAsync(21_000);
        await failed;
    });

    it('knows when guests are not wanted', async () => {
        FakeSocket.manner = 'refusing';
        const failed = expect(connection.login()).rejects.toBeInstanceOf(LoginRefused);
        await vi.advanceTimersByTimeAsync(1000);
        await failed;
    });

    it('takes an answer only from whom it asked', async () => {
        await login();
        const answer = ask();
        const result = (from: string) =>
            `<iq xmlns='jabber:client' type='result' from='${from}' id='${lastId()}'><x from='${from}'/></iq>`;
        socket().receive(result('mallory@guest.example/r'), result('focus.example'));
        expect((await answer).firstElementChild?.getAttribute('from')).toBe('focus.example');
    });

    it('rejects with the condition of an error, in time when nothing comes, and at once when the line is lost', async () => {
        await login();
        const refused = expect(ask()).rejects.toMatchObject({ condition: 'forbidden' });
        socket().receive(`<iq xmlns='jabber:client' type='error' from='focus.example' id='${lastId()}'><error type='auth'>
            <forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`);
        await refused;
        const late = expect(ask()).rejects.toMatchObject({ condition: 'remote-server-timeout' });
        await vi.advanceTimersByTimeAsync(21_000);
        await late;
        const lost = expect(ask()).rejects.toMatchObject({ condition: 'remote-server-timeout' });
        const onLost = vi.fn();
        connection.onLost = onLost;
        socket().onclose?.({ code: 1006 });
        await lost;
        expect(onLost).toHaveBeenCalledTimes(1);
        await expect(ask()).rejects.toMatchObject({ condition: 'remote-server-timeout' });
    });

    it('goes on after a stanza that a handler cannot read, and refuses that', async () => {
        await login();
        const seen: string[] = [];
        connection.on('iq', 'urn:test', (iq) => {
            if (iq.getAttribute('id') === 'bad') throw new Error('cannot read');
            seen.push(iq.getAttribute('id') ?? '');
        });
        const iq = (id: string) =>
            `<iq xmlns='jabber:client' type='set' from='a@b/c' id='${id}'><test xmlns='urn:test'/></iq>`;
        socket().receive(iq('one'), iq('bad'), '<iq><not xml', iq('two'));
        expect(seen).toEqual(['one', 'two']);
        expect(socket().sent.some((text) => text.includes('bad-request') && text.includes('"bad"'))).toBe(true);
    });

    it('refuses requests that nobody here understands', async () => {
        await login();
        socket().receive(`<iq xmlns='jabber:client' type='get' from='a@b/c' id='q'><who xmlns='urn:other'/></iq>`);
        expect(socket().sent.at(-1)).toContain('service-unavailable');
    });
});
const message = (text: string) => `<message xmlns='jabber:client' from='r@m/x'><body>${text}</body></message>`;

describe('a connection whose stream can be resumed', () => {
    let heard: string[];
    let lost: () => void;
    let away: (away: boolean) => void;

    beforeEach(async () => {
        FakeSocket.resumable = true;
        heard = [];
        lost = vi.fn();
        away = vi.fn();
        connection.onLost = lost;
        connection.onAway = away;
        connection.on('message', null, (stanza) => heard.push(stanza.textContent));
        await login();
        socket().sent.length = 0;
    });

    const breakDown = () => socket().onclose?.({ code: 1006 });
    const sentBodies = () => socket().sent.flatMap((text) => /<body>(.*)<\/body>/.exec(text)?.[1] ?? []);
    const say = (text: string) =>
        connection.send(x('message', { xmlns: 'jabber:client', to: 'r@m', type: 'groupchat' }, x('body', {}, text)));

    it('comes back by itself, as who it was, and hears what it has missed', async () => {
        socket().receive(message('one'));
        breakDown();
        expect(connection.away).toBe(true);
        FakeSocket.missed = [message('two')];
        await vi.advanceTimersByTimeAsync(1000);
        expect(socket().sent.find((text) => text.startsWith('<resume'))).toContain('h="1"');
        expect(connection.away).toBe(false);
        expect(connection.jid).toBe(JID);
        expect(heard).toEqual(['one', 'two']);
        expect(away).toHaveBeenNthCalledWith(1, true);
        expect(away).toHaveBeenNthCalledWith(2, false);
        expect(lost).not.toHaveBeenCalled();
    });

    it('sends what was said meanwhile, and what was said before and not handled, once and in order', async () => {
        say('handled');
        say('into the void');
        FakeSocket.handled = 1;
        breakDown();
        say('meanwhile');
        await vi.advanceTimersByTimeAsync(1000);
        expect(sentBodies()).toEqual(['into the void', 'meanwhile']);
    });

    it('still gets the answer to what it has asked before', async () => {
        const answer = ask();
        const id = lastId();
        breakDown();
        FakeSocket.missed = [`<iq xmlns='jabber:client' type='result' from='focus.example' id='${id}'/>`];
        await vi.advanceTimersByTimeAsync(1000);
        expect((await answer).getAttribute('id')).toBe(id);
    });

    it('tries again, later and later, until it is let in', async () => {
        breakDown();
        FakeSocket.manner = 'silent';
        await vi.advanceTimersByTimeAsync(30_000);
        expect(connection.away).toBe(true);
        FakeSocket.manner = 'kind';
        await vi.advanceTimersByTimeAsync(10_000);
        expect(connection.away).toBe(false);
        expect(lost).not.toHaveBeenCalled();
    });

    it('does not wait when the network is back', async () => {
        FakeSocket.manner = 'silent';
        breakDown();
        await vi.advanceTimersByTimeAsync(20_000);
        FakeSocket.manner = 'kind';
        dispatchEvent(new Event('online'));
        await vi.advanceTimersByTimeAsync(300);
        expect(connection.away).toBe(false);
    });

    it('notices that nobody answers any more, and hears everything once after that', async () => {
        FakeSocket.manner = 'silent';
        await vi.advanceTimersByTimeAsync(9_500);
        expect(connection.away).toBe(true);
        FakeSocket.manner = 'kind';
        FakeSocket.missed = [message('one')];
        await vi.advanceTimersByTimeAsync(10_000);
        expect(heard).toEqual(['one']);
        expect(connection.away).toBe(false);
    });

    it('stays where it is answered', async () => {
        const first = socket();
        await vi.advanceTimersByTimeAsync(120_000);
        expect(socket()).toBe(first);
    });

    it.each([
        ['ws://localhost:3000/elsewhere', 'ws://localhost:3000/elsewhere'],
        ['ws://evil.example/xmpp-websocket', 'ws://localhost:3000/xmpp-websocket'],
        ['javascript:alert(1)', 'ws://localhost:3000/xmpp-websocket'],
    ])('is sent to %s and goes to %s', async (uri, place) => {
        socket().receive(`<close xmlns='urn:ietf:params:xml:ns:xmpp-framing' see-other-uri='${uri}'/>`);
        await vi.advanceTimersByTimeAsync(1000);
        expect(socket().url).toBe(place);
        expect(connection.away).toBe(false);
    });

    it('is lost when its stream is over, and leaves no second one behind', async () => {
        FakeSocket.over = true;
        say('into the void');
        breakDown();
        await vi.advanceTimersByTimeAsync(1000);
        expect(lost).toHaveBeenCalledTimes(1);
        expect(sentBodies()).toEqual([]);
        await expect(ask()).rejects.toMatchObject({ condition: 'remote-server-timeout' });
    });

    it('is not resumed after it was closed', async () => {
        const last = socket();
        breakDown();
        connection.close();
        await vi.advanceTimersByTimeAsync(60_000);
        expect(socket()).toBe(last);
    });
});
