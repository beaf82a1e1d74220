import { useEffect, useRef, useState } from 'preact/hooks';
import type { Meeting } from '../meeting/meeting';
import { Chat } from './Chat';
import { Controls, type PanelName } from './Controls';
import { Notice } from './Notice';
import { People } from './People';
import { Tiles } from './Tiles';
import { AUTOPLAY_BLOCKED } from './words';

/** After the meeting: why it is over, and the way back. */
function Ended({ meeting, again }: { meeting: Meeting; again: () => void }) {
    const main = useRef<HTMLElement>(null);
    useEffect(() => main.current?.focus(), []);
    const problems = meeting.problems.list.value;
    return (
        <main class="door" ref={main} tabIndex={-1}>
            <h1>{problems.length > 0 ? 'The meeting is over for you' : 'You left the meeting'}</h1>
            {problems.map((problem) => (
                <Notice key={problem} problem={problem} again={again} />
            ))}
            {problems.length === 0 && (
                <button type="button" class="primary" onClick={again}>
                    Join again
                </button>
            )}
            <p>
                <a href="/">Another room</a>
            </p>
        </main>
    );
}

/** What is in the way, above the pictures. */
function Notices({ meeting, soundBlocked, hear }: { meeting: Meeting; soundBlocked: boolean; hear: () => void }) {
    const phase = meeting.phase.value;
    return (
        <header>
            {meeting.problems.list.value.map((problem) => (
                <Notice key={problem} problem={problem} dismiss={() => meeting.problems.remove(problem)} />
            ))}
            {soundBlocked && (
                <div class="notice" role="alert">
                    <p>{AUTOPLAY_BLOCKED}</p>
                    <button type="button" onClick={hear}>
                        Let me hear
                    </button>
                </div>
            )}
            {phase !== 'joined' && (
                <p role="status" class="status">
                    {phase === 'reconnecting' ? 'Joining again…' : 'Joining…'}
                </p>
            )}
        </header>
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
    if (meeting.phase.value === 'ended') return <Ended meeting={meeting} again={again} />;
    return (
        <div class="meeting">
            <Notices meeting={meeting} soundBlocked={soundBlocked} hear={hear} />
            <Tiles meeting={meeting} soundBlocked={() => setSoundBlocked(true)} />
            {panel === 'people' && <People meeting={meeting} close={close} />}
            {panel === 'chat' && <Chat meeting={meeting} close={close} />}
            <Controls meeting={meeting} panel={panel} toggle={toggle} />
        </div>
    );
}
