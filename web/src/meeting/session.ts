// The media session with the bridge: one RTCPeerConnection that answers the focus's offer.

import type { LocalAnswer, LocalSource } from './accept';
import type { Credentials, FreshTransport, Kind, Offer } from './offer';
import { localAnswer, remoteDescription, type Slot, withSimulcast } from './sdp';
import type { RemoteSource } from './sources';
import type { Medium } from './streams';
import { Turns } from './turns';

export interface SessionEvents {
    /** A stream of somebody else can be shown now. */
    track(source: RemoteSource, track: MediaStreamTrack): void;
    /** The connection works, is interrupted, or has failed for good. */
    state(state: RTCPeerConnectionState): void;
}

export type SentTrack = (medium: Medium) => MediaStreamTrack | null;

/** A stream of ours that came or went, for the focus to know. */
export interface SourceChange {
    added: LocalSource | null;
    removed: LocalSource | null;
}

/** What a call needs of a session; tests have one without media. */
export interface Session {
    /** Answer the offer, sending what `sent` says at the time; `endpoint` names our sources. */
    accept(sent: SentTrack, endpoint: string): Promise<LocalAnswer>;
    add(sources: RemoteSource[]): Promise<void>;
    remove(gone: (source: RemoteSource) => boolean): Promise<void>;
    /** Send what `sent` says now. No renegotiation: the SSRC stays. */
    send(kind: Kind, sent: SentTrack): Promise<void>;
    /** Share the screen that `sent` says now, or none. Rejects when the browser does not. */
    share(sent: SentTrack): Promise<SourceChange>;
    /** Go on with the bridge's new side of ICE; what comes out is ours. */
    restartIce(fresh: FreshTransport): Promise<Credentials>;
    /** What the browser counts of this session (webrtc-stats). */
    statistics(): Promise<RTCStatsReport>;
    close(): void;
}

/** m-lines are never given back (RFC 8829 §5.2): this is what one session may come to. */
const MAX_SLOTS = 400;

const LAYERS = 3;

/** Firefox sends layers that are asked for by name; the others those whose SSRCs are written into the answer. */
const layersByName = () => navigator.userAgent.includes('Firefox/');

/** Any value but 0 (RFC 3550 §8). */
function freshSsrc(): number {
    return crypto.getRandomValues(new Uint32Array(1))[0] || 1;
}

/** SSRC and retransmission SSRC of the simulcast layers beyond the first. */
function moreLayers(): number[][] {
    return Array.from({ length: LAYERS - 1 }, () => [freshSsrc(), freshSsrc()]);
}

export class MediaSession implements Session {
    private readonly connection: RTCPeerConnection;
    private slots: Slot[] = [];
    private readonly layers = moreLayers();
    private readonly byName = layersByName();
    private version = 0;
    private readonly turns = new Turns();
    private endpoint = '';
    private screen: LocalSource | null = null;

    constructor(
        private offer: Offer,
        iceServers: RTCIceServer[],
        private readonly events: SessionEvents,
    ) {
        this.connection = new RTCPeerConnection({ iceServers, bundlePolicy: 'max-bundle' });
        this.connection.onconnectionstatechange = () => {
            if (!this.turns.closed) events.state(this.connection.connectionState);
        };
        for (const { kind } of offer.media) {
            this.slots.push({ mid: String(this.slots.length), kind, role: 'send', source: null });
        }
    }

    accept(sent: SentTrack, endpoint: string): Promise<LocalAnswer> {
        return this.turns.take(async () => {
            this.endpoint = endpoint;
            if (sent('desktop') && this.offers('video')) this.openScreen();
            const before = this.copy();
            try {
                this.place(this.offer.sources);
                await this.describe();
            } catch {
                // A stream that the browser refuses must not keep us out of the meeting.
                this.slots = before;
                await this.describe();
            }
            for (const slot of this.slots) {
                if (slot.role === 'send') await this.attach(slot, sent(slot.kind));
                else if (slot.role === 'share') await this.attach(slot, sent('desktop'));
            }
            const answer = this.told(await this.answer());
            this.announce();
            return answer;
        });
    }

    /** Streams of others that came: all at once; one by one when that fails, so that a bad one stands alone. */
    add(sources: RemoteSource[]): Promise<void> {
        return this.turns.take(async () => {
            if (await this.renegotiated(() => this.place(sources))) return;
            for (const source of sources) await this.renegotiated(() => this.place([source]));
        });
    }

    /** Streams that went: those for which `gone` holds. */
    remove(gone: (source: RemoteSource) => boolean): Promise<void> {
        return this.turns.take(async () => {
            if (!this.slots.some((slot) => slot.source && gone(slot.source))) return;
            await this.renegotiated(() => {
                for (const slot of this.slots) {
                    if (!slot.source || !gone(slot.source)) continue;
                    slot.carried = slot.source.ssrc;
                    slot.source = null;
                }
            });
        });
    }

    send(kind: Kind, sent: SentTrack): Promise<void> {
        return this.turns.take(async () => {
            const slot = this.slots.find((candidate) => candidate.role === 'send' && candidate.kind === kind);
            await (slot && this.transceiver(slot)?.sender.replaceTrack(sent(kind)));
        });
    }

