import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Way, Ways } from '../src/meeting/p2p_ways';
import type { Participant } from '../src/meeting/roster';
import type { RemoteSource } from '../src/meeting/sources';
import type { Medium } from '../src/meeting/streams';
import { track } from './fakes';

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
/** By the browser's names for them: what has come of each track. */
let counts: Record<Way, Record<string, number>>;
let shown: Map<number, string>;
let resent: Medium[];
let speakers: (string | null)[];
let bob: Participant;
let ways: Ways;

function report(way: Way): RTCStatsReport {
    const entries = Object.entries(counts[way]).map(([trackIdentifier, count]) => ({
        ...{ type: 'inbound-rtp', kind: trackIdentifier.includes('audio') ? 'audio' : 'video', trackIdentifier },
        ...{ packetsReceived: count, framesDecoded: count, audioLevel: 0.5 },
    }));
    return new Map(entries.map((entry) => [entry.trackIdentifier, entry]));
}

/** A stream of somebody, whose track is named by the way, the owner and the source. */
function stream(way: Way, owner: string, suffix: string, ssrc: number): void {
    const kind = suffix === 'a0' ? 'audio' : 'video';
    const id = `${way} ${owner} ${suffix} ${kind}`;
    const source: RemoteSource = { kind, owner, name: `${owner}-${suffix}`, msid: '', ssrc, rtx: null };
    counts[way][id] = 0;
    ways.add(way, source, Object.assign(track(kind), { id }));
}

/** Let more of a way's tracks arrive. */
function arrive(way: Way, which = '', count = 5): void {
    for (const id of Object.keys(counts[way])) if (id.includes(which)) counts[way][id] = (counts[way][id] ?? 0) + count;
}

const sends = () => (['audio', 'video', 'desktop'] as Medium[]).map((medium) => ways.overBridge(medium) !== null);

beforeEach(() => {
    vi.useFakeTimers();
    counts = { bridge: {}, direct: {} };
    shown = new Map();
    resent = [];
    speakers = [];
    bob = { id: 'bob', audioMuted: false, videoMuted: false, screens: {} } as unknown as Participant;
    ways = new Ways({
        sent: (medium) => track(medium === 'audio' ? 'audio' : 'video'),
        participant: (id) => (id === 'bob' ? bob : undefined),
        show: (source, { id }) => shown.set(source.ssrc, id),
        hide: (ssrcs) => ssrcs.forEach((ssrc) => shown.delete(ssrc)),
        resend: (medium) => resent.push(medium),
        statistics: async (way) => report(way),
        crossed: () => {},
        speaker: (id) => speakers.push(id),
    });
    stream('bridge', 'bob', 'a0', 1);
    stream('bridge', 'bob', 'v0', 2);
});
afterEach(() => {
    ways.close();
    vi.useRealTimers();
});

async function direct(): Promise<void> {
    stream('direct', 'bob', 'a0', 11);
    stream('direct', 'bob', 'v0', 12);
    ways.carry('bob');
    await pass(100);
    arrive('direct');
    await pass(100);
}

const names = () => [...shown.values()].sort();

describe('the direct way', () => {
    it('is shown when all that is not muted comes by it, and not before', async () => {
        stream('direct', 'bob', 'a0', 11);
        stream('direct', 'bob', 'v0', 12);
        ways.carry('bob');
        await pass(300);
        arrive('direct', 'audio');
        arrive('direct', 'video', 4); // it has begun, and may stop again
        await pass(300);
        expect([ways.way, names()]).toEqual(['bridge', ['bridge bob a0 audio', 'bridge bob v0 video']]);
        arrive('direct', 'video');
        await pass(100);
        expect([ways.way, names()]).toEqual(['direct', ['direct bob a0 audio', 'direct bob v0 video']]);
    });

    it('does not wait for what is muted', async () => {
        bob = { ...bob, videoMuted: true };
        stream('direct', 'bob', 'a0', 11);
        ways.carry('bob');
        await pass(0);
        arrive('direct');
        await pass(100);
        expect(names()).toEqual(['direct bob a0 audio']);
    });

    it('does not wait for ever', async () => {
        stream('direct', 'bob', 'a0', 11);
        ways.carry('bob');
        await pass(1900);
        expect(ways.way).toBe('bridge');
        await pass(200);
        expect(ways.way).toBe('direct');
    });

    it('leaves others to the bridge', async () => {
        await direct();
        stream('bridge', 'cem', 'v0', 3);
        expect(names()).toContain('bridge cem v0 video');
        stream('bridge', 'bob', 'v0', 4);
        expect(names()).not.toContain('bridge bob v0 video');
    });

    it('frees the bridge after a while, all of it', async () => {
        await direct();
        expect([sends(), resent]).toEqual([[true, true, true], []]);
        await pass(3000);
        expect(sends()).toEqual([false, false, false]);
        expect(resent).toEqual(['audio', 'video', 'desktop']);
    });

    it('tells who speaks', async () => {
        await direct();
        await pass(700);
        expect(speakers).toEqual(['bob']);
        ways.carry(null);
        ways.end('direct', 'all');
        speakers = [];
        await pass(2000);
        expect(speakers).toEqual([]);
    });
});

describe('the way back', () => {
    it('is sent on at once, and shown when it delivers', async () => {
        await direct();
        await pass(5000);
        resent = [];
        ways.carry(null);
        expect([sends(), resent.length]).toEqual([[true, true, true], 3]);
        await pass(2500);
        expect(names()).toEqual(['direct bob a0 audio', 'direct bob v0 video']);
        arrive('bridge');
        await pass(100);
        expect(names()).toEqual(['bridge bob a0 audio', 'bridge bob v0 video']);
    });

    it('waits for a screen that is shown', async () => {
        await direct();
        bob = { ...bob, screens: { 'bob-v1': false } };
        stream('direct', 'bob', 'v1', 13);
        ways.carry(null);
        await pass(100);
        arrive('bridge');
        await pass(500);
        expect(ways.way).toBe('direct');
        stream('bridge', 'bob', 'v1', 3);
        arrive('bridge', 'v1', 1);
        await pass(100);
        expect(ways.way).toBe('bridge');
    });

    it('is shown at once when the direct one is gone', async () => {
        await direct();
        ways.carry(null);
        ways.end('direct', 'all');
        expect([ways.way, names()]).toEqual(['bridge', ['bridge bob a0 audio', 'bridge bob v0 video']]);
    });

    it('is not taken when media are direct again meanwhile', async () => {
        await direct();
        await pass(5000);
        ways.carry(null);
        await pass(100);
        ways.carry('bob');
        arrive('bridge');
        await pass(1000);
        expect(ways.way).toBe('direct');
    });
});

it('ends what ends on either way', async () => {
    ways.end('bridge', [1]);
    expect(names()).toEqual(['bridge bob v0 video']);
    await direct();
    ways.end('bridge', 'all');
    expect(names()).toEqual(['direct bob a0 audio', 'direct bob v0 video']);
});
