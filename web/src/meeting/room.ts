// The MUC room (XEP-0045) as a meeting sees it: who is there, with which role, what they say and mute.

import type { Connection } from './connection';
import { NS } from './namespaces';
import { attribute, child, children, x } from './xml';

export interface Occupant {
    id: string;
    name: string;
    moderator: boolean;
    audioMuted: boolean;
    videoMuted: boolean;
}

export interface RoomEvents {
    occupant(occupant: Occupant): void;
    left(id: string, kicked: boolean): void;
    self(moderator: boolean): void;
    /** We are out: "kicked", "destroyed", "focus-left", or a stanza error's condition when joining failed. */
    ended(reason: string): void;
    chat(id: string, name: string, text: string): void;
    properties(properties: Record<string, string>, bridgeMissing: boolean): void;
}

const FOCUS_NICK = 'focus';
const FEATURES = [
    NS.discoInfo,
    'http://jitsi.org/tcc',
    'http://jitsi.org/json-encoded-sources',
    'http://jitsi.org/source-name',
    'urn:ietf:rfc:4588',
    'urn:ietf:rfc:5761',
    'urn:ietf:rfc:5888',
    'urn:xmpp:jingle:1',
    'urn:xmpp:jingle:apps:rtp:1',
    'urn:xmpp:jingle:apps:rtp:audio',
    'urn:xmpp:jingle:apps:rtp:video',
    'urn:xmpp:jingle:transports:ice-udp:1',
].sort();
const IDENTITY = { category: 'client', type: 'web', name: 'carillon' };
const NODE = 'urn:carillon:web';

/** Verification string of our features (XEP-0115 §5). */
async function capsVersion(): Promise<string> {
    const text = `${IDENTITY.category}/${IDENTITY.type}//${IDENTITY.name}<${FEATURES.join('<')}<`;
    const digest = await crypto.subtle.digest('SHA-1', new TextEncoder().encode(text));
    return btoa(String.fromCharCode(...new Uint8Array(digest)));
}

export class Room {
    /** Our nick, which is also our endpoint id at the bridge: 8 hexadecimal digits. */
    readonly id = [...crypto.getRandomValues(new Uint8Array(4))].map(byte => byte.toString(16).padStart(2, '0')).join('');
    private version = '';
    private joined = false;
    private muted = { audio: false, video: false };

    constructor(
        private readonly connection: Connection,
        readonly jid: string,
        private name: string,
        private readonly events: RoomEvents,
    ) {
        connection.on('presence', null, stanza => this.presence(stanza));
        connection.on('message', null, stanza => this.message(stanza));
        connection.on('iq', NS.discoInfo, stanza => this.disco(stanza));
    }

    get focus(): string {
        return `${this.jid}/${FOCUS_NICK}`;
    }

    occupantJid(id: string): string {
        return `${this.jid}/${id}`;
    }

    async join(muted: { audio: boolean; video: boolean }): Promise<void> {
        this.muted = muted;
        this.version = await capsVersion();
        this.announce(x('x', { xmlns: NS.muc }));
    }

    leave(): void {
        this.joined = false;
        this.connection.send(x('presence', { xmlns: 'jabber:client', to: this.occupantJid(this.id), type: 'unavailable' }));
    }

    /** Tell the others what we mute. */
    mute(muted: { audio: boolean; video: boolean }): void {
        this.muted = muted;
        this.announce(null);
    }

    rename(name: string): void {
        this.name = name;
        this.announce(null);
    }

    say(text: string): void {
        this.connection.send(x('message', { xmlns: 'jabber:client', to: this.jid, type: 'groupchat' }, x('body', {}, text)));
    }

    /** Ask the focus to mute somebody: only moderators may. */
    async muteOther(id: string, kind: 'audio' | 'video'): Promise<void> {
        const xmlns = kind === 'audio' ? NS.muteAudio : NS.muteVideo;
        await this.connection.request(this.focus, 'set', x('mute', { xmlns, jid: this.occupantJid(id) }, 'true'));
    }

    async kick(id: string): Promise<void> {
        await this.connection.request(this.jid, 'set',
            x('query', { xmlns: NS.mucAdmin }, x('item', { nick: id, role: 'none' })));
    }

