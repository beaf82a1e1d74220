import { describe, expect, it } from 'vitest';
import { Louder, levels } from '../src/meeting/p2p_speaker';

describe('who speaks', () => {
    it('is the louder one, when that lasts', () => {
        const louder = new Louder();
        const steps = [
            [0, 0, null],
            [0.3, 0.1, null],
            [0.3, 0.1, 'own'],
            [0.3, 0.1, null],
            [0.1, 0.4, null],
            [0.3, 0.1, null],
            [0.1, 0.4, null],
            [0.1, 0.4, 'other'],
        ] as const;
        for (const [own, other, who] of steps) expect(louder.next({ own, other })).toBe(who);
    });

    it('stays who spoke last while nobody does', () => {
        const louder = new Louder();
        for (const own of [0.5, 0.5, 0.01, 0, 0]) louder.next({ own, other: 0 });
        expect(louder.next({ own: 0.01, other: 0.015 })).toBeNull();
        expect(louder.next({ own: 0.5, other: 0 })).toBeNull();
    });
});

it('reads how loud both are, and 0 where a browser does not say', () => {
    const report = (...entries: object[]) => new Map(entries.map((entry, id) => [id, entry])) as unknown as RTCStatsReport;
    const own = { type: 'media-source', kind: 'audio', audioLevel: 0.25 };
    const other = { type: 'inbound-rtp', kind: 'audio', audioLevel: 0.5 };
    expect(levels(report(own, other, { type: 'inbound-rtp', kind: 'video' }))).toEqual({ own: 0.25, other: 0.5 });
    expect(levels(report({ ...own, audioLevel: undefined }))).toEqual({ own: 0, other: 0 });
});
