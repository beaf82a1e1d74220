// Looks at the statistics of a meeting every other second: what is drawn, and how well everybody comes through.

import { signal } from '@preact/signals';
import { type Expected, type Level, received, Steady, sent } from './quality';
import { Sampler, type StatsEntry } from './statistics';
import { History, type StreamHistory } from './statistics_history';

const PERIOD_MS = 2000;

/** What is watched: a meeting, and what its page shows of it. */
export interface Watched {
    /** What the browser counts; null = nothing goes now. */
    statistics(): Promise<{ values(): Iterable<StatsEntry> } | null>;
    /** The others, by id, and what is to come from each. */
    expected(): ReadonlyMap<string, Expected>;
    /** Our own id, and whether our camera should get out. */
    own(): { id: string; camera: boolean };
}

export class StatisticsWatch {
    /** By participant, our own included; who is missing cannot be judged. */
    readonly levels = signal<ReadonlyMap<string, Level>>(new Map());
    readonly streams = signal<readonly StreamHistory[]>([]);

    private readonly sampler = new Sampler();
    private readonly history = new History();
    private steady = new Map<string, Steady>();
    private timer: ReturnType<typeof setTimeout> | undefined;

    constructor(
        private readonly watched: Watched,
        private readonly now: () => number = () => performance.now(),
    ) {}

    start(): void {
        this.timer ??= setTimeout(() => void this.look(), PERIOD_MS);
    }

    stop(): void {
        clearTimeout(this.timer);
        this.timer = undefined;
    }

    private async look(): Promise<void> {
        const report = await this.watched.statistics().catch(() => null);
        if (this.timer === undefined) return;
        // Only now: a busy browser takes its time to count.
        this.timer = setTimeout(() => void this.look(), PERIOD_MS);
        const sample = this.sampler.sample(report?.values() ?? [], this.now());
        this.history.add(sample);
        this.streams.value = this.history.rows;
        const own = this.watched.own();
        const judged = new Map<string, Level | null>([[own.id, sent(sample, own.camera)]]);
        for (const [id, expected] of this.watched.expected()) judged.set(id, received(sample, expected));
        this.steady = new Map([...judged.keys()].map((id) => [id, this.steady.get(id) ?? new Steady()]));
        const levels = new Map<string, Level>();
        for (const [id, steady] of this.steady) {
            const level = steady.next(judged.get(id) ?? null);
            if (level) levels.set(id, level);
        }
        if (!same(levels, this.levels.value)) this.levels.value = levels;
    }
}

function same(one: ReadonlyMap<string, Level>, other: ReadonlyMap<string, Level>): boolean {
    return one.size === other.size && [...one].every(([id, level]) => other.get(id) === level);
}
