// Who speaks when two are direct: the bridge, which tells that otherwise, hears neither of them.

export type Heard = 'own' | 'other';

/** How loud both are, 0 to 1 (webrtc-stats audioLevel). */
export interface Levels {
    own: number;
    other: number;
}

const POLL_MS = 300;
/** Rooms are louder than silence, and quieter than a voice. */
const VOICE = 0.02;
/** Somebody speaks who was the louder one so many times in a row. */
const TIMES = 2;

/** Read the levels of a report. */
export function levels(report: RTCStatsReport): Levels {
    const found: Levels = { own: 0, other: 0 };
    report.forEach((entry: Record<string, unknown>) => {
        if (entry.kind !== 'audio' || typeof entry.audioLevel !== 'number') return;
        if (entry.type === 'media-source') found.own = entry.audioLevel;
        else if (entry.type === 'inbound-rtp') found.other = entry.audioLevel;
    });
    return found;
}

/** Decides by levels; nobody speaking, it stays with who spoke last. */
export class Louder {
    private last: Heard | null = null;
    private candidate: Heard | null = null;
    private times = 0;

    /** Who speaks now, when that has changed; else null. */
    next({ own, other }: Levels): Heard | null {
        const louder = Math.max(own, other) < VOICE ? null : own > other ? 'own' : 'other';
        this.times = louder === this.candidate ? this.times + 1 : 1;
        this.candidate = louder;
        if (!louder || louder === this.last || this.times < TIMES) return null;
        this.last = louder;
        return louder;
    }
}

/** Listens to the direct connection between `start` and `stop`. */
export class Speaker {
    private timer: ReturnType<typeof setInterval> | undefined;

    constructor(
        private readonly statistics: () => Promise<RTCStatsReport | null>,
        private readonly changed: (who: Heard) => void,
    ) {}

    start(): void {
        const louder = new Louder();
        this.stop();
        const timer = setInterval(() => {
            void this.statistics()
                .catch(() => null)
                .then((report) => {
                    const who = report && this.timer === timer ? louder.next(levels(report)) : null;
                    if (who) this.changed(who);
                });
        }, POLL_MS);
        this.timer = timer;
    }

    stop(): void {
        clearInterval(this.timer);
        this.timer = undefined;
    }
}
