// Stanzas for tests, parsed as Strophe does it: inside an element without a namespace.

import { child } from '../src/meeting/xml';

export function stanza(xml: string): Element {
    const root = new DOMParser().parseFromString(`<wrapper>${xml}</wrapper>`, 'text/xml').documentElement;
    const first = root.firstElementChild;
    if (!first) throw new Error(`no stanza: ${xml}`);
    return first;
}

export function jingleOf(xml: string): Element {
    const jingle = child(stanza(xml), 'jingle', 'urn:xmpp:jingle:1');
    if (!jingle) throw new Error(`no jingle: ${xml}`);
    return jingle;
}
