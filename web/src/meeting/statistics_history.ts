// The samples of the last two minutes, stream by stream, as lines that can be drawn.

import type { Sample, StreamSample } from './statistics';

export const HISTORY_MS = 120_000;
/** Of one stream; more than two minutes have. */
const MAX_POINTS = 240;
/** More than anybody looks at. */
const MAX_STREAMS = 200;

export interface Point {
    at: number;
    bitrateBps: number;
    loss: number | null;
    rttMs: number | null;
    /** Of the picture: 0 = none. */
    height: number;
}

export interface StreamHistory {
    /** As it was in the last sample that had it. */
    last: StreamSample;
    points: readonly Point[];
}

/** The streams that are there now, in the order in which they came, each with its past. */
export class History {
    private streams = new Map<string, StreamHistory>();

    add(sample: Sample): void {
        const next = new Map<string, StreamHistory>();
        // First those that were there before, so that no row jumps.
        const known = new Map(sample.streams.map((stream) => [stream.key, stream]));
        const keys = new Set([...this.streams.keys(), ...known.keys()]);
        for (const key of keys) {
            const stream = known.get(key);
            if (!stream || next.size === MAX_STREAMS) continue;
            const { bitrateBps, loss, height } = stream;
            const point = { at: sample.at, bitrateBps, loss, rttMs: stream.rttMs ?? sample.rttMs, height };
            const past = this.streams.get(key)?.points.filter(({ at }) => at > sample.at - HISTORY_MS) ?? [];
            next.set(key, { last: stream, points: [...past.slice(1 - MAX_POINTS), point] });
        }
        this.streams = next;
    }

    get rows(): StreamHistory[] {
        return [...this.streams.values()];
    }
}
