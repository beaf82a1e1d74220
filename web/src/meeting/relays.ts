// STUN and TURN servers from XEP-0215: the focus is asked first, then the page's own server.

import type { Connection } from './connection';
import { NS } from './namespaces';
import { attribute, x } from './xml';

/** The ICE servers of this deployment; an empty list when nobody hands any out. */
export async function iceServers(connection: Connection, addresses: string[]): Promise<RTCIceServer[]> {
    for (const address of addresses) {
        try {
            const result = await connection.request(address, 'get', x('services', { xmlns: NS.extdisco }));
            const servers = [...result.getElementsByTagName('service')].flatMap(iceServer);
            if (servers.length > 0) return servers;
        } catch {
            // An address that does not answer is no fault of the meeting: media may well flow without a relay.
        }
    }
    return [];
}

function iceServer(service: Element): RTCIceServer[] {
    const type = attribute(service, 'type');
    const host = attribute(service, 'host');
    const bracketed = host.includes(':') ? `[${host}]` : host;
    const port = attribute(service, 'port');
    const transport = attribute(service, 'transport');
    if (type === 'stun') return [{ urls: `stun:${bracketed}:${port}` }];
    if (type !== 'turn' && type !== 'turns') return [];
    return [{
        urls: `${type}:${bracketed}:${port}${transport ? `?transport=${transport}` : ''}`,
        username: attribute(service, 'username'),
        credential: attribute(service, 'password'),
    }];
}
