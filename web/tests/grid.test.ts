import { describe, expect, it } from 'vitest';
import { pictureHeight, stageLayout, tileSize } from '../src/ui/grid';

describe('tiles', () => {
    it.each([
        [1, 1280, 600, 1066, 600],
        [2, 1280, 600, 636, 477],
        [3, 1280, 600, 526, 296],
        [4, 1280, 600, 526, 296],
        [9, 1280, 600, 346, 194],
        [2, 360, 600, 360, 296],
        [6, 360, 600, 176, 194],
    ])('%i in %i×%i are %i×%i', (count, width, height, tileWidth, tileHeight) => {
        expect(tileSize(count, width, height, 8)).toEqual({ width: tileWidth, height: tileHeight });
    });

    it('stay as high as one can see, however many they are', () => {
        expect(tileSize(200, 360, 600, 8).height).toBeGreaterThanOrEqual(96);
    });

    it('have no size in a window that has none yet', () => {
        expect(tileSize(1, 0, 0, 8)).toEqual({ width: 0, height: 0 });
    });

    it('ask for the layer that fills them', () => {
        expect([600, 300, 150].map((height) => pictureHeight(height, 1))).toEqual([720, 360, 180]);
        expect(pictureHeight(150, 2)).toBe(360);
    });
});

describe('the stage', () => {
    it('has its strip beside it in a wide window, and below it in others', () => {
        expect(stageLayout(1366, 620, 8).strip).toBe('beside');
        expect(stageLayout(1000, 700, 8).strip).toBe('below');
        expect(stageLayout(374, 600, 8).strip).toBe('below');
        expect(stageLayout(760, 240, 8).strip).toBe('beside');
    });

    it('and its strip fit the window', () => {
        const { small, height } = stageLayout(374, 600, 8);
        expect(height + 8 + small.height).toBeCloseTo(600);
    });
});
