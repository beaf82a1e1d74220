// A meeting: connection, room, media session and bridge channel put together, as state that the page shows.

import { signal } from '@preact/signals';
import { BridgeChannel } from './channel';
import { Connection, StanzaError, type Deployment } from './connection';
import { openDevice, type DeviceTrouble } from './devices';
import { parseOffer, parseSources, sessionAccept, sessionTerminate, type Kind, type Offer, type RemoteSource } from './jingle';
import { NS } from './namespaces';
import { iceServers } from './relays';
import { Room, type Occupant } from './room';
import { MediaSession } from './session';
import { attribute, child, x } from './xml';

export type Phase = 'idle' | 'connecting' | 'joined' | 'reconnecting' | 'ended';

/** What stands in the way, named; the page has the words for each. */
export type Problem =
    | 'server-gone' | 'room-full' | 'refused' | 'kicked' | 'room-closed' | 'no-bridge' | 'media-failed'
    | `${Kind}-${DeviceTrouble}`;

type Streams = Record<Kind, MediaStreamTrack | null>;

export interface Participant extends Occupant, Streams {}

export interface ChatLine {
    key: number;
    from: string;
    name: string;
    text: string;
    own: boolean;
}

const NO_STREAMS: Streams = { audio: null, video: null };
const RETRY_LIMIT_MS = 15_000;
const CONFERENCE_ERRORS: Record<string, Problem> = {
    'resource-constraint': 'room-full',
    'not-allowed': 'refused',
    'service-unavailable': 'server-gone',
};

export class Meeting {
    readonly phase = signal<Phase>('idle');
    /** What stands in the way now, in the order in which it came up. */
    readonly problems = signal<Problem[]>([]);
    readonly participants = signal<Participant[]>([]);
    readonly moderator = signal(false);
    readonly speaker = signal('');
    readonly chat = signal<ChatLine[]>([]);
    readonly muted = signal<Record<Kind, boolean>>({ audio: false, video: false });
    readonly tracks = signal<Streams>(NO_STREAMS);
    readonly me = signal('');

    private connection: Connection | null = null;
    private room: Room | null = null;
    private session: MediaSession | null = null;
    private channel: BridgeChannel | null = null;
    private servers: Promise<RTCIceServer[]> = Promise.resolve([]);
    private heights: { maxHeights: Record<string, number>; other: number; onStage: string[] } | null = null;
    private readonly streams = new Map<string, Streams>();
    private retries = 0;
    private leaving = false;

    constructor(private readonly deployment: Deployment, readonly name: string, public displayName: string) {}

    /** Open a device and send from it; a problem is shown, the meeting goes on without it. */
    async open(kind: Kind, height?: number): Promise<void> {
        try {
            const track = await openDevice(kind, height);
            track.onended = () => void this.mute(kind, true);
            this.tracks.value = { ...this.tracks.value, [kind]: track };
            await this.session?.send(kind, this.muted.value[kind] ? null : track);
        } catch (error) {
            this.report(`${kind}-${(error as Error).message as DeviceTrouble}`);
            this.muted.value = { ...this.muted.value, [kind]: true };
        }
    }

    /** Join, and stay: a lost connection is made again until `leave`. */
    async join(): Promise<void> {
        this.leaving = false;
        this.phase.value = this.retries === 0 ? 'connecting' : 'reconnecting';
        const connection = new Connection(this.deployment);
        this.connection = connection;
        try {
            await connection.login();
            connection.onLost = () => this.again('server-gone');
            await this.enter(connection);
        } catch (error) {
            if (error instanceof StanzaError && CONFERENCE_ERRORS[error.condition] && error.condition !== 'service-unavailable') {
                this.end(CONFERENCE_ERRORS[error.condition]!);
            } else {
                this.again('server-gone');
            }
        }
    }

    leave(): void {
        this.leaving = true;
        this.room?.leave();
        this.teardown();
        for (const track of Object.values(this.tracks.value)) track?.stop();
        this.tracks.value = NO_STREAMS;
        this.phase.value = 'ended';
        this.problems.value = [];
    }

    /** A problem is gone, or was read. */
    dismiss(problem: Problem): void {
        this.problems.value = this.problems.value.filter(known => known !== problem);
    }

