// The XMPP connection of the page (Strophe over WebSocket, RFC 7395) with promises for its IQs. When it breaks, the
// stream is resumed on another one (XEP-0198, of which Strophe does the counting): whoever uses it notices nothing.

import { Strophe } from 'strophe.js';
import { backOff } from './back_off';
import { Hearing, LOOK_MS } from './hearing';
import { asks, type Link, LoginRefused, refuse, StanzaError, type StanzaName, stanzaError } from './link';
import { type Deployment, otherPlace } from './place';
import { attribute, x } from './xml';

Strophe.setLogLevel(Strophe.LogLevel.WARN);

const REQUEST_TIMEOUT_MS = 20_000;
const LOGIN_TIMEOUT_MS = 20_000;
/** How long one try to resume may take: a front that hangs takes connections and says nothing on them. */
const TRY_TIMEOUT_MS = 4_000;
/** The first try, spread so that not all pages come at once; later ones wait longer and longer. */
const FIRST_TRY_MS = 250;
const LATER_TRY_MS = 400;
const TRY_LIMIT_MS = 5_000;
/** Stanzas that wait until the stream is resumed: nobody says more in that time. */
const MAX_WAITING = 1_000;
const FAILURES = new Set<number>([Strophe.Status.CONNFAIL, Strophe.Status.DISCONNECTED, Strophe.Status.ERROR]);

/** new → up ⇄ away, and over after any of them. */
type State = 'new' | 'up' | 'away' | 'over';

interface Pending {
    to: string;
    resolve: (stanza: Element) => void;
    reject: (error: StanzaError) => void;
    timer: ReturnType<typeof setTimeout>;
}

interface Entry {
    resolve: () => void;
    reject: (error: Error) => void;
}

/** Of Strophe's side of XEP-0198. */
interface Counting {
    readonly enabled: boolean;
    hasResumableState(): boolean;
    requestAck(): void;
}

export class Connection implements Link {
    private readonly strophe: InstanceType<typeof Strophe.Connection>;
    private readonly pending = new Map<string, Pending>();
    private readonly handlers: [StanzaName, string | null, (stanza: Element) => boolean][] = [];
    private state: State = 'new';
    private waiting: Element[] = [];
    private entry: Entry | null = null;
    private bound = '';
    private tries = 0;
    /** Which connection this is: what is told of an earlier one is nothing to us. */
    private turn = 0;
    private timer: ReturnType<typeof setTimeout> | undefined;
    private looks: ReturnType<typeof setInterval> | undefined;
    private hearing = new Hearing(0);
    onLost: () => void = () => {};
    onAway: (away: boolean) => void = () => {};

    constructor(private readonly deployment: Deployment) {
        this.strophe = new Strophe.Connection(deployment.websocket, { enableStreamManagement: true });
        this.strophe.rawInput = (text) => this.heard(text);
    }

    get jid(): string {
        return this.bound;
    }

    private get counting(): Counting | undefined {
        return this.strophe.sm as Counting | undefined;
    }

    get away(): boolean {
        return this.state === 'away';
    }

    login(): Promise<void> {
        return new Promise((resolve, reject) => {
            this.entry = { resolve, reject };
            this.timer = setTimeout(() => {
                reject(new Error('no answer'));
                this.close();
            }, LOGIN_TIMEOUT_MS);
            this.connect();
        });
    }

    send(stanza: Element): void {
        if (this.state === 'away') {
            if (this.waiting.length < MAX_WAITING) this.waiting.push(stanza);
        } else if (this.state === 'up') {
            this.strophe.send(stanza);
            this.strophe.flush();
        }
    }

    request(to: string, type: 'get' | 'set', payload: Element, timeoutMs = REQUEST_TIMEOUT_MS): Promise<Element> {
        const id = this.strophe.getUniqueId('carillon');
        return new Promise((resolve, reject) => {
            if (this.state === 'new' || this.state === 'over') {
                reject(new StanzaError('remote-server-timeout', 'not connected'));
                return;
            }
            const timer = setTimeout(() => {
                this.pending.delete(id);
                reject(new StanzaError('remote-server-timeout', 'no answer in time'));
            }, timeoutMs);
            this.pending.set(id, { to, resolve, reject, timer });
            this.send(x('iq', { xmlns: 'jabber:client', to, type, id }, payload));
        });
    }

    /** What a handler throws is our own fault or a hostile stanza: it must cost neither the handler nor the page. */
    on(name: StanzaName, namespace: string | null, handler: (stanza: Element) => void): void {
        const guarded = (stanza: Element): boolean => {
            try {
                handler(stanza);
            } catch (error) {
                console.warn('a stanza that cannot be read', error);
                if (name === 'iq' && asks(stanza)) refuse(this, stanza, 'modify', 'bad-request');
            }
            return true;
        };
        this.handlers.push([name, namespace, guarded]);
        if (this.state === 'up') this.strophe.addHandler(guarded, namespace, name, null);
    }

    renew(): boolean {
        if (this.state === 'up') this.leave();
        return this.state === 'away';
    }

    close(): void {
        this.onLost = () => {};
        this.lost();
    }

