// What this client can do: the answer to disco#info (XEP-0030) and its hash in our presence (XEP-0115).

import { NS } from './namespaces';
import { x } from './xml';

export interface Identity {
    category: string;
    type: string;
    name: string;
}

export const NODE = 'urn:carillon:web';
const IDENTITY: Identity = { category: 'client', type: 'web', name: 'carillon' };
const FEATURES = [
    NS.discoInfo,
    NS.ping,
    NS.direct,
    'http://jitsi.org/json-encoded-sources',
    'http://jitsi.org/source-name',
    'http://jitsi.org/tcc',
    'urn:ietf:rfc:4588',
    'urn:ietf:rfc:5761',
    'urn:ietf:rfc:5888',
    'urn:xmpp:jingle:1',
    'urn:xmpp:jingle:apps:rtp:1',
    'urn:xmpp:jingle:apps:rtp:audio',
    'urn:xmpp:jingle:apps:rtp:video',
    'urn:xmpp:jingle:transports:ice-udp:1',
];

/** Verification string (XEP-0115 §5.1), hashed with SHA-1; "" where the browser has no digest (insecure pages). */
export async function capsVersion(identity: Identity = IDENTITY, features: string[] = FEATURES): Promise<string> {
    if (!globalThis.crypto?.subtle) return '';
    const own = `${identity.category}/${identity.type}//${identity.name}<`;
    const text =
        own +
        [...features]
            .sort()
            .map((feature) => `${feature}<`)
            .join('');
    const digest = await crypto.subtle.digest('SHA-1', new TextEncoder().encode(text));
    return btoa(String.fromCharCode(...new Uint8Array(digest)));
}

/** The payload that answers disco#info. */
export function discoAnswer(node: string | undefined): Element {
    const features = FEATURES.map((feature) => x('feature', { var: feature }));
    return x('query', { xmlns: NS.discoInfo, node }, x('identity', { ...IDENTITY }), ...features);
}