    /** Mute or unmute ourselves; a device that was never opened is opened now. */
    async mute(kind: Kind, muted: boolean): Promise<void> {
        this.muted.value = { ...this.muted.value, [kind]: muted };
        const track = this.tracks.value[kind];
        if (!muted && (!track || track.readyState === 'ended')) await this.open(kind);
        const now = this.tracks.value[kind];
        if (now) now.enabled = !this.muted.value[kind];
        await this.session?.send(kind, this.muted.value[kind] ? null : now);
        this.room?.mute(this.muted.value);
    }

    rename(name: string): void {
        this.displayName = name;
        this.room?.rename(name);
    }

    say(text: string): void {
        this.room?.say(text);
    }

    async muteOther(id: string, kind: Kind): Promise<void> {
        await this.room?.muteOther(id, kind);
    }

    async kick(id: string): Promise<void> {
        await this.room?.kick(id);
    }

    /** Which height each participant is shown at; everybody else gets `other`. */
    show(heights: Record<string, number>, other: number, onStage: string[] = []): void {
        const named = (id: string) => `${id}-v0`;
        const maxHeights = Object.fromEntries(Object.entries(heights).map(([id, height]) => [named(id), height]));
        this.heights = { maxHeights, other, onStage: onStage.map(named) };
        this.channel?.receive(maxHeights, other, this.heights.onStage);
    }

    private report(problem: Problem): void {
        if (!this.problems.value.includes(problem)) this.problems.value = [...this.problems.value, problem];
    }

    private async enter(connection: Connection): Promise<void> {
        const jid = `${this.name}@${this.deployment.muc}`;
        this.servers = iceServers(connection, [this.deployment.focus, this.deployment.domain]);
        const request = x('conference', { xmlns: NS.focus, room: jid, 'machine-uid': crypto.randomUUID() });
        const answer = child(await connection.request(this.deployment.focus, 'set', request), 'conference');
        if (attribute(answer, 'ready') !== 'true') throw new Error('the focus is not ready');
        connection.on('iq', NS.jingle, iq => void this.jingle(iq));
        connection.on('iq', NS.muteAudio, iq => this.mutedByOther(iq, 'audio'));
        connection.on('iq', NS.muteVideo, iq => this.mutedByOther(iq, 'video'));
        this.room = new Room(connection, jid, this.displayName, {
            occupant: occupant => this.occupant(occupant),
            left: id => this.forget(id),
            self: moderator => this.entered(moderator),
            ended: reason => this.ended(reason),
            chat: (id, name, text) => this.heard(id, name, text),
            properties: (_, bridgeMissing) => this.bridge(bridgeMissing),
        });
        await this.room.join(this.muted.value);
    }

    private entered(moderator: boolean): void {
        this.retries = 0;
        this.moderator.value = moderator;
        if (this.phase.value === 'joined') return;
        this.me.value = this.room?.id ?? '';
        this.phase.value = 'joined';
        this.dismiss('server-gone');
    }

    private occupant(occupant: Occupant): void {
        const known = this.participants.value.find(participant => participant.id === occupant.id);
        const next = { ...NO_STREAMS, ...this.streams.get(occupant.id), ...occupant };
        this.participants.value = known
            ? this.participants.value.map(participant => (participant.id === occupant.id ? next : participant))
            : [...this.participants.value, next];
    }

    private forget(id: string): void {
        this.streams.delete(id);
        this.participants.value = this.participants.value.filter(participant => participant.id !== id);
        void this.session?.remove(source => source.owner === id);
    }

    private heard(id: string, name: string, text: string): void {
        const known = this.participants.value.find(participant => participant.id === id)?.name;
        const own = id === this.room?.id;
        const line = { key: this.chat.value.length, from: id, name: own ? this.displayName : known || name || id, text, own };
        this.chat.value = [...this.chat.value, line];
    }

    private bridge(missing: boolean): void {
        if (missing) this.report('no-bridge');
        else this.dismiss('no-bridge');
    }

    private ended(reason: string): void {
        if (this.leaving) return;
        if (reason === 'kicked') this.end('kicked');
        else if (reason === 'destroyed') this.end('room-closed');
        else if (reason === 'service-unavailable') this.end('room-full');
        else this.again('server-gone');
    }

    private end(problem: Problem): void {
        this.teardown();
        this.problems.value = [problem];
        this.phase.value = 'ended';
    }

