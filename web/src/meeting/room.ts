// The MUC room (XEP-0045) as a meeting sees it: who is there, with which role, what they say and mute.

import { capsVersion, discoAnswer, NODE } from './caps';
import { asks, type Link, refuse, reply, StanzaError } from './link';
import { NS } from './namespaces';
import { type Departure, type Occupant, type RoomPresence, readPresence } from './presence';
import type { BridgeProblem } from './problems';
import { cleanMessage, cleanName } from './text';
import { attribute, child, textOf, x } from './xml';

export interface Said {
    id: string;
    /** The name that the message itself tells, "" = none. */
    name: string;
    text: string;
    at: Date;
}

export interface RoomEvents {
    occupant(occupant: Occupant): void;
    left(id: string): void;
    /** We are in, or our role changed. */
    self(moderator: boolean): void;
    /** The room refused us, with the condition of its error. */
    refused(condition: string): void;
    /** We were in and are out; `reason` is in somebody's words, or "". */
    removed(why: Departure, reason: string): void;
    /** The focus came or went; `bridge` says why it has no bridge for us. */
    focus(here: boolean, bridge: BridgeProblem | null): void;
    said(said: Said): void;
    /** What we said was refused. */
    unsaid(): void;
}

export type Muted = Record<'audio' | 'video', boolean>;

const FOCUS_NICK = 'focus';
const PING_TIMEOUT_MS = 5_000;
const HISTORY_LINES = 50;