    private announce(first: Element | null): void {
        const sources = {
            [`${this.id}-a0`]: { muted: this.muted.audio },
            [`${this.id}-v0`]: { muted: this.muted.video, videoType: 'camera' },
        };
        this.connection.send(x('presence', { xmlns: 'jabber:client', to: this.occupantJid(this.id) },
            first,
            x('c', { xmlns: NS.caps, hash: 'sha-1', node: NODE, ver: this.version }),
            this.name ? x('nick', { xmlns: NS.nick }, this.name) : null,
            x('SourceInfo', {}, JSON.stringify(sources)),
            x('audiomuted', {}, String(this.muted.audio)),
            x('videomuted', {}, String(this.muted.video))));
    }

    private presence(stanza: Element): void {
        const from = attribute(stanza, 'from');
        if (!from.startsWith(`${this.jid}/`)) return;
        const id = from.slice(this.jid.length + 1);
        const user = child(stanza, 'x', NS.mucUser);
        const codes = children(user, 'status').map(status => attribute(status, 'code'));
        switch (attribute(stanza, 'type')) {
            case 'error':
                if (!this.joined) this.events.ended(child(stanza, 'error')?.firstElementChild?.localName ?? 'error');
                return;
            case 'unavailable':
                return this.gone(id, user, codes);
            default:
                return this.here(id, stanza, user, codes);
        }
    }

    private gone(id: string, user: Element | null, codes: string[]): void {
        if (id === this.id || codes.includes('110')) {
            if (this.joined) this.events.ended(child(user, 'destroy') ? 'destroyed' : codes.includes('307') ? 'kicked' : 'left');
            this.joined = false;
        } else if (id === FOCUS_NICK) {
            this.events.ended('focus-left');
        } else {
            this.events.left(id, codes.includes('307'));
        }
    }

    private here(id: string, stanza: Element, user: Element | null, codes: string[]): void {
        const item = child(user, 'item');
        const moderator = attribute(item, 'role') === 'moderator';
        if (id === this.id || codes.includes('110')) {
            this.joined = true;
            this.events.self(moderator);
        } else if (id === FOCUS_NICK) {
            const list = children(child(stanza, 'conference-properties', NS.focus), 'property');
            this.events.properties(
                Object.fromEntries(list.map(property => [attribute(property, 'key'), attribute(property, 'value')])),
                child(stanza, 'bridgeNotAvailable') !== null);
        } else {
            const info = sourceInfo(stanza);
            this.events.occupant({
                id,
                name: child(stanza, 'nick', NS.nick)?.textContent ?? '',
                moderator,
                audioMuted: info('a', 'audiomuted'),
                videoMuted: info('v', 'videomuted'),
            });
        }
    }

    private message(stanza: Element): void {
        const from = attribute(stanza, 'from');
        const body = child(stanza, 'body')?.textContent;
        if (!body || attribute(stanza, 'type') !== 'groupchat' || !from.startsWith(`${this.jid}/`)) return;
        this.events.chat(from.slice(this.jid.length + 1), child(stanza, 'nick', NS.nick)?.textContent ?? '', body);
    }

    private disco(iq: Element): void {
        if (attribute(iq, 'type') !== 'get') return;
        const node = attribute(child(iq, 'query'), 'node') || undefined;
        this.connection.reply(iq, x('query', { xmlns: NS.discoInfo, node },
            x('identity', IDENTITY), ...FEATURES.map(feature => x('feature', { var: feature }))));
    }
}

/** How the presence of somebody says what they mute: SourceInfo, else the older elements; nothing said = muted. */
function sourceInfo(stanza: Element): (letter: 'a' | 'v', element: string) => boolean {
    let sources: Record<string, { muted?: boolean }> = {};
    try {
        sources = JSON.parse(child(stanza, 'SourceInfo')?.textContent ?? '{}') as typeof sources;
    } catch {
        // Somebody else's presence may hold anything.
    }
    return (letter, element) => {
        const own = Object.entries(sources).filter(([name]) => new RegExp(`-${letter}\\d+$`).test(name));
        if (own.length > 0) return own.every(([, source]) => source.muted ?? true);
        return child(stanza, element)?.textContent !== 'false';
    };
}
