// How well somebody's sound and picture come through, as one of three levels that does not flicker.

import type { Sample, StreamSample } from './statistics';

export const LEVELS = ['good', 'middling', 'poor'] as const;
export type Level = (typeof LEVELS)[number];

/** From where on a figure is middling, and poor; falling where the second is the smaller one. */
type Limits = readonly [middling: number, poor: number];

/** Opus hides a few percent. */
const LOSS: Limits = [0.03, 0.1];
/** There and back: half of it and the buffers make the delay that G.114 calls bad for a talk from 400 ms on. */
const RTT_MS: Limits = [300, 600];
/** Of voices: pictures come in bursts by nature. */
const JITTER_MS: Limits = [40, 100];
const FROZEN: Limits = [0.1, 0.4];
const PICTURES_PER_SECOND: Limits = [10, 4];
/** A voice takes 40 kbit/s, the smallest picture 100 to 200. */
const AVAILABLE_BPS: Limits = [200_000, 75_000];

/** So many samples in a row have to be worse, or better, before the level moves. */
const WORSE_SAMPLES = 2;
const BETTER_SAMPLES = 4;

function judge(value: number | null, [middling, poor]: Limits): number {
    const sign = Math.sign(poor - middling);
    if (value === null || sign * (value - middling) < 0) return 0;
    return sign * (value - poor) < 0 ? 1 : 2;
}

const judgeTravel = ({ kind, loss, jitterMs }: StreamSample) => [
    judge(loss, LOSS),
    judge(kind === 'audio' ? jitterMs : null, JITTER_MS),
];
const worst = (verdicts: number[]) => LEVELS[Math.max(...verdicts)] ?? 'good';

/** The tracks in which somebody else is to be heard and seen moving; "" = not now. */
export interface Expected {
    audio: string;
    camera: string;
}

/** How somebody else comes in; null = nothing is to come. */
export function received(sample: Sample, { audio, camera }: Expected): Level | null {
    const streams = sample.streams.filter(({ direction, track }) => direction === 'received' && track !== '');
    const voice = streams.find(({ track, bitrateBps }) => track === audio && bitrateBps > 0);
    const picture = streams.find(({ track }) => track === camera);
    if (!voice && !picture) return null;
    const verdicts = [judge(sample.rttMs, RTT_MS)];
    if (voice) verdicts.push(...judgeTravel(voice));
    if (picture) {
        verdicts.push(...judgeTravel(picture), judge(picture.frozen, FROZEN));
        verdicts.push(judge(picture.framesPerSecond, PICTURES_PER_SECOND));
    }
    return worst(verdicts);
}

/** How we get out, `camera` telling whether our picture should; null = we send nothing. */
export function sent(sample: Sample, camera: boolean): Level | null {
    const streams = sample.streams.filter(({ direction, bitrateBps }) => direction === 'sent' && bitrateBps > 0);
    if (streams.length === 0) return null;
    const room = camera ? sample.availableBps : null;
    return worst([
        ...streams.flatMap(judgeTravel),
        judge(sample.rttMs, RTT_MS),
        judge(room, AVAILABLE_BPS),
    ]);
}

/** A level that follows its samples slowly. */
export class Steady {
    level: Level | null = null;
    /** The samples in a row that pull the level the same way. */
    private pulls: number[] = [];

    /** The level after one more sample; null = nothing to judge: what was known is forgotten. */
    next(judged: Level | null): Level | null {
        if (judged === null) {
            this.pulls = [];
            this.level = null;
            return null;
        }
        this.level ??= 'good'; // what just begins may stumble
        const level = LEVELS.indexOf(this.level);
        const pull = LEVELS.indexOf(judged);
        const down = pull > level;
        if (this.pulls.some((earlier) => earlier > level !== down)) this.pulls = [];
        this.pulls = pull === level ? [] : [...this.pulls, pull];
        if (this.pulls.length >= (down ? WORSE_SAMPLES : BETTER_SAMPLES)) {
            // As far as all of them agree.
            this.level = LEVELS[down ? Math.min(...this.pulls) : Math.max(...this.pulls)] ?? judged;
            this.pulls = [];
        }
        return this.level;
    }
}