    /** Something broke: start over after a while that grows. */
    private again(problem: Problem): void {
        if (this.leaving || this.phase.value === 'ended') return;
        this.teardown();
        this.phase.value = 'reconnecting';
        this.report(problem);
        const delay = Math.min(RETRY_LIMIT_MS, 500 * 2 ** this.retries++) * (0.5 + Math.random() / 2);
        setTimeout(() => { if (!this.leaving) void this.join(); }, delay);
    }

    private teardown(): void {
        this.closeSession();
        this.room = null;
        this.participants.value = [];
        this.connection?.close();
        this.connection = null;
    }

    private closeSession(): void {
        this.session?.close();
        this.channel?.close();
        this.session = this.channel = null;
        this.streams.clear();
        this.participants.value = this.participants.value.map(participant => ({ ...participant, ...NO_STREAMS }));
    }

    private mutedByOther(iq: Element, kind: Kind): void {
        if (attribute(iq, 'from') !== this.room?.focus) return this.connection?.refuse(iq, 'auth', 'forbidden');
        this.connection?.reply(iq);
        if (child(iq, 'mute')?.textContent === 'true') void this.mute(kind, true);
    }

    private async jingle(iq: Element): Promise<void> {
        const jingle = child(iq, 'jingle');
        const connection = this.connection;
        if (!jingle || !connection || attribute(iq, 'type') !== 'set') return;
        if (attribute(iq, 'from') !== this.room?.focus) return connection.refuse(iq, 'cancel', 'item-not-found');
        const action = attribute(jingle, 'action');
        if (action !== 'session-initiate' && attribute(jingle, 'sid') !== this.session?.offer.sid) {
            return connection.refuse(iq, 'cancel', 'item-not-found');
        }
        connection.reply(iq);
        switch (action) {
            case 'session-initiate': return this.invited(parseOffer(jingle));
            case 'source-add': return this.session?.add(parseSources(jingle));
            case 'source-remove': return this.withdraw(parseSources(jingle));
            case 'session-terminate': return this.closeSession();
        }
    }

    private async invited(offer: Offer): Promise<void> {
        this.closeSession();
        const session = new MediaSession(offer, await this.servers, {
            track: (source, track) => this.attach(source, track),
            state: state => { if (state === 'failed') void this.restart(offer); else if (state === 'connected') this.dismiss('media-failed'); },
        });
        this.session = session;
        if (offer.transport.webSocket) {
            this.channel = new BridgeChannel(offer.transport.webSocket, {
                dominantSpeaker: endpoint => { this.speaker.value = endpoint; },
            });
            if (this.heights) this.channel.receive(this.heights.maxHeights, this.heights.other, this.heights.onStage);
        }
        const sent = (kind: Kind) => (this.muted.value[kind] ? null : this.tracks.value[kind]);
        const answer = await session.accept({ audio: sent('audio'), video: sent('video') }, this.room?.id ?? '');
        const accept = sessionAccept(offer, this.connection?.jid ?? '', answer);
        await this.connection?.request(this.room?.focus ?? '', 'set', accept);
    }

    /** A stream may be there before or after the presence of its owner: the map is what holds it. */
    private attach(source: RemoteSource, track: MediaStreamTrack | null): void {
        const streams = { ...NO_STREAMS, ...this.streams.get(source.owner), [source.kind]: track };
        this.streams.set(source.owner, streams);
        this.participants.value = this.participants.value.map(participant =>
            participant.id === source.owner ? { ...participant, ...streams } : participant);
    }

    private async withdraw(sources: RemoteSource[]): Promise<void> {
        const gone = new Set(sources.map(source => source.ssrc));
        for (const source of sources) this.attach(source, null);
        await this.session?.remove(source => gone.has(source.ssrc));
    }

    /** ICE failed for good: ask the focus for a new session (it answers with another session-initiate). */
    private async restart(offer: Offer): Promise<void> {
        this.report('media-failed');
        const request = sessionTerminate(offer, 'connectivity-error', 'ICE FAILED', true);
        try {
            await this.connection?.request(this.room?.focus ?? '', 'set', request);
        } catch {
            // Too many requests: the focus tells when it wants us back; until then the problem stays on the page.
        }
    }
}
