import { afterEach, describe, expect, it } from 'vitest';
import type { Participant } from '../src/meeting/roster';
import type { StreamSample } from '../src/meeting/statistics';
import type { Point, StreamHistory } from '../src/meeting/statistics_history';
import { NO_STREAMS } from '../src/meeting/streams';
import { lineOf, nowOf, type Row, rowsOf, spanOf } from '../src/ui/figures';
import { language } from '../src/ui/words';

afterEach(() => {
    language.value = 'en';
});

const NOTHING: Point = { at: 0, bitrateBps: 0, loss: null, rttMs: null, height: 0 };
const point = (members: Partial<Point>): Point => ({ ...NOTHING, ...members });
const row = (...points: Partial<Point>[]): Row => ({
    key: 'k',
    label: 'l',
    direction: 'sent',
    medium: 'video',
    points: points.map(point),
});
const named = (id: string) => ({ id }) as MediaStreamTrack;

describe('rows', () => {
    const stream = (direction: 'sent' | 'received', kind: 'audio' | 'video', track: string): StreamHistory => ({
        last: { key: `${direction} ${track}`, direction, kind, track } as StreamSample,
        points: [],
    });
    const bob = { ...NO_STREAMS, id: 'b0b0', name: 'Bob', audio: named('a'), desktop: named('d') } as Participant;

    it('are named by whose stream of what it is, ours first', () => {
        const streams = [
            stream('received', 'video', 'd'),
            stream('received', 'audio', 'a'),
            stream('sent', 'video', 'mine'),
            stream('sent', 'audio', ''),
        ];
        const own = { ...NO_STREAMS, desktop: named('mine') };
        expect(rowsOf(streams, own, [bob]).map(({ label }) => label)).toEqual([
            'Your voice, sent',
            'Your screen, sent',
            'Screen of Bob',
            'Voice of Bob',
        ]);
    });

    it('leave out what is nobody’s any more', () => {
        const left = [stream('received', 'audio', 'x'), stream('received', 'audio', '')];
        expect(rowsOf(left, NO_STREAMS, [bob])).toEqual([]);
    });
});

describe('figures', () => {
    const one = row({ bitrateBps: 1_240_000, loss: 0.0312, rttMs: 35.4, height: 720 });

    it('are written with their units, in the language of the page', () => {
        const all = () => (['bitrate', 'loss', 'rtt', 'height'] as const).map((figure) => nowOf(one, figure));
        expect(all()).toEqual(['1.2 Mbit/s', '3.1 %', '35 ms', '720p']);
        language.value = 'de';
        expect(all()).toEqual(['1,2 Mbit/s', '3,1 %', '35 ms', '720p']);
    });

    it('that nobody knows are a dash', () => {
        expect(nowOf(row({}), 'rtt')).toBe('–');
        expect(nowOf(row(), 'bitrate')).toBe('–');
        expect(spanOf(row(), 'bitrate')).toBe('');
    });

    it('tell between what they were', () => {
        expect(spanOf(row({ bitrateBps: 20_000 }, { bitrateBps: 8000 }), 'bitrate')).toBe('8 kbit/s to 20 kbit/s');
        expect(spanOf(row({ rttMs: 5 }, { rttMs: 5 }), 'rtt')).toBe('');
    });
});

describe('a line', () => {
    it('rises to the right with its values', () => {
        const rising = row({ at: 0 }, { at: 60_000, bitrateBps: 50_000 }, { at: 120_000, bitrateBps: 100_000 });
        expect(lineOf(rising, 'bitrate', 120, 32)).toBe('M0.0 32.0L60.0 16.0L120.0 0.0');
    });

    it('has a gap where nothing is known', () => {
        const torn = row({ at: 0, rttMs: 50 }, { at: 40_000 }, { at: 80_000, rttMs: 100 }, { at: 120_000, rttMs: 0 });
        expect(lineOf(torn, 'rtt', 120, 10)).toBe('M0.0 5.0M80.0 0.0L120.0 10.0');
    });

    it('stays low while there is little', () => {
        expect(lineOf(row({ loss: 0.005 }), 'loss', 120, 10)).toBe('M120.0 9.0');
    });
});
