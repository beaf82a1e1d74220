// The streams of the statistics as rows: what they are, and their figures in words and as lines.

import type { Participant } from '../meeting/roster';
import type { Point, StreamHistory } from '../meeting/statistics_history';
import { HISTORY_MS } from '../meeting/statistics_history';
import type { Medium, Streams } from '../meeting/streams';
import { language, t } from './words';

export const FIGURES = ['bitrate', 'loss', 'rtt', 'height'] as const;
export type Figure = (typeof FIGURES)[number];

const VALUES: Record<Figure, (point: Point) => number | null> = {
    bitrate: ({ bitrateBps }) => bitrateBps,
    loss: ({ loss }) => loss,
    rtt: ({ rttMs }) => rttMs,
    height: ({ height }) => height || null,
};
/** What a line reaches at least up to, so that a little noise stays little. */
const LEAST_TOP: Record<Figure, number> = { bitrate: 50_000, loss: 0.05, rtt: 100, height: 180 };

export interface Row {
    key: string;
    label: string;
    direction: 'sent' | 'received';
    medium: Medium;
    points: readonly Point[];
}

const MEDIA: Medium[] = ['audio', 'video', 'desktop'];

function mediumOf(streams: Streams, track: string): Medium | undefined {
    return track === '' ? undefined : MEDIA.find((medium) => streams[medium]?.id === track);
}

/** One row a stream whose owner is known, ours first; what is left over of somebody who went has none. */
export function rowsOf(streams: readonly StreamHistory[], own: Streams, others: readonly Participant[]): Row[] {
    const found = streams.flatMap(({ last, points }): Row[] => {
        const { key, direction, kind, track } = last;
        if (direction === 'sent') {
            const medium = mediumOf(own, track) ?? kind;
            return [{ key, label: t(`statistics.sent.${medium}`), direction, medium, points }];
        }
        return others.flatMap((person) => {
            const medium = mediumOf(person, track);
            if (!medium) return [];
            const label = t(`statistics.received.${medium}`, { name: person.name || person.id });
            return [{ key, label, direction, medium, points }];
        });
    });
    return found.sort((one, other) => rank(one) - rank(other));
}

function rank({ direction, medium }: Row): number {
    return direction === 'sent' ? MEDIA.indexOf(medium) : MEDIA.length;
}

function number(value: number, digits: number): string {
    return value.toLocaleString(language.value, { maximumFractionDigits: digits });
}

const WORDS: Record<Figure, (value: number) => string> = {
    bitrate: (bps) => (bps >= 995_000 ? `${number(bps / 1e6, 1)} Mbit/s` : `${number(bps / 1e3, 0)} kbit/s`),
    loss: (share) => `${number(share * 100, 1)} %`,
    rtt: (ms) => `${number(ms, 0)} ms`,
    height: (pixels) => `${pixels}p`,
};

/** The value of a figure at the end of the row; "–" = it cannot be said. */
export function nowOf(row: Row, figure: Figure): string {
    const last = row.points.at(-1);
    const value = last ? VALUES[figure](last) : null;
    return value === null ? '–' : WORDS[figure](value);
}

/** Between which values it was; "" = it did not change. */
export function spanOf(row: Row, figure: Figure): string {
    const values = row.points.map(VALUES[figure]).filter((value) => value !== null);
    const least = WORDS[figure](Math.min(...values));
    const most = WORDS[figure](Math.max(...values));
    return values.length === 0 || least === most ? '' : t('statistics.span', { least, most });
}

/** The line of a figure as an SVG path in a field of that size, the present at its right edge; gaps stay gaps. */
export function lineOf(row: Row, figure: Figure, width: number, height: number): string {
    const end = row.points.at(-1)?.at ?? 0;
    const values = row.points.map(VALUES[figure]);
    const top = Math.max(LEAST_TOP[figure], ...values.map((value) => value ?? 0));
    let pen = 'M';
    const steps = row.points.map(({ at }, index) => {
        const value = values[index] ?? null;
        if (value === null) {
            pen = 'M';
            return '';
        }
        const x = width * (1 - (end - at) / HISTORY_MS);
        const step = `${pen}${x.toFixed(1)} ${(height * (1 - value / top)).toFixed(1)}`;
        pen = 'L';
        return step;
    });
    return steps.join('');
}
