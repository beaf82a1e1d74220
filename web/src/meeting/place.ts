// Where the meeting is: the room's name from the address, and what the deployment tells at /carillon.json.

/** What the page must know of its deployment. */
export interface Deployment {
    domain: string;
    guest_domain: string;
    muc: string;
    focus: string;
    websocket: string;
    /** Whether two alone in a room may send directly, without the bridge. */
    p2p: boolean;
}

/** Characters that the local part of a JID may not hold (RFC 7622 §3.3.1), spaces and controls. */
const FORBIDDEN = /["&'/:<>@\s\p{Cc}\p{Cf}]/u;
const ROOM_NAME_BYTES = 1023;

/** A room as the server spells it, or null when it cannot be one. */
function roomName(text: string): string | null {
    const name = text.normalize('NFKC').toLowerCase();
    const bytes = new TextEncoder().encode(name).length;
    return name && bytes <= ROOM_NAME_BYTES && !FORBIDDEN.test(name) ? name : null;
}

/** The room of an address' path: "" = none chosen yet, null = that cannot be a room. */
export function roomOf(pathname: string): string | null {
    const segment = pathname.replace(/^\//, '').replace(/\/$/, '');
    if (!segment) return '';
    try {
        return roomName(decodeURIComponent(segment));
    } catch {
        return null; // no UTF-8, or a stray percent sign
    }
}

/** The path of the room that somebody typed: what a room's name cannot hold becomes a dash. */
export function pathOf(typed: string): string | null {
    const name = typed
        .normalize('NFKC')
        .toLowerCase()
        .replaceAll(new RegExp(`${FORBIDDEN.source}+`, 'gu'), '-');
    const trimmed = name.replaceAll(/^[-.]+|[-.]+$/g, '');
    return roomName(trimmed) && `/${encodeURIComponent(trimmed)}`;
}

/**
 * The same path on the host that served the page. Whatever name this host is reached by, the front behind it
 * has the XMPP WebSocket and the bridge channel, and its Content-Security-Policy allows no other host.
 */
export function sameHost(address: string): string {
    const { pathname, search } = new URL(address, location.href);
    return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${pathname}${search}`;
}

/** Where the front says to go instead (RFC 7395 §3.6.1), if that is on the host that served the page; else `home`. */
export function otherPlace(uri: string, home: string): string {
    const { origin } = new URL(home, location.href);
    return URL.canParse(uri) && new URL(uri).origin === origin ? uri : home;
}

/** Ask the front what it belongs to. Throws when it does not answer as it should. */
export async function askDeployment(): Promise<Deployment> {
    const answer = await fetch('/carillon.json', { signal: AbortSignal.timeout(15_000) });
    const found = (await answer.json()) as Record<string, unknown>;
    const text = (key: Exclude<keyof Deployment, 'p2p'>) => {
        const value = found[key];
        if (typeof value !== 'string' || !value) throw new Error(`/carillon.json names no ${key}`);
        return value;
    };
    return {
        domain: text('domain'),
        guest_domain: text('guest_domain'),
        muc: text('muc'),
        focus: text('focus'),
        websocket: sameHost(text('websocket')),
        p2p: found.p2p === true,
    };
}
