import { useState } from 'preact/hooks';
import type { Meeting } from '../meeting/meeting';
import type { StatisticsWatch } from '../meeting/statistics_watch';
import { FIGURES, type Figure, lineOf, nowOf, type Row, rowsOf, spanOf } from './figures';
import { Panel } from './Panel';
import { t } from './words';

const WIDTH = 120;
const HEIGHT = 32;

function Line({ row, figure }: { row: Row; figure: Figure }) {
    return (
        <figure data-figure={figure}>
            <figcaption>
                {t(`statistics.${figure}`)} <b>{nowOf(row, figure)}</b>
            </figcaption>
            <svg viewBox={`0 -2 ${WIDTH} ${HEIGHT + 4}`} preserveAspectRatio="none" aria-hidden="true">
                <path d={lineOf(row, figure, WIDTH, HEIGHT)} vector-effect="non-scaling-stroke" />
            </svg>
        </figure>
    );
}

function Table({ rows }: { rows: Row[] }) {
    return (
        <table>
            <caption>{t('statistics.caption')}</caption>
            <thead>
                <tr>
                    <th scope="col">{t('statistics.stream')}</th>
                    {FIGURES.map((figure) => (
                        <th key={figure} scope="col">
                            {t(`statistics.${figure}`)}
                        </th>
                    ))}
                </tr>
            </thead>
            <tbody>
                {rows.map((row) => (
                    <tr key={row.key}>
                        <th scope="row">{row.label}</th>
                        {FIGURES.map((figure) => (
                            <td key={figure}>
                                {nowOf(row, figure)} <small>{spanOf(row, figure)}</small>
                            </td>
                        ))}
                    </tr>
                ))}
            </tbody>
        </table>
    );
}

/** What goes and comes, stream by stream, over the last two minutes: drawn, or as a table. */
export function Statistics({
    meeting,
    watch,
    close,
}: {
    meeting: Meeting;
    watch: StatisticsWatch;
    close: () => void;
}) {
    const [table, setTable] = useState(false);
    const rows = rowsOf(watch.streams.value, meeting.own.tracks.value, meeting.roster.participants.value);
    return (
        <Panel id="statistics" title={t('statistics.title')} close={close}>
            <p class="panel-note">
                {t(rows.length > 0 ? 'statistics.explained' : 'statistics.none')}
                <label>
                    <input type="checkbox" checked={table} onChange={() => setTable(!table)} /> {t('statistics.table')}
                </label>
            </p>
            <div class="scroll" role="group" aria-label={t('statistics.title')} tabIndex={0}>
                {table ? (
                    <Table rows={rows} />
                ) : (
                    <ul class="streams">
                        {rows.map((row) => (
                            <li key={row.key} data-direction={row.direction} data-medium={row.medium}>
                                <h3>
                                    <bdi>{row.label}</bdi>
                                </h3>
                                <div class="lines">
                                    {FIGURES.filter((figure) => figure !== 'height' || row.medium !== 'audio').map(
                                        (figure) => (
                                            <Line key={figure} row={row} figure={figure} />
                                        ),
                                    )}
                                </div>
                            </li>
                        ))}
                    </ul>
                )}
            </div>
        </Panel>
    );
}
