import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Connection } from '../src/meeting/connection';
import { LoginRefused } from '../src/meeting/link';
import { x } from '../src/meeting/xml';

const FRAMING = "xmlns='urn:ietf:params:xml:ns:xmpp-framing' version='1.0'";
const SASL = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";
const STREAM = "xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client'";
const JID = 'abc@guest.example/r';

/** The server's side of a WebSocket: logs guests in as Prosody does, unless it is told to be silent or to refuse. */
class FakeSocket {
    static readonly OPEN = 1;
    static readonly CLOSED = 3;
    static last: FakeSocket;
    static manner: 'kind' | 'silent' | 'refusing' = 'kind';
    readyState = 1;
    readonly sent: string[] = [];
    onopen: (() => void) | null = null;
    onclose: ((event: object) => void) | null = null;
    onmessage: ((event: { data: string }) => void) | null = null;
    private authenticated = false;

    constructor() {
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
            const offered = this.authenticated
                ? "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
                : `<mechanisms ${SASL}><mechanism>ANONYMOUS</mechanism></mechanisms>`;
            this.receive(`<open ${FRAMING}/>`, `<stream:features ${STREAM}>${offered}</stream:features>`);
        } else if (text.startsWith('<auth')) {
            this.authenticated = FakeSocket.manner === 'kind';
            this.receive(this.authenticated ? `<success ${SASL}/>` : `<failure ${SASL}><not-authorized/></failure>`);
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
    FakeSocket.manner = 'kind';
    const hosts = { domain: 'example', guest_domain: 'guest.example', muc: 'm.example', focus: 'focus.example' };
    connection = new Connection({ ...hosts, websocket: 'ws://example/xmpp-websocket', p2p: false });
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
