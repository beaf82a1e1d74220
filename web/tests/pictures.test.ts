import { describe, expect, it } from 'vitest';
import type { Participant } from '../src/meeting/roster';
import { type Picture, picturesOf, pinnedOf, stagedOf, viewOf, type Wish, wantedHeights } from '../src/ui/pictures';
import { track } from './fakes';

const person = (id: string, screen = false): Participant => ({
    id,
    name: id,
    moderator: false,
    audioMuted: false,
    videoMuted: false,
    audio: null,
    video: null,
    desktop: screen ? track('video') : null,
    screens: screen ? { [`${id}-v1`]: false } : {},
});
const OWN = { id: 'me', screen: false };
const PLAIN = picturesOf(OWN, [person('bob'), person('cem')]);
const SHARED = picturesOf(OWN, [person('bob', true), person('cem')]);
const nothing: Wish<string> = { value: '', screens: [] };
const keys = (pictures: Picture[]) => pictures.map(({ key }) => key);

describe('pictures', () => {
    it('are our own, then everybody’s, a screen beside its owner', () => {
        expect(keys(PLAIN)).toEqual(['own', 'bob', 'cem']);
        expect(keys(SHARED)).toEqual(['own', 'bob', 'bob screen', 'cem']);
        expect(keys(picturesOf({ id: 'me', screen: true }, []))).toEqual(['own', 'own screen']);
    });

    it('have no screen that is announced and does not come, or comes and is muted', () => {
        const announced = { ...person('bob', true), desktop: null };
        const muted = { ...person('cem', true), screens: { 'cem-v1': true } };
        expect(keys(picturesOf(OWN, [announced, muted]))).toEqual(['own', 'bob', 'cem']);
    });
});

describe('on stage', () => {
    const staged = (pictures: Picture[], pin = nothing, speaker = '') =>
        stagedOf(pictures, pinnedOf(pin, pictures), speaker)?.key;

    it('is who speaks, else the first of the others, else oneself', () => {
        expect(staged(PLAIN, nothing, 'cem')).toBe('cem');
        expect(staged(PLAIN, nothing, 'gone')).toBe('bob');
        expect(staged(picturesOf(OWN, []))).toBe('own');
    });

    it('is who is pinned, until they go', () => {
        const pin = { value: 'cem', screens: [] };
        expect(staged(PLAIN, pin, 'bob')).toBe('cem');
        expect(staged(picturesOf(OWN, [person('bob')]), pin, 'bob')).toBe('bob');
    });

    it('is a shared screen before who speaks and who was pinned', () => {
        expect(staged(SHARED, nothing, 'cem')).toBe('bob screen');
        expect(staged(SHARED, { value: 'cem', screens: [] }, 'cem')).toBe('bob screen');
    });

    it('is who is pinned while the screen is there already', () => {
        expect(staged(SHARED, { value: 'cem', screens: ['bob screen'] })).toBe('cem');
    });

    it('is never our own screen', () => {
        expect(staged(picturesOf({ id: 'me', screen: true }, [person('bob')]))).toBe('bob');
    });
});

describe('the view', () => {
    it('is the chosen one, until somebody begins to share a screen', () => {
        const tiles = { value: 'tiles' as const, screens: [] };
        expect(viewOf(tiles, PLAIN)).toBe('tiles');
        expect(viewOf(tiles, SHARED)).toBe('stage');
        expect(viewOf({ ...tiles, screens: ['bob screen'] }, SHARED)).toBe('tiles');
        expect(viewOf({ value: 'stage', screens: [] }, PLAIN)).toBe('stage');
    });
});

describe('the bridge is asked', () => {
    it('for everybody alike in the tile view, for screens whole', () => {
        expect(wantedHeights(PLAIN, undefined, new Set(), 360, 720)).toEqual({
            heights: {},
            other: 360,
            onStage: [],
        });
        const { heights } = wantedHeights(SHARED, undefined, new Set(), 360, 720);
        expect(heights).toEqual({ 'bob-v1': 4320 });
    });

    it('for the stage first and large', () => {
        const cem = PLAIN.find(({ key }) => key === 'cem');
        expect(wantedHeights(PLAIN, cem, new Set(), 180, 720)).toEqual({
            heights: { 'cem-v0': 720 },
            other: 180,
            onStage: ['cem-v0'],
        });
    });

    it('for nothing that is scrolled away, unless it is on stage', () => {
        const cem = PLAIN.find(({ key }) => key === 'cem');
        const { heights } = wantedHeights(PLAIN, cem, new Set(['bob', 'cem', 'own']), 180, 720);
        expect(heights).toEqual({ 'bob-v0': 0, 'cem-v0': 720 });
    });

    it('for nothing of oneself', () => {
        const alone = picturesOf({ id: 'me', screen: true }, []);
        expect(wantedHeights(alone, alone[0], new Set(), 180, 720)).toEqual({ heights: {}, other: 180, onStage: [] });
    });
});
