// The XMPP connection of the page (Strophe over WebSocket, RFC 7395) with promises for its IQs.

import { Strophe } from 'strophe.js';
import { NS } from './namespaces';
import { attribute, child, x } from './xml';

/** What the deployment tells the page: /carillon.json. */
export interface Deployment {
    domain: string;
    guest_domain: string;
    muc: string;
    focus: string;
    websocket: string;
}

/** An IQ that was answered with an error, or not at all ("remote-server-timeout"). */
export class StanzaError extends Error {
    constructor(readonly condition: string, readonly text: string) {
        super(text || condition);
    }
}

function stanzaError(stanza: Element | null): StanzaError {
    const error = child(stanza, 'error');
    const conditions = [...(error?.children ?? [])].filter(element => element.namespaceURI === NS.stanzas);
    return new StanzaError(
        conditions.find(element => element.localName !== 'text')?.localName ?? 'remote-server-timeout',
        conditions.find(element => element.localName === 'text')?.textContent ?? '');
}

const REQUEST_TIMEOUT_MS = 20_000;
const ENDS = new Set<number>([
    Strophe.Status.CONNFAIL, Strophe.Status.AUTHFAIL, Strophe.Status.DISCONNECTED, Strophe.Status.ERROR,
]);

export class Connection {
    private readonly strophe: InstanceType<typeof Strophe.Connection>;
    /** Called once when an established connection is lost. */
    onLost: () => void = () => {};

    constructor(private readonly deployment: Deployment) {
        this.strophe = new Strophe.Connection(deployment.websocket);
    }

    get jid(): string {
        return this.strophe.jid;
    }

    /** Log in as a guest. Rejects with the condition in words when that fails. */
    login(): Promise<void> {
        return new Promise((resolve, reject) => {
            let established = false;
            this.strophe.connect(this.deployment.guest_domain, '', (status: number, condition?: string | null) => {
                if (status === Strophe.Status.CONNECTED) {
                    established = true;
                    resolve();
                } else if (ENDS.has(status)) {
                    if (established) this.onLost();
                    else reject(new Error(condition ?? 'no connection'));
                    established = false;
                }
            });
        });
    }

    send(stanza: Element): void {
        this.strophe.send(stanza);
        this.strophe.flush();
    }

    /** Send an IQ and wait for its result; rejects with a StanzaError. */
    request(to: string, type: 'get' | 'set', payload: Element): Promise<Element> {
        return new Promise((resolve, reject) => {
            const iq = x('iq', { xmlns: 'jabber:client', to, type }, payload);
            this.strophe.sendIQ(iq, resolve, stanza => reject(stanzaError(stanza)), REQUEST_TIMEOUT_MS);
            this.strophe.flush();
        });
    }

    /** Answer an IQ. */
    reply(iq: Element, payload: Element | null = null): void {
        this.send(x('iq', {
            xmlns: 'jabber:client', type: 'result', to: attribute(iq, 'from'), id: attribute(iq, 'id'),
        }, payload));
    }

    /** Refuse an IQ. */
    refuse(iq: Element, type: string, condition: string): void {
        this.send(x('iq', {
            xmlns: 'jabber:client', type: 'error', to: attribute(iq, 'from'), id: attribute(iq, 'id'),
        }, x('error', { type }, x(condition, { xmlns: NS.stanzas }))));
    }

    /** Call `handler` for every stanza of that name (and payload namespace); it returns nothing. */
    on(name: 'presence' | 'message' | 'iq', namespace: string | null, handler: (stanza: Element) => void): void {
        this.strophe.addHandler(stanza => {
            handler(stanza);
            return true;
        }, namespace, name, null);
    }

    close(): void {
        this.onLost = () => {};
        this.strophe.disconnect('left');
    }
}
