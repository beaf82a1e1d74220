// The reports were recorded in a meeting of Chromium 156 and Firefox 153, a few seconds apart.

import { describe, expect, it } from 'vitest';
import chromium from '../../tests/data/statistics/chromium.json';
import firefox from '../../tests/data/statistics/firefox.json';
import { type Sample, Sampler, type StatsEntry, type StreamSample } from '../src/meeting/statistics';

const RECORDED: Record<string, StatsEntry[][]> = { chromium, firefox };
const PERIOD_MS = 2000;

/** The sample of a second report, which came that much later. */
function sampled([first, second]: StatsEntry[][], elapsedMs = PERIOD_MS): Sample {
    const sampler = new Sampler();
    sampler.sample(first ?? [], 1000);
    return sampler.sample(second ?? [], 1000 + elapsedMs);
}

const find = (sample: Sample, direction: string, kind: string) =>
    sample.streams.filter((stream) => stream.direction === direction && stream.kind === kind);

/** A stream of video that comes in, at the time of a report. */
const incoming = (members: object): StatsEntry[] => [
    { id: 'i', type: 'inbound-rtp', kind: 'video', ssrc: 7, trackIdentifier: 't', ...members } as StatsEntry,
];
const between = (first: object, second: object): StreamSample | undefined =>
    sampled([incoming(first), incoming(second)]).streams[0];

describe.each(['chromium', 'firefox'])('a report of %s', (browser) => {
    const reports = RECORDED[browser] ?? [];

    it('tells first what there is to compare with, and nothing of the streams', () => {
        expect(new Sampler().sample(reports[0] ?? [], 0).streams).toEqual([]);
    });

    it('has the voice and the picture that come in, by their tracks', () => {
        const sample = sampled(reports);
        const [voice, picture] = [find(sample, 'received', 'audio')[0], find(sample, 'received', 'video')[0]];
        expect(voice?.track).not.toBe('');
        expect(picture?.track).not.toBe('');
        expect(voice?.loss).toBe(0);
        expect(voice?.jitterMs).toBeGreaterThan(0);
        expect(picture?.height).toBe(browser === 'chromium' ? 180 : 360);
        expect(picture?.framesPerSecond).toBeGreaterThan(0);
    });

    it('has every layer that goes out, with its track and what the bridge says of it', () => {
        const layers = find(sampled(reports), 'sent', 'video');
        expect(layers).toHaveLength(3);
        expect(new Set(layers.map(({ track }) => track)).size).toBe(1);
        expect(layers[0]?.track).not.toBe('');
        const sending = layers.filter(({ bitrateBps }) => bitrateBps > 0);
        expect(sending).toHaveLength(2);
        for (const layer of sending) {
            expect(layer.loss).toBe(0);
            expect(layer.rttMs).toBeGreaterThan(0);
            expect(layer.height).toBeGreaterThan(0);
        }
    });

    it('has the round trip of the connection', () => {
        expect(sampled(reports).rttMs).toBeGreaterThan(0);
    });
});

describe('a sample', () => {
    it('has bits a second between the reports', () => {
        const [voice] = find(sampled(chromium, 3470), 'received', 'audio');
        expect(voice?.bitrateBps).toBeCloseTo((13_608 * 8) / 3.47, 0);
    });

    it('has what the browser could send, where it says so', () => {
        expect(sampled(chromium).availableBps).toBe(5_204_000);
        expect(sampled(firefox).availableBps).toBeNull();
    });

    it('has the share of packets that were lost meanwhile', () => {
        const before = { packetsReceived: 1000, packetsLost: 50 };
        expect(between(before, { packetsReceived: 1090, packetsLost: 60 })?.loss).toBeCloseTo(0.1);
        expect(between(before, { packetsReceived: 1100, packetsLost: 45 })?.loss).toBe(0); // some came late
        expect(between(before, { packetsReceived: 1004, packetsLost: 51 })?.loss).toBeNull(); // too few to tell
    });

    it('says how long the picture stood still', () => {
        const before = [0, 40].map((framesDecoded) => incoming({ framesDecoded, totalFreezesDuration: 1 }));
        const sampler = new Sampler();
        before.forEach((report, index) => sampler.sample(report, index * PERIOD_MS));
        const frozen = (members: object, at: number) => sampler.sample(incoming(members), at).streams[0]?.frozen;
        expect(frozen({ framesDecoded: 60, totalFreezesDuration: 1.5 }, 4000)).toBeCloseTo(0.25);
        expect(frozen({ framesDecoded: 60, totalFreezesDuration: 1.5 }, 6000)).toBe(1);
        // What is counted as a freeze when the picture comes back may have been a pause.
        expect(frozen({ framesDecoded: 90, totalFreezesDuration: 4.5 }, 8000)).toBe(0);
        expect(frozen({ framesDecoded: 130, totalFreezesDuration: 4.5 }, 10_000)).toBe(0);
    });

    it('leaves out a stream whose counters start anew', () => {
        expect(between({ bytesReceived: 5000 }, { bytesReceived: 100 })).toBeUndefined();
        expect(between({ bytesReceived: 100, packetsReceived: 9 }, { bytesReceived: 5000 })).toBeUndefined();
    });

    it('leaves out a stream that has gone, and compares again when it is back', () => {
        const sampler = new Sampler();
        sampler.sample(incoming({ bytesReceived: 100 }), 0);
        expect(sampler.sample([], 2000).streams).toEqual([]);
        expect(sampler.sample(incoming({ bytesReceived: 200 }), 4000).streams).toEqual([]);
        expect(sampler.sample(incoming({ bytesReceived: 450 }), 6000).streams[0]?.bitrateBps).toBe(1000);
    });

    it('takes nothing for a number that is none', () => {
        const endless = Number.POSITIVE_INFINITY;
        const odd = { bytesReceived: '9', packetsLost: null, jitter: Number.NaN, frameHeight: endless };
        expect(between(odd, odd)).toMatchObject({ bitrateBps: 0, loss: null, jitterMs: null, height: 0 });
        const strange = [{ id: '', type: 'inbound-rtp', kind: 'text' } as StatsEntry];
        expect(sampled([strange, strange]).streams).toEqual([]);
    });

    it('at the same moment says nothing', () => {
        expect(sampled(chromium, 0).streams).toEqual([]);
    });
});
