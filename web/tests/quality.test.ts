import { describe, expect, it } from 'vitest';
import { type Level, received, Steady, sent } from '../src/meeting/quality';
import type { Sample, StreamSample } from '../src/meeting/statistics';

const VOICE: StreamSample = {
    key: 'v',
    direction: 'received',
    kind: 'audio',
    track: 'voice',
    bitrateBps: 30_000,
    loss: 0,
    rttMs: null,
    jitterMs: 5,
    width: 0,
    height: 0,
    framesPerSecond: null,
    frozen: null,
};
const PICTURE: StreamSample = { ...VOICE, key: 'p', kind: 'video', track: 'picture', framesPerSecond: 25, frozen: 0 };
const BOTH = { audio: 'voice', camera: 'picture' };

const sample = (streams: StreamSample[], more: Partial<Sample> = {}): Sample => ({
    at: 0,
    streams,
    rttMs: 20,
    availableBps: null,
    ...more,
});

describe('what comes in', () => {
    it.each<[string, Partial<StreamSample>, Partial<StreamSample>, Level]>([
        ['all well', {}, {}, 'good'],
        ['some loss of the voice', { loss: 0.05 }, {}, 'middling'],
        ['much loss of the picture', {}, { loss: 0.2 }, 'poor'],
        ['a voice that jitters', { jitterMs: 60 }, {}, 'middling'],
        ['a picture that jitters', {}, { jitterMs: 150 }, 'good'],
        ['a picture that often stands', {}, { frozen: 0.2 }, 'middling'],
        ['a picture that stands', {}, { frozen: 1, framesPerSecond: 0 }, 'poor'],
        ['few pictures', {}, { framesPerSecond: 7 }, 'middling'],
        ['hardly any pictures', {}, { framesPerSecond: 3 }, 'poor'],
    ])('with %s: %s', (_, voice, picture, level) => {
        const streams = [
            { ...VOICE, ...voice },
            { ...PICTURE, ...picture },
        ];
        expect(received(sample(streams), BOTH)).toBe(level);
    });

    it('suffers from a long round trip', () => {
        expect(received(sample([VOICE], { rttMs: 350 }), BOTH)).toBe('middling');
        expect(received(sample([VOICE], { rttMs: 900 }), BOTH)).toBe('poor');
        expect(received(sample([VOICE], { rttMs: null }), BOTH)).toBe('good');
    });

    it('is not judged by a picture that nobody looks for', () => {
        const still = { ...PICTURE, frozen: 1, framesPerSecond: 0 };
        expect(received(sample([VOICE, still]), { audio: 'voice', camera: '' })).toBe('good');
    });

    it('cannot be judged where nothing comes', () => {
        expect(received(sample([]), BOTH)).toBeNull();
        expect(received(sample([VOICE, PICTURE]), { audio: '', camera: '' })).toBeNull();
        expect(received(sample([{ ...VOICE, bitrateBps: 0 }]), BOTH)).toBeNull();
        expect(received(sample([{ ...VOICE, direction: 'sent' }]), BOTH)).toBeNull();
    });
});

describe('what goes out', () => {
    const out = (members: Partial<StreamSample> = {}): StreamSample => ({ ...VOICE, direction: 'sent', ...members });

    it('is judged by the worst stream, and by those only that go', () => {
        expect(sent(sample([out(), out({ loss: 0.05 })]), false)).toBe('middling');
        expect(sent(sample([out(), out({ loss: 0.5, bitrateBps: 0 })]), false)).toBe('good');
        expect(sent(sample([VOICE]), false)).toBeNull();
    });

    it('needs room for the picture, where there is one', () => {
        const little = sample([out()], { availableBps: 100_000 });
        expect(sent(little, true)).toBe('middling');
        expect(sent(little, false)).toBe('good');
        expect(sent(sample([out()], { availableBps: 50_000 }), true)).toBe('poor');
    });
});

describe('a level', () => {
    /** g, m and p for the levels, - for nothing to judge. */
    const LETTERS: Record<string, Level | null> = { g: 'good', m: 'middling', p: 'poor', '-': null };
    const shown = (judged: string) => {
        const steady = new Steady();
        return [...judged].map((letter) => (steady.next(LETTERS[letter] ?? null) ?? '-')[0]).join('');
    };

    it.each([
        ['begins well whatever comes first', 'pp', 'gp'],
        ['goes down after two samples that agree', 'gmm', 'ggm'],
        ['goes down as far as both agree', 'gpm', 'ggm'],
        ['does not mind a single one', 'gpgpgpg', 'ggggggg'],
        ['comes up after four', 'ppgggg', 'gppppg'],
        ['comes up as far as all agree', 'ppgmgg', 'gppppm'],
        ['stays down while it comes and goes', 'ppggmpggmp', 'gppppppppp'],
        ['is forgotten with its stream', 'pp-p', 'gp-g'],
    ])('%s: %s', (_, judged, expected) => {
        expect(shown(judged)).toBe(expected);
    });
});