/** A new nick, which is also our endpoint id at the bridge: 8 hexadecimal digits. */
function freshId(): string {
    return [...crypto.getRandomValues(new Uint8Array(4))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The name of the source that carries somebody's screen. */
export function screenOf(id: string): string {
    return `${id}-v1`;
}

export class Room {
    private own = freshId();
    private version = '';
    private joined = false;
    /** Whether something about us has changed since we last told it. */
    private untold = false;
    private focusHere = false;
    private muted: Muted = { audio: true, video: true };
    /** Whether we share a screen; null = we never did. */
    private sharing: boolean | null = null;

    /** `focusJid` is the real address of the focus: only an occupant with it is believed to be the focus. */
    constructor(
        private readonly link: Link,
        readonly jid: string,
        private readonly focusJid: string,
        private name: string,
        private readonly events: RoomEvents,
    ) {
        link.on('presence', null, (stanza) => this.presence(stanza));
        link.on('message', null, (stanza) => this.message(stanza));
        link.on('iq', NS.discoInfo, (iq) => this.disco(iq));
        link.on('iq', NS.ping, (iq) => this.pinged(iq));
    }

    /** Our nick, which is also our endpoint id at the bridge. */
    get id(): string {
        return this.own;
    }

    /** The address of the focus in this room. */
    get focus(): string {
        return `${this.jid}/${FOCUS_NICK}`;
    }

    get hasFocus(): boolean {
        return this.focusHere;
    }

    /** Whether a stanza is from the focus: its nick alone proves nothing, somebody else may have taken it. */
    isFromFocus(stanza: Element): boolean {
        return this.focusHere && attribute(stanza, 'from') === this.focus;
    }

    /** Enter; `since` = when we were here before: only what was said after that comes as history. */
    async join(muted: Muted, since: Date | null): Promise<void> {
        this.muted = muted;
        this.version = await capsVersion();
        const history = since ? { since: since.toISOString() } : { maxstanzas: HISTORY_LINES };
        this.announce(x('x', { xmlns: NS.muc }, x('history', history)));
    }

    leave(): void {
        this.joined = false;
        this.link.send(x('presence', { xmlns: 'jabber:client', to: this.occupant(this.own), type: 'unavailable' }));
    }

    /** Tell the others what we mute. */
    mute(muted: Muted): void {
        if (muted.audio === this.muted.audio && muted.video === this.muted.video) return;
        this.muted = muted;
        this.changed();
    }

    /** Tell the others whether we share a screen. */
    share(sharing: boolean): void {
        if (sharing === (this.sharing ?? false)) return;
        this.sharing = sharing;
        this.changed();
    }

    rename(name: string): void {
        this.name = name;
        this.changed();
    }

    say(text: string): void {
        const message = { xmlns: 'jabber:client', to: this.jid, type: 'groupchat' };
        this.link.send(x('message', message, x('body', {}, text)));
    }

    /** Ask the focus to mute somebody: only moderators may. */
    async muteOther(id: string, kind: 'audio' | 'video'): Promise<void> {
        const xmlns = kind === 'audio' ? NS.muteAudio : NS.muteVideo;
        await this.link.request(this.focus, 'set', x('mute', { xmlns, jid: this.occupant(id) }, 'true'));
    }

    /** Tell the focus that we unmute what it has muted: it may refuse. */
    async unmute(kind: 'audio' | 'video'): Promise<void> {
        const xmlns = kind === 'audio' ? NS.muteAudio : NS.muteVideo;
        await this.link.request(this.focus, 'set', x('mute', { xmlns, jid: this.occupant(this.own) }, 'false'));
    }

    async kick(id: string): Promise<void> {
        const item = x('item', { nick: id, role: 'none' });
        await this.link.request(this.jid, 'set', x('query', { xmlns: NS.mucAdmin }, item));
    }

    /** Whether we are still in the room (XEP-0410); rejects when not, or when nothing answers. */
    async ping(): Promise<void> {
        try {
            const ping = x('ping', { xmlns: NS.ping });
            await this.link.request(this.occupant(this.own), 'get', ping, PING_TIMEOUT_MS);
        } catch (error) {
            const gone = ['not-acceptable', 'remote-server-timeout', 'remote-server-not-found'];
            if (!(error instanceof StanzaError) || gone.includes(error.condition)) throw error;
        }
    }

    /** The address of somebody in this room. */
    occupant(id: string): string {
        return `${this.jid}/${id}`;
    }

    /** Tell it; between asking to join and being in, the room would take it for another request. */
    private changed(): void {
        if (this.joined) this.announce(null);
        else this.untold = true;
    }

    private announce(first: Element | null): void {
        this.untold = false;
        const { audio, video } = this.muted;
        const sources = {
            [`${this.own}-a0`]: { muted: audio },
            [`${this.own}-v0`]: { muted: video, videoType: 'camera' },
            // Told to the end, so that nobody takes what still arrives of it for the camera.
            ...(this.sharing !== null && { [screenOf(this.own)]: { muted: !this.sharing, videoType: 'desktop' } }),
        };
        this.link.send(
            x(
                'presence',
                { xmlns: 'jabber:client', to: this.occupant(this.own) },
                first,
                this.version ? x('c', { xmlns: NS.caps, hash: 'sha-1', node: NODE, ver: this.version }) : null,
                this.name ? x('nick', { xmlns: NS.nick }, this.name) : null,
                x('SourceInfo', {}, JSON.stringify(sources)),
                x('audiomuted', {}, String(audio)),
                x('videomuted', {}, String(video)),
            ),
        );
    }

    private presence(stanza: Element): void {
        const presence = readPresence(stanza, this.jid);
        switch (presence?.type) {
            case 'error':
                // Later ones refuse a change of ours, not our being here.
                if (!this.joined) this.events.refused(presence.condition);
                return;
            case 'gone':
                this.gone(presence);
                return;
            case 'here':
                this.here(presence);
        }
    }

    private gone({ id, self, why, reason }: RoomPresence & { type: 'gone' }): void {
        if (self || id === this.own) {
            const wasJoined = this.joined;
            this.joined = false;
            if (wasJoined) this.events.removed(why, reason);
        } else if (id === FOCUS_NICK) {
            if (!this.focusHere) return;
            this.focusHere = false;
            this.events.focus(false, null);
        } else {
            this.events.left(id);
        }
    }

    private here({ occupant, self, jid, bridge }: RoomPresence & { type: 'here' }): void {
        if (self || occupant.id === this.own) {
            this.own = occupant.id; // a server may give another nick than we asked for (status 210)
            this.joined = true;
            if (this.untold) this.announce(null);
            this.events.self(occupant.moderator);
        } else if (occupant.id === FOCUS_NICK) {
            this.focusHere = jid.split('/')[0] === this.focusJid;
            if (this.focusHere) this.events.focus(true, bridge);
        } else {
            this.events.occupant(occupant);
        }
    }

    private message(stanza: Element): void {
        const from = attribute(stanza, 'from');
        if (attribute(stanza, 'type') === 'error' && from === this.jid) this.events.unsaid();
        if (attribute(stanza, 'type') !== 'groupchat' || !from.startsWith(`${this.jid}/`)) return;
        const text = cleanMessage(textOf(stanza, 'body'));
        if (!text) return;
        const stamp = Date.parse(attribute(child(stanza, 'delay', NS.delay), 'stamp'));
        this.events.said({
            id: from.slice(this.jid.length + 1),
            name: cleanName(textOf(stanza, 'nick', NS.nick)),
            text,
            at: Number.isNaN(stamp) ? new Date() : new Date(stamp),
        });
    }

    private disco(iq: Element): void {
        if (attribute(iq, 'type') === 'get') {
            reply(this.link, iq, discoAnswer(attribute(child(iq, 'query'), 'node') || undefined));
        } else if (asks(iq)) {
            refuse(this.link, iq, 'cancel', 'service-unavailable');
        }
    }

    private pinged(iq: Element): void {
        if (attribute(iq, 'type') === 'get') reply(this.link, iq);
        else if (asks(iq)) refuse(this.link, iq, 'cancel', 'service-unavailable');
    }
}
