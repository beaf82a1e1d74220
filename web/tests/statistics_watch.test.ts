import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { StatsEntry } from '../src/meeting/statistics';
import { History } from '../src/meeting/statistics_history';
import { StatisticsWatch } from '../src/meeting/statistics_watch';

const entry = (ssrc: number, members: object) =>
    ({ id: `${ssrc}`, type: 'inbound-rtp', kind: 'audio', ssrc, trackIdentifier: 'voice', ...members }) as StatsEntry;

/** A report in which so many bytes and packets have come; null = there is no connection. */
let report: StatsEntry[] | null = null;
let asked = 0;
let watch: StatisticsWatch;
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
    vi.useFakeTimers();
    report = null;
    asked = 0;
    watch = new StatisticsWatch({
        statistics: async () => {
            asked++;
            return report;
        },
        own: () => ({ id: 'me', camera: false }),
        expected: () => new Map([['b0b0', { audio: 'voice', camera: '' }]]),
    });
    watch.start();
});
afterEach(() => {
    watch.stop();
    vi.useRealTimers();
});

describe('the watch', () => {
    it('judges who is heard, and nobody else', async () => {
        report = [entry(1, { bytesReceived: 1000, packetsReceived: 100 })];
        await pass(2000);
        expect(watch.levels.value.size).toBe(0);
        report = [entry(1, { bytesReceived: 9000, packetsReceived: 200 })];
        await pass(2000);
        expect([...watch.levels.value]).toEqual([['b0b0', 'good']]);
    });

    it('forgets what it knew of a connection that is gone', async () => {
        for (const packets of [100, 200]) {
            report = [entry(1, { bytesReceived: packets * 80, packetsReceived: packets })];
            await pass(2000);
        }
        report = null;
        await pass(2000);
        expect(watch.levels.value.size).toBe(0);
        expect(watch.streams.value).toEqual([]);
    });

    it('tells of levels only when one has changed', async () => {
        let told = 0;
        watch.levels.subscribe(() => told++);
        for (const packets of [100, 200, 300, 400]) {
            report = [entry(1, { bytesReceived: packets * 80, packetsReceived: packets })];
            await pass(2000);
        }
        expect(told).toBe(2); // none, then one
        expect(watch.streams.value[0]?.points).toHaveLength(3);
    });

    it('looks every other second, until it is stopped', async () => {
        await pass(10_000);
        expect(asked).toBe(5);
        watch.stop();
        await pass(10_000);
        expect(asked).toBe(5);
    });
});

describe('the history', () => {
    const stream = (key: string, bitrateBps: number) => ({
        key,
        direction: 'sent' as const,
        kind: 'audio' as const,
        track: '',
        bitrateBps,
        loss: null,
        rttMs: null,
        jitterMs: null,
        width: 0,
        height: 0,
        framesPerSecond: null,
        frozen: null,
    });
    type Streams = ReturnType<typeof stream>[];
    const sample = (at: number, streams: Streams) => ({ at, streams, rttMs: 5, availableBps: null });

    it('has two minutes', () => {
        const history = new History();
        for (let at = 0; at <= 300_000; at += 2000) history.add(sample(at, [stream('a', at)]));
        const points = history.rows[0]?.points ?? [];
        expect(points).toHaveLength(60);
        expect(points.at(0)?.at).toBe(182_000);
        expect(points.at(-1)).toEqual({ at: 300_000, bitrateBps: 300_000, loss: null, rttMs: 5, height: 0 });
    });

    it('keeps its rows in place, and drops those that have gone', () => {
        const history = new History();
        history.add(sample(0, [stream('a', 1), stream('b', 1)]));
        history.add(sample(2000, [stream('c', 1), stream('b', 1), stream('a', 1)]));
        expect(history.rows.map(({ last }) => last.key)).toEqual(['a', 'b', 'c']);
        history.add(sample(4000, [stream('c', 1)]));
        expect(history.rows.map(({ last }) => last.key)).toEqual(['c']);
    });

    it('is bounded, whatever comes', () => {
        const history = new History();
        history.add(sample(0, Array.from({ length: 1000 }, (_, index) => stream(`${index}`, 1))));
        expect(history.rows).toHaveLength(200);
        for (let at = 1; at < 1000; at++) history.add(sample(at, [stream('0', 1)]));
        expect(history.rows[0]?.points.length).toBeLessThanOrEqual(240);
    });
});
