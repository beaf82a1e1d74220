// What the meeting needs of an XMPP connection, and how IQs are answered on it.

import { NS } from './namespaces';
import { attribute, child, x } from './xml';

/** An IQ that was answered with an error, or not at all ("remote-server-timeout"). */
export class StanzaError extends Error {
    constructor(
        readonly condition: string,
        readonly text: string,
    ) {
        super(text || condition);
    }
}

/** The server takes no guests, or not this one. */
export class LoginRefused extends Error {}

export type StanzaName = 'presence' | 'message' | 'iq';

/** What the meeting needs of a connection; tests have one without a network. */
export interface Link {
    readonly jid: string;
    /** Called once when an established connection is lost for good. */
    onLost: () => void;
    /** Called when an established connection breaks and is going to be resumed, and when it is. */
    onAway: (away: boolean) => void;
    /** Whether it is broken and is going to be resumed: what is sent meanwhile leaves after that. */
    readonly away: boolean;
    login(): Promise<void>;
    send(stanza: Element): void;
    /** Send an IQ and wait for its result; rejects with a StanzaError. */
    request(to: string, type: 'get' | 'set', payload: Element, timeoutMs?: number): Promise<Element>;
    /** Call `handler` for every stanza of that name (and payload namespace). */
    on(name: StanzaName, namespace: string | null, handler: (stanza: Element) => void): void;
    /** Nothing answers: leave this connection and resume on another. Whether that can be. */
    renew(): boolean;
    close(): void;
}

/** The condition of a stanza of type "error" (RFC 6120 §8.3). */
export function stanzaError(stanza: Element): StanzaError {
    const conditions = [...(child(stanza, 'error')?.children ?? [])].filter((e) => e.namespaceURI === NS.stanzas);
    return new StanzaError(
        conditions.find((element) => element.localName !== 'text')?.localName ?? 'undefined-condition',
        conditions.find((element) => element.localName === 'text')?.textContent ?? '',
    );
}

/** Answer an IQ. */
export function reply(link: Link, iq: Element, payload: Element | null = null): void {
    const addressed = { xmlns: 'jabber:client', to: attribute(iq, 'from') || undefined, id: attribute(iq, 'id') };
    link.send(x('iq', { ...addressed, type: 'result' }, payload));
}

/** Refuse an IQ. */
export function refuse(link: Link, iq: Element, type: 'auth' | 'cancel' | 'modify', condition: string): void {
    const addressed = { xmlns: 'jabber:client', to: attribute(iq, 'from') || undefined, id: attribute(iq, 'id') };
    link.send(x('iq', { ...addressed, type: 'error' }, x('error', { type }, x(condition, { xmlns: NS.stanzas }))));
}

/** Whether an IQ wants an answer. */
export function asks(iq: Element): boolean {
    return ['get', 'set'].includes(attribute(iq, 'type'));
}
