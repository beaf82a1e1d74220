import { describe, expect, it } from 'vitest';
import { Hearing } from '../src/meeting/hearing';

/** What is found at each of these seconds (it is looked every second); `heard` = when something came. */
function found(until: number, heard: number[] = []): string[] {
    const hearing = new Hearing(0);
    return Array.from({ length: until }, (_, index) => {
        const now = (index + 1) * 1000;
        if (heard.includes(index + 1)) hearing.heard(now);
        return hearing.look(now);
    });
}

describe('whether somebody is there', () => {
    it('is asked after a silence, and denied when no answer comes', () => {
        expect(found(8)).toEqual(['fine', 'fine', 'fine', 'ask', 'fine', 'fine', 'fine', 'lost']);
    });

    it('is not asked of who speaks', () => {
        expect(found(9, [2, 4, 6, 8])).not.toContain('ask');
    });

    it('is not denied of who answers', () => {
        expect(found(60, [5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55])).not.toContain('lost');
    });

    it('is asked anew after we have slept ourselves', () => {
        const hearing = new Hearing(0);
        expect(hearing.look(4_000)).toBe('ask');
        expect(hearing.look(60_000)).toBe('ask');
        expect(hearing.look(61_000)).toBe('fine');
        expect(hearing.look(62_500)).toBe('fine');
        expect(hearing.look(63_500)).toBe('lost');
    });
});
