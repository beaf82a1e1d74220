// STUN and TURN servers from XEP-0215: the focus is asked first, then the page's own server.

import type { Link } from './link';
import { NS } from './namespaces';
import { attribute, child, children, x } from './xml';

const TIMEOUT_MS = 5_000;
const MAX_SERVERS = 8;
/** Ask again so soon when nobody handed out anything, or nothing that ends. */
const UNKNOWN_LIFE_MS = 600_000;

export class Relays {
    private found: Promise<RTCIceServer[]> | null = null;
    private askAgainAt = 0;

    constructor(
        private readonly link: Link,
        private readonly addresses: string[],
    ) {}

    /** The ICE servers of this deployment; asked for again when half the life of the credentials is over. */
    current(): Promise<RTCIceServer[]> {
        if (!this.found || Date.now() >= this.askAgainAt) this.found = this.ask();
        return this.found;
    }

    private async ask(): Promise<RTCIceServer[]> {
        const now = Date.now();
        this.askAgainAt = now + UNKNOWN_LIFE_MS / 2;
        for (const address of this.addresses) {
            try {
                const query = x('services', { xmlns: NS.extdisco });
                const result = await this.link.request(address, 'get', query, TIMEOUT_MS);
                const services = children(child(result, 'services'), 'service').slice(0, MAX_SERVERS);
                const servers = services.flatMap(iceServer);
                if (servers.length === 0) continue;
                const lives = services.map((service) => expiry(service) - now).filter((life) => life > 0);
                this.askAgainAt = now + Math.min(...lives, 2 * UNKNOWN_LIFE_MS) / 2;
                return servers;
            } catch {
                // An address that does not answer is no fault of the meeting: media may well flow without a relay.
            }
        }
        return [];
    }
}

/** When credentials end (Unix time in ms): as told, else as their name tells ("EXPIRY:NAME"); NaN = not told. */
function expiry(service: Element): number {
    const told = Date.parse(attribute(service, 'expires'));
    return Number.isNaN(told) ? Number.parseInt(attribute(service, 'username'), 10) * 1000 : told;
}

/** One server for RTCPeerConnection, which throws on what it cannot read: only what looks right is passed on. */
export function iceServer(service: Element): RTCIceServer[] {
    const type = attribute(service, 'type');
    const host = attribute(service, 'host');
    const port = Number(attribute(service, 'port') || (type === 'turns' ? 5349 : 3478));
    const transport = attribute(service, 'transport').toLowerCase();
    if (!/^[\w.:-]{1,253}$/.test(host) || !Number.isInteger(port) || port < 1 || port > 65535) return [];
    const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    if (type === 'stun') return [{ urls: `stun:${address}` }];
    const username = attribute(service, 'username');
    const credential = attribute(service, 'password');
    if ((type !== 'turn' && type !== 'turns') || !username || !credential) return [];
    const suffix = ['udp', 'tcp'].includes(transport) ? `?transport=${transport}` : '';
    return [{ urls: `${type}:${address}${suffix}`, username, credential }];
}