    /** Open a WebSocket and log in on it. */
    private connect(): void {
        const turn = ++this.turn;
        this.strophe.connect(this.deployment.guest_domain, '', (status: number, condition?: string | null) => {
            if (turn === this.turn) this.told(status, condition);
        });
    }

    /** What becomes of the latest connection. */
    private told(status: number, condition?: string | null): void {
        const failed = FAILURES.has(status);
        if (status === Strophe.Status.AUTHFAIL) {
            this.entry?.reject(new LoginRefused());
            this.lost();
        } else if (this.state === 'new') {
            if (failed) {
                this.entry?.reject(new Error(condition ?? 'no connection'));
                this.lost();
            } else if (status === Strophe.Status.CONNECTED) {
                this.established();
            }
        } else if (this.state === 'away') {
            if (failed) this.failed();
            // What is not the stream of before is somebody else's, with nothing in any room.
            else if (status === Strophe.Status.CONNECTED && !this.strophe.restored) this.lost();
            else if (status === Strophe.Status.CONNECTED) this.resumed();
        } else if (failed) {
            this.leave();
        }
    }

    private established(): void {
        this.bound = this.strophe.jid;
        this.looks = setInterval(() => this.look(), LOOK_MS);
        addEventListener('online', this.hurry);
        addEventListener('offline', this.doubt);
        this.up();
        this.entry?.resolve();
    }

    /** The stream is there, for the first time or again. */
    private up(): void {
        clearTimeout(this.timer);
        this.state = 'up';
        this.tries = 0;
        this.hearing = new Hearing(Date.now());
        // Not every IQ: one that no handler takes must reach Strophe's own refusal.
        this.strophe.addHandler((iq) => this.answered(iq), null, 'iq', ['result', 'error']);
        for (const [name, namespace, handler] of this.handlers) this.strophe.addHandler(handler, namespace, name, null);
        const waiting = this.waiting;
        this.waiting = [];
        for (const stanza of waiting) this.send(stanza);
    }

    // resumption

    /** The connection is of no use any more. */
    private leave(uri = ''): void {
        if (!this.counting?.hasResumableState()) {
            this.lost();
            return;
        }
        this.turn++;
        this.state = 'away';
        // Its handlers are added again when the stream is resumed; what comes till then counts as not received.
        this.strophe.reset();
        this.strophe.service = otherPlace(uri, this.deployment.websocket);
        this.timer = setTimeout(() => this.comeBack(), Math.random() * FIRST_TRY_MS);
        this.onAway(true);
    }

    private comeBack(): void {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.failed(), TRY_TIMEOUT_MS);
        this.connect();
    }

    private resumed(): void {
        this.up();
        this.onAway(false);
    }

    private failed(): void {
        this.turn++;
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.comeBack(), backOff(this.tries++, LATER_TRY_MS, TRY_LIMIT_MS));
        this.strophe.service = this.deployment.websocket;
    }

    /** The network is back: no need to wait any longer. */
    private readonly hurry = (): void => {
        if (this.state === 'away') this.comeBack();
        else this.doubt();
    };

    /** The browser says that something is wrong, or was: ask. */
    private readonly doubt = (): void => {
        if (this.state === 'up' && this.counting?.enabled) this.ask();
    };

    private look(): void {
        if (this.state !== 'up' || !this.counting?.enabled) return;
        const verdict = this.hearing.look(Date.now());
        if (verdict === 'ask') this.ask();
        else if (verdict === 'lost') this.leave();
    }

    private ask(): void {
        this.hearing.ask(Date.now());
        this.counting?.requestAck();
    }

    /** Anything that comes in; a `<close/>` is the front's or the server's last word (RFC 7395 §3.6). */
    private heard(text: string): void {
        this.hearing.heard(Date.now());
        if (this.state !== 'up' || !text.startsWith('<close')) return;
        const close = new DOMParser().parseFromString(text, 'text/xml').documentElement;
        this.leave(attribute(close, 'see-other-uri'));
    }

    // answers, ends

    /** Results and errors of our requests; only whom we asked may answer. */
    private answered(iq: Element): boolean {
        const type = attribute(iq, 'type');
        const id = attribute(iq, 'id');
        const pending = this.pending.get(id);
        if (pending && (type === 'result' || type === 'error') && attribute(iq, 'from') === pending.to) {
            this.pending.delete(id);
            clearTimeout(pending.timer);
            if (type === 'result') pending.resolve(iq);
            else pending.reject(stanzaError(iq));
        }
        return true;
    }

    private lost(): void {
        if (this.state === 'over') return;
        const established = this.state !== 'new';
        this.state = 'over';
        this.turn++;
        clearTimeout(this.timer);
        clearInterval(this.looks);
        removeEventListener('online', this.hurry);
        removeEventListener('offline', this.doubt);
        for (const { reject, timer } of this.pending.values()) {
            clearTimeout(timer);
            reject(new StanzaError('remote-server-timeout', 'the connection is lost'));
        }
        this.pending.clear();
        this.strophe.disconnect('left');
        if (established) this.onLost();
    }
}
