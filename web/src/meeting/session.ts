// The media session with the bridge: one RTCPeerConnection that answers the focus's offer.

import type { Kind, LocalAnswer, Offer, RemoteSource } from './jingle';
import { localAnswer, remoteDescription, withSimulcast, type Slot } from './sdp';

export interface SessionEvents {
    /** A stream of somebody else can be shown now. */
    track(source: RemoteSource, track: MediaStreamTrack): void;
    /** The connection works, is interrupted, or has failed for good. */
    state(state: RTCPeerConnectionState): void;
}

/** Random SSRCs for the simulcast layers: any value but 0 will do (RFC 3550 §8). */
function randomSsrcs(count: number): number[] {
    return [...crypto.getRandomValues(new Uint32Array(count))].map(ssrc => ssrc || 1);
}

export class MediaSession {
    readonly offer: Offer;
    private readonly connection: RTCPeerConnection;
    private readonly events: SessionEvents;
    private readonly slots: Slot[] = [];
    private readonly layers = randomSsrcs(4);
    private version = 0;
    private queue: Promise<void> = Promise.resolve();
    private closed = false;

    constructor(offer: Offer, iceServers: RTCIceServer[], events: SessionEvents) {
        this.offer = offer;
        this.events = events;
        this.connection = new RTCPeerConnection({ iceServers, bundlePolicy: 'max-bundle' });
        this.connection.onconnectionstatechange = () => {
            if (!this.closed) events.state(this.connection.connectionState);
        };
        for (const media of offer.media) {
            this.slots.push({ mid: String(this.slots.length), kind: media.kind, role: 'send', source: null });
        }
        this.place(offer.sources);
    }

    /** Answer the offer with these tracks (null = nothing yet, but ready to send). */
    async accept(tracks: Record<Kind, MediaStreamTrack | null>, endpoint: string): Promise<LocalAnswer> {
        await this.connection.setRemoteDescription({ type: 'offer', sdp: this.describe() });
        for (const slot of this.slots.filter(candidate => candidate.role === 'send')) {
            const transceiver = this.transceiver(slot);
            if (!transceiver) continue;
            transceiver.direction = 'sendonly';
            await transceiver.sender.replaceTrack(tracks[slot.kind]);
        }
        const sdp = await this.answer();
        this.announce();
        return localAnswer(sdp, this.slots, endpoint);
    }

    /** Streams of others that came. */
    add(sources: RemoteSource[]): Promise<void> {
        return this.renegotiate(() => this.place(sources));
    }

    /** Streams that went: those for which `gone` holds. */
    remove(gone: (source: RemoteSource) => boolean): Promise<void> {
        return this.renegotiate(() => {
            for (const slot of this.slots) {
                if (slot.source && gone(slot.source)) slot.source = null;
            }
        });
    }

    /** Send this track from now on, or nothing. No renegotiation: the SSRC stays. */
    async send(kind: Kind, track: MediaStreamTrack | null): Promise<void> {
        const slot = this.slots.find(candidate => candidate.role === 'send' && candidate.kind === kind);
        await (slot && this.transceiver(slot)?.sender.replaceTrack(track));
    }

    close(): void {
        this.closed = true;
        this.connection.close();
    }

    private place(sources: RemoteSource[]): void {
        for (const source of sources) {
            if (this.slots.some(slot => slot.source?.ssrc === source.ssrc)) continue;
            const free = this.slots.find(slot => slot.role === 'receive' && slot.kind === source.kind && !slot.source);
            if (free) free.source = source;
            else this.slots.push({ mid: String(this.slots.length), kind: source.kind, role: 'receive', source });
        }
    }

    private describe(): string {
        return remoteDescription(this.offer, this.slots, ++this.version);
    }

    private transceiver(slot: Slot): RTCRtpTransceiver | undefined {
        return this.connection.getTransceivers().find(candidate => candidate.mid === slot.mid);
    }

    private async answer(): Promise<string> {
        const answer = await this.connection.createAnswer();
        const video = this.slots.find(slot => slot.role === 'send' && slot.kind === 'video');
        const sdp = video ? withSimulcast(answer.sdp ?? '', video.mid, this.layers) : answer.sdp ?? '';
        await this.connection.setLocalDescription({ type: 'answer', sdp });
        return sdp;
    }

    /** Changes of the remote description go one after another; one that fails doesn't stop the next. */
    private renegotiate(change: () => void): Promise<void> {
        const step = async () => {
            if (this.closed) return;
            change();
            await this.connection.setRemoteDescription({ type: 'offer', sdp: this.describe() });
            await this.answer();
            this.announce();
        };
        this.queue = this.queue.then(step, step);
        return this.queue;
    }

    private announce(): void {
        for (const slot of this.slots) {
            const track = slot.source && this.transceiver(slot)?.receiver.track;
            if (slot.source && track) this.events.track(slot.source, track);
        }
    }
}
