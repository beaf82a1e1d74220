// The two ways of media, over the bridge and direct: on which we send, and whose streams are shown from which. A change
// of ways costs no sound and no picture: for a while we send on both, and show the new one when it delivers.

import { batch } from '@preact/signals';
import { OVERLAP_MS } from './p2p';
import { Speaker } from './p2p_speaker';
import type { Participant } from './roster';
import type { SentTrack } from './session';
import type { RemoteSource } from './sources';
import type { Medium } from './streams';

export type Way = 'bridge' | 'direct';

/** What is asked and told of the meeting. */
export interface Crossing {
    /** What we want to send, whichever way. */
    sent: SentTrack;
    participant(id: string): Participant | undefined;
    show(source: RemoteSource, track: MediaStreamTrack): void;
    hide(ssrcs: number[]): void;
    /** What goes over the bridge has changed. */
    resend(medium: Medium): void;
    statistics(way: Way): Promise<RTCStatsReport | null>;
    /** The way that is shown has changed. */
    crossed(): void;
    /** Who speaks, while the bridge hears nobody; null = we do. */
    speaker(id: string | null): void;
}

interface Stream {
    source: RemoteSource;
    track: MediaStreamTrack;
}

const POLL_MS = 100;
/** What is to come by the direct way and does not is not waited for longer; the other one may send nothing. */
const PATIENCE_MS = 2_000;
/** So many frames or packets show that a way flows, and not only that it has begun; a screen may stand still. */
const FLOWING: Record<Medium, number> = { audio: 5, video: 5, desktop: 1 };
const MEDIA: Medium[] = ['audio', 'video', 'desktop'];

/** How much of each track has come, by its id: frames of pictures, packets of sound. */
function arrived(report: RTCStatsReport | null): Map<string, number> {
    const counts = new Map<string, number>();
    report?.forEach((entry: Record<string, unknown>) => {
        if (entry.type !== 'inbound-rtp' || typeof entry.trackIdentifier !== 'string') return;
        const count = entry.kind === 'video' ? entry.framesDecoded : entry.packetsReceived;
        counts.set(entry.trackIdentifier, typeof count === 'number' ? count : 0);
    });
    return counts;
}

export class Ways {
    private readonly streams: Record<Way, Map<number, Stream>> = { bridge: new Map(), direct: new Map() };
    /** Whose media should come, and do come, by the direct way; "" = nobody's. */
    private wanted = '';
    private shown = '';
    private bridgeSends = true;
    private overlap: ReturnType<typeof setTimeout> | undefined;
    private timer: ReturnType<typeof setTimeout> | undefined;
    private readonly voices: Speaker;
    private closed = false;

    constructor(private readonly crossing: Crossing) {
        this.voices = new Speaker(
            () => crossing.statistics('direct'),
            (who) => crossing.speaker(who === 'own' ? null : this.shown),
        );
    }

    /** What goes over the bridge. */
    readonly overBridge: SentTrack = (medium) => (this.bridgeSends ? this.crossing.sent(medium) : null);

    /** The way that media take to us. */
    get way(): Way {
        return this.shown ? 'direct' : 'bridge';
    }

    /** A stream came, or its track is another one. */
    add(way: Way, source: RemoteSource, track: MediaStreamTrack): void {
        this.streams[way].set(source.ssrc, { source, track });
        if (this.shows(way, source.owner)) this.crossing.show(source, track);
    }

    end(way: Way, ssrcs: number[] | 'all'): void {
        const streams = this.streams[way];
        const gone = ssrcs === 'all' ? [...streams.keys()] : ssrcs;
        const hidden = gone.filter((ssrc) => this.shows(way, streams.get(ssrc)?.source.owner ?? ''));
        for (const ssrc of gone) streams.delete(ssrc);
        if (hidden.length > 0) this.crossing.hide(hidden);
        if (way === 'direct' && streams.size === 0) this.cross('');
    }

    /** Media take the direct way to and from that participant from now on; null = all go over the bridge. */
    carry(partner: string | null): void {
        clearTimeout(this.overlap);
        this.wanted = partner ?? '';
        if (partner) this.overlap = setTimeout(() => this.send(false), OVERLAP_MS);
        else this.send(true);
        void this.change(this.wanted);
    }

    close(): void {
        this.closed = true;
        clearTimeout(this.overlap);
        clearTimeout(this.timer);
        this.voices.stop();
    }

    private shows(way: Way, owner: string): boolean {
        return way === 'direct' ? this.shown === owner && owner !== '' : this.shown !== owner;
    }

    private send(overBridge: boolean): void {
        if (overBridge === this.bridgeSends) return;
        this.bridgeSends = overBridge;
        for (const medium of MEDIA) this.crossing.resend(medium);
    }

    /** Show the streams of the other way as soon as they come. */
    private async change(target: string): Promise<void> {
        clearTimeout(this.timer);
        const partner = target || this.shown;
        const way = target ? 'direct' : 'bridge';
        const before = await this.arrived(way);
        for (let waited = 0; this.due(target); waited += POLL_MS) {
            const now = await this.arrived(way);
            if (!this.due(target)) return;
            // The way back is waited for as long as the direct one is there.
            if (this.delivers(way, partner, before, now) || (target && waited >= PATIENCE_MS)) {
                this.cross(target);
                return;
            }
            await new Promise((resolve) => {
                this.timer = setTimeout(resolve, POLL_MS);
            });
        }
    }

    private due(target: string): boolean {
        return !this.closed && this.wanted === target && this.shown !== target;
    }

    private async arrived(way: Way): Promise<Map<string, number>> {
        return arrived(await this.crossing.statistics(way).catch(() => null));
    }

    /** Whether all that its owner does not mute comes that way. */
    private delivers(way: Way, owner: string, before: Map<string, number>, now: Map<string, number>): boolean {
        const participant = this.crossing.participant(owner);
        if (!participant) return true;
        const { audioMuted, videoMuted, screens } = participant;
        const live = [...this.streams[way].values()]
            .filter(({ source }) => source.owner === owner)
            .map(({ source, track: { id } }): [Medium, number] => {
                const medium = Object.hasOwn(screens, source.name) ? 'desktop' : source.kind;
                return [medium, (now.get(id) ?? 0) - (before.get(id) ?? 0)];
            })
            .filter(([medium, count]) => count >= FLOWING[medium])
            .map(([medium]) => medium);
        const due: [Medium, boolean][] = [
            ['audio', !audioMuted],
            ['video', !videoMuted],
            ['desktop', Object.values(screens).includes(false)],
        ];
        return due.every(([medium, wanted]) => !wanted || live.includes(medium));
    }

    private cross(target: string): void {
        if (this.shown === target) return;
        const owner = this.shown || target;
        const of = (way: Way) => [...this.streams[way].values()].filter(({ source }) => source.owner === owner);
        const [from, to] = target ? [of('bridge'), of('direct')] : [of('direct'), of('bridge')];
        this.shown = target;
        batch(() => {
            this.crossing.hide(from.map(({ source }) => source.ssrc));
            for (const { source, track } of to) this.crossing.show(source, track);
            this.crossing.crossed();
        });
        if (target) this.voices.start();
        else this.voices.stop();
    }
}
