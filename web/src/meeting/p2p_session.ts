// The media session with the only other participant: one RTCPeerConnection, offering or answering. Its m-lines are
// microphone, camera and, where the other one speaks of it, screen; none comes or goes later.

import type { Candidate } from './offer';
import type { DirectDescription, DirectMedia } from './p2p_jingle';
import { readCandidate, readSdp, writeSdp } from './p2p_sdp';
import { candidateLine } from './sdp';
import type { SentTrack } from './session';
import type { RemoteSource } from './sources';
import type { Medium } from './streams';
import { Turns } from './turns';

export interface DirectEvents {
    /** A stream of the other one can be shown now. */
    track(source: RemoteSource, track: MediaStreamTrack): void;
    state(state: RTCPeerConnectionState): void;
    /** A candidate of ours, for the other one to know. */
    candidate(candidate: Candidate): void;
}

/** What a pair needs of a session; tests have one without media. */
export interface DirectSession {
    /** Our offer; `screen`: with an m-line for one. */
    offer(sent: SentTrack, screen: boolean): Promise<DirectDescription>;
    /** Our answer to the other's offer. */
    answer(offer: DirectDescription, sent: SentTrack): Promise<DirectDescription>;
    /** The other's answer to our offer. */
    accepted(answer: DirectDescription): Promise<void>;
    /** Candidates of the other one; those that come early wait for its description. */
    candidates(found: Candidate[]): Promise<void>;
    /** Streams of the other one that came later or went, by the name of their content. */
    change(sources: Map<string, RemoteSource[]>): Promise<void>;
    /** Send what `sent` says now. No renegotiation: the SSRC stays. */
    send(medium: Medium, sent: SentTrack): Promise<void>;
    /** The m-line of our screen, with the stream in it that the other one is not told of before we share one. */
    screen(): DirectMedia | null;
    statistics(): Promise<RTCStatsReport>;
    close(): void;
}

export type MakeDirect = (endpoint: string, servers: RTCIceServer[], events: DirectEvents) => DirectSession;

/** What we offer, one m-line each, in this order. */
const OFFERED: Medium[] = ['audio', 'video', 'desktop'];

export class PeerSession implements DirectSession {
    private readonly connection: RTCPeerConnection;
    private remote: DirectDescription | null = null;
    private readonly early: Candidate[] = [];
    private initiator = false;
    private version = 0;
    private readonly turns = new Turns();

    constructor(
        private readonly endpoint: string,
        iceServers: RTCIceServer[],
        private readonly events: DirectEvents,
    ) {
        this.connection = new RTCPeerConnection({ iceServers, bundlePolicy: 'max-bundle' });
        this.connection.onconnectionstatechange = () => {
            if (!this.turns.closed) events.state(this.connection.connectionState);
        };
        this.connection.onicecandidate = ({ candidate }) => {
            const found = candidate && readCandidate(candidate.candidate);
            if (found && !this.turns.closed) events.candidate(found);
        };
    }

    offer(sent: SentTrack, screen: boolean): Promise<DirectDescription> {
        return this.turns.take(async () => {
            this.initiator = true;
            for (const medium of screen ? OFFERED : OFFERED.slice(0, 2)) {
                const { sender } = this.connection.addTransceiver(medium === 'audio' ? 'audio' : 'video');
                await sender.replaceTrack(sent(medium));
            }
            return this.told(await this.localOffer(), sent);
        });
    }

    answer(offer: DirectDescription, sent: SentTrack): Promise<DirectDescription> {
        return this.turns.take(async () => {
            this.remote = offer;
            await this.setRemote('offer');
            for (const medium of OFFERED) {
                const transceiver = this.transceiver(medium);
                if (!transceiver) continue;
                transceiver.direction = 'sendrecv';
                await transceiver.sender.replaceTrack(sent(medium));
            }
            const sdp = await this.localAnswer();
            await this.addEarly();
            this.announce();
            return this.told(sdp, sent);
        });
    }

    accepted(answer: DirectDescription): Promise<void> {
        return this.turns.take(async () => {
            this.remote = answer;
            await this.setRemote('answer');
            await this.addEarly();
            this.announce();
        });
    }

    candidates(found: Candidate[]): Promise<void> {
        return this.turns.take(async () => {
            this.early.push(...found);
            if (this.remote) await this.addEarly();
        });
    }

    change(sources: Map<string, RemoteSource[]>): Promise<void> {
        return this.turns.take(async () => {
            if (!this.remote) return;
            const media = this.remote.media.map((one): DirectMedia => {
                const now = sources.get(one.name) ?? one.sources;
                const direction = now.length > 0 ? 'sendrecv' : one.direction;
                return { ...one, direction, sources: now };
            });
            this.remote = { ...this.remote, media };
            await this.renegotiate();
            this.announce();
        });
    }

    send(medium: Medium, sent: SentTrack): Promise<void> {
        return this.turns.take(async () => {
            await this.transceiver(medium)?.sender.replaceTrack(sent(medium));
        });
    }

    screen(): DirectMedia | null {
        const mid = this.transceiver('desktop')?.mid;
        const sdp = this.connection.localDescription?.sdp;
        const { media } = sdp ? readSdp(sdp, this.endpoint, () => true) : { media: [] };
        return media.find(({ name }) => name === mid) ?? null;
    }

    statistics(): Promise<RTCStatsReport> {
        return this.connection.getStats();
    }

    close(): void {
        this.turns.close();
        this.connection.close();
    }

    /** The m-line of ours that carries it: the first of audio, the first and second of video. */
    private transceiver(medium: Medium): RTCRtpTransceiver | undefined {
        const kind = medium === 'audio' ? 'audio' : 'video';
        const all = this.connection.getTransceivers().filter(({ receiver }) => receiver.track.kind === kind);
        return all[medium === 'desktop' ? 1 : 0];
    }

    private async localOffer(): Promise<string> {
        const { sdp = '' } = await this.connection.createOffer();
        await this.connection.setLocalDescription({ type: 'offer', sdp });
        return sdp;
    }

    private async localAnswer(): Promise<string> {
        const { sdp = '' } = await this.connection.createAnswer();
        await this.connection.setLocalDescription({ type: 'answer', sdp });
        return sdp;
    }

    private async setRemote(type: 'offer' | 'answer'): Promise<void> {
        if (!this.remote) return;
        await this.connection.setRemoteDescription({ type, sdp: writeSdp(this.remote, ++this.version) });
    }

    /** Between us and the browser alone: what the other one has of us does not change. */
    private async renegotiate(): Promise<void> {
        if (this.initiator) {
            await this.localOffer();
            await this.setRemote('answer');
        } else {
            await this.setRemote('offer');
            await this.localAnswer();
        }
    }

    /** What the other one is told; of a screen only when there is one, because nobody shows what has no picture. */
    private told(sdp: string, sent: SentTrack): DirectDescription {
        const screen = sent('desktop') ? undefined : this.transceiver('desktop')?.mid;
        return readSdp(sdp, this.endpoint, (mid) => mid !== screen);
    }

    private async addEarly(): Promise<void> {
        for (const one of this.early.splice(0)) {
            const init = { candidate: candidateLine(one).slice(2), sdpMid: this.remote?.media[0]?.name ?? null };
            try {
                await this.connection.addIceCandidate(init);
            } catch (error) {
                console.warn('a candidate that the browser does not take', error);
            }
        }
    }

    private announce(): void {
        for (const { name, sources } of this.remote?.media ?? []) {
            const track = this.connection.getTransceivers().find(({ mid }) => mid === name)?.receiver.track;
            for (const source of sources) if (track) this.events.track(source, track);
        }
    }
}