    share(sent: SentTrack): Promise<SourceChange> {
        return this.turns.take(async () => {
            const track = sent('desktop');
            const removed = this.screen;
            const slot = this.slots.find(({ role }) => role === 'share');
            if (track && slot) await this.transceiver(slot)?.sender.replaceTrack(track);
            if (Boolean(track) === Boolean(slot)) return { added: null, removed: null };
            const before = this.copy();
            try {
                if (slot) slot.role = 'rest';
                const used = slot ?? this.openScreen();
                await this.describe();
                await this.attach(used, track);
                this.told(await this.answer());
            } catch (error) {
                this.slots = before;
                throw error;
            }
            return { added: this.screen, removed };
        });
    }

    restartIce(fresh: FreshTransport): Promise<Credentials> {
        return this.turns.take(async () => {
            const { ufrag, pwd, candidates } = fresh;
            const { transport } = this.offer;
            this.offer = { ...this.offer, transport: { ...transport, ufrag, pwd, candidates } };
            await this.describe();
            const { ufrag: ownUfrag, pwd: ownPwd } = this.told(await this.answer());
            return { ufrag: ownUfrag, pwd: ownPwd };
        });
    }

    statistics(): Promise<RTCStatsReport> {
        return this.connection.getStats();
    }

    close(): void {
        this.turns.close();
        this.connection.close();
    }

    /** Change the slots and tell the browser; when it refuses, all is as before and the answer is false. */
    private async renegotiated(change: () => void): Promise<boolean> {
        const before = this.copy();
        try {
            change();
            await this.describe();
        } catch (error) {
            console.warn('the browser refuses a stream', error);
            this.slots = before;
            return false;
        }
        await this.answer();
        this.announce();
        return true;
    }

    /** What our description tells. */
    private told(sdp: string): LocalAnswer {
        const answer = localAnswer(sdp, this.slots, this.endpoint);
        this.screen = answer.sources.find(({ videoType }) => videoType === 'desktop') ?? null;
        return answer;
    }

    /** The slot for a screen: the one of the last screen again, or a new one. */
    private openScreen(): Slot {
        if (!this.offers('video')) throw new Error('the focus offers no video');
        let slot = this.slots.find(({ role }) => role === 'rest');
        if (!slot) {
            slot = { mid: String(this.slots.length), kind: 'video', role: 'share', source: null };
            this.slots.push(slot);
        }
        slot.role = 'share';
        return slot;
    }

    /** Send a track on its m-line, from the next answer on. */
    private async attach(slot: Slot, track: MediaStreamTrack | null): Promise<void> {
        const transceiver = this.transceiver(slot);
        if (!transceiver) return;
        transceiver.direction = 'sendonly';
        await transceiver.sender.replaceTrack(track);
    }

    private offers(kind: Kind): boolean {
        return this.offer.media.some((media) => media.kind === kind);
    }

    private copy(): Slot[] {
        return this.slots.map((slot) => ({ ...slot }));
    }

    private place(sources: RemoteSource[]): void {
        for (const source of sources) {
            const ssrcs = [source.ssrc, source.rtx].filter((ssrc) => ssrc !== null);
            const taken = ({ source: other }: Slot) =>
                other && ssrcs.some((ssrc) => ssrc === other.ssrc || ssrc === other.rtx);
            const { kind } = source;
            if (this.slots.some(taken) || !this.offers(kind)) continue;
            const free = this.slots.find((slot) => slot.role === 'receive' && slot.kind === kind && !slot.source);
            if (free) free.source = source;
            else if (this.slots.length < MAX_SLOTS) {
                this.slots.push({ mid: String(this.slots.length), kind, role: 'receive', source });
            }
        }
    }

    private async describe(): Promise<void> {
        const returning = this.slots.filter(({ source, carried }) => source && source.ssrc === carried);
        if (returning.length > 0) {
            // Chromium decodes a stream that returns to the m-line it left, and shows nothing of it: another one between
            // makes it look again.
            const standIn = (source: RemoteSource) => ({ ...source, ssrc: freshSsrc(), rtx: null });
            await this.offered(
                this.slots.map((slot) =>
                    slot.source && returning.includes(slot) ? { ...slot, source: standIn(slot.source) } : slot,
                ),
            );
            await this.answer();
            for (const slot of returning) delete slot.carried;
        }
        await this.offered(this.slots);
    }

    private async offered(slots: Slot[]): Promise<void> {
        const sdp = remoteDescription(this.offer, slots, ++this.version, this.byName);
        await this.connection.setRemoteDescription({ type: 'offer', sdp });
    }

    private transceiver(slot: Slot): RTCRtpTransceiver | undefined {
        return this.connection.getTransceivers().find((candidate) => candidate.mid === slot.mid);
    }

    private async answer(): Promise<string> {
        const answer = await this.connection.createAnswer();
        const video = !this.byName && this.slots.find((slot) => slot.role === 'send' && slot.kind === 'video');
        const sdp = video ? withSimulcast(answer.sdp ?? '', video.mid, this.layers) : (answer.sdp ?? '');
        await this.connection.setLocalDescription({ type: 'answer', sdp });
        return sdp;
    }

    private announce(): void {
        for (const slot of this.slots) {
            const track = slot.source && this.transceiver(slot)?.receiver.track;
            if (slot.source && track) this.events.track(slot.source, track);
        }
    }
}
