// The XMPP connection of the page (Strophe over WebSocket, RFC 7395) with promises for its IQs.

import { Strophe } from 'strophe.js';
import { asks, type Link, LoginRefused, refuse, StanzaError, type StanzaName, stanzaError } from './link';
import type { Deployment } from './place';
import { attribute, x } from './xml';

Strophe.setLogLevel(Strophe.LogLevel.WARN);

const REQUEST_TIMEOUT_MS = 20_000;
const LOGIN_TIMEOUT_MS = 20_000;
const FAILURES = new Set<number>([Strophe.Status.CONNFAIL, Strophe.Status.DISCONNECTED, Strophe.Status.ERROR]);

interface Pending {
    to: string;
    resolve: (stanza: Element) => void;
    reject: (error: StanzaError) => void;
    timer: ReturnType<typeof setTimeout>;
}

export class Connection implements Link {
    private readonly strophe: InstanceType<typeof Strophe.Connection>;
    private readonly pending = new Map<string, Pending>();
    private established = false;
    private over = false;
    onLost: () => void = () => {};

    constructor(private readonly deployment: Deployment) {
        this.strophe = new Strophe.Connection(deployment.websocket);
    }

    get jid(): string {
        return this.strophe.jid;
    }

    login(): Promise<void> {
        return new Promise((resolve, reject) => {
            const timer = setTimeout(() => {
                reject(new Error('no answer'));
                this.close();
            }, LOGIN_TIMEOUT_MS);
            this.strophe.connect(this.deployment.guest_domain, '', (status: number, condition?: string | null) => {
                if (status === Strophe.Status.CONNECTED) {
                    clearTimeout(timer);
                    this.established = true;
                    // Not every IQ: one that no handler takes must reach Strophe's own refusal.
                    this.strophe.addHandler((iq) => this.answered(iq), null, 'iq', ['result', 'error']);
                    resolve();
                } else if (status === Strophe.Status.AUTHFAIL || FAILURES.has(status)) {
                    clearTimeout(timer);
                    const refused = status === Strophe.Status.AUTHFAIL;
                    reject(refused ? new LoginRefused() : new Error(condition ?? 'no connection'));
                    this.lost();
                }
            });
        });
    }

    send(stanza: Element): void {
        if (!this.established || this.over) return;
        this.strophe.send(stanza);
        this.strophe.flush();
    }

    request(to: string, type: 'get' | 'set', payload: Element, timeoutMs = REQUEST_TIMEOUT_MS): Promise<Element> {
        const id = this.strophe.getUniqueId('carillon');
        return new Promise((resolve, reject) => {
            if (!this.established || this.over) {
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
        this.strophe.addHandler(guarded, namespace, name, null);
    }

    close(): void {
        if (this.over) return;
        this.onLost = () => {};
        this.strophe.disconnect('left');
        this.lost();
    }

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
        if (this.over) return;
        this.over = true;
        for (const { reject, timer } of this.pending.values()) {
            clearTimeout(timer);
            reject(new StanzaError('remote-server-timeout', 'the connection is lost'));
        }
        this.pending.clear();
        if (this.established) this.onLost();
    }
}
