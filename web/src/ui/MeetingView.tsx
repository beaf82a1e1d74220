import { useEffect, useRef, useState } from 'preact/hooks';
import type { Meeting } from '../meeting/meeting';
import { Chat } from './Chat';
import { Controls } from './Controls';
import { Devices } from './Devices';
import { Foyer } from './Foyer';
import { Notice } from './Notice';
import type { PanelName } from './Panel';
import { People } from './People';
import { Settings } from './Settings';
import { Statistics } from './Statistics';
import { Tiles } from './Tiles';
import { TopBar } from './TopBar';
import { useStatistics, useViews } from './views';
import { t } from './words';

/** After the meeting: why it is over, and the way back. */
function Ended({ meeting, again }: { meeting: Meeting; again: () => void }) {
    const main = useRef<HTMLElement>(null);
    useEffect(() => main.current?.focus(), []);
    const problems = meeting.problems.list.value;
    return (
        <Foyer>
            <main class="door" ref={main} tabIndex={-1}>
                <h1>{t(problems.length > 0 ? 'ended.removed' : 'ended.left')}</h1>
                {problems.map((problem) => (
                    <Notice key={problem} problem={problem} again={again} />
                ))}
                {meeting.reason.value && <p>{t('ended.reason', { reason: meeting.reason.value })}</p>}
                {problems.length === 0 && (
                    <button type="button" class="primary" onClick={again}>
                        {t('ended.again')}
                    </button>
                )}
                <p>
                    <a href="/">{t('ended.other-room')}</a>
                </p>
            </main>
        </Foyer>
    );
}

/** What there is to wait for. */
const WAITING = {
    idle: 'joining.first',
    connecting: 'joining.first',
    resuming: 'resuming',
    reconnecting: 'joining.again',
} as const;

/** What is in the way, above the pictures. */
function Notices({ meeting, soundBlocked, hear }: { meeting: Meeting; soundBlocked: boolean; hear: () => void }) {
    const phase = meeting.phase.value;
    return (
        <div class="notices">
            {meeting.problems.list.value.map((problem) => (
                <Notice key={problem} problem={problem} dismiss={() => meeting.problems.remove(problem)} />
            ))}
            {soundBlocked && (
                <div class="notice" role="alert">
                    <p>{t('sound.blocked')}</p>
                    <button type="button" onClick={hear}>
                        {t('sound.allow')}
                    </button>
                </div>
            )}
            {phase !== 'joined' && phase !== 'ended' && (
                <p role="status" class="status">
                    {t(WAITING[phase])}
                </p>
            )}
        </div>
    );
}

/** The meeting itself: tiles, bar, panels, and what is in the way. */
export function MeetingView({ meeting, again }: { meeting: Meeting; again: () => void }) {
    const [panel, setPanel] = useState<PanelName>('none');
    const [soundBlocked, setSoundBlocked] = useState(false);
    const hear = () => {
        setSoundBlocked(false);
        for (const element of document.querySelectorAll('audio'))
            void element.play().catch(() => setSoundBlocked(true));
    };
    const close = () => {
        document.querySelector<HTMLElement>(`[data-opens=${panel}]`)?.focus();
        setPanel('none');
    };
    const toggle = (name: PanelName) => (panel === name ? close() : setPanel(name));
    const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
    const { view, switchView, ...shown } = useViews(meeting);
    const watch = useStatistics(meeting, hidden);
    if (meeting.phase.value === 'ended') return <Ended meeting={meeting} again={again} />;
    return (
        <div class="meeting">
            <TopBar {...{ meeting, view, switchView, panel, toggle }} />
            <Notices meeting={meeting} soundBlocked={soundBlocked} hear={hear} />
            <Tiles
                {...{ meeting, view, setHidden, ...shown }}
                levels={watch.levels.value}
                soundBlocked={() => setSoundBlocked(true)}
            />
            {panel === 'people' && <People meeting={meeting} close={close} />}
            {panel === 'chat' && <Chat meeting={meeting} close={close} />}
            {panel === 'devices' && <Devices meeting={meeting} close={close} />}
            {panel === 'statistics' && <Statistics {...{ meeting, watch, close }} />}
            {panel === 'settings' && <Settings meeting={meeting} close={close} />}
            <Controls meeting={meeting} panel={panel} toggle={toggle} />
        </div>
    );
}
