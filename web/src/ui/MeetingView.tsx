import { useEffect, useState } from 'preact/hooks';
import type { Meeting } from '../meeting/meeting';
import { Chat } from './Chat';
import { Controls, type Panel } from './Controls';
import { Notice } from './Notice';
import { People } from './People';
import { Tile } from './Tile';
import { AUTOPLAY_BLOCKED } from './words';

/** The height each picture is worth asking for when so many share the window (pixels). */
function pictureHeight(count: number): number {
    if (count <= 1) return 720;
    return count <= 4 ? 360 : 180;
}

/** The meeting itself: tiles, bar, panels, and what is in the way. */
export function MeetingView({ meeting, again }: { meeting: Meeting; again: () => void }) {
    const [panel, setPanel] = useState<Panel>('none');
    const [soundBlocked, setSoundBlocked] = useState(false);
    const others = meeting.participants.value;
    const phase = meeting.phase.value;
    const problems = meeting.problems.value;
    const { audio, video } = meeting.muted.value;
    const name = meeting.displayName;

    useEffect(() => meeting.show({}, pictureHeight(others.length)), [others.length]);

    const hear = () => {
        setSoundBlocked(false);
        for (const element of document.querySelectorAll('audio')) void element.play();
    };
    if (phase === 'ended') {
        return (
            <main class="door">
                <h1>{problems.length > 0 ? 'The meeting is over for you' : 'You left the meeting'}</h1>
                {problems.map(problem => <Notice key={problem} problem={problem} again={again} />)}
                {problems.length === 0 && <button type="button" class="primary" onClick={again}>Join again</button>}
            </main>
        );
    }
    return (
        <div class="meeting">
            <header>
                {problems.map(problem => <Notice key={problem} problem={problem} dismiss={() => meeting.dismiss(problem)} />)}
                {soundBlocked && (
                    <div class="notice" role="alert">
                        <p>{AUTOPLAY_BLOCKED}</p><button type="button" onClick={hear}>Let me hear</button>
                    </div>
                )}
                {phase !== 'joined' && <p role="status" class="status">{phase === 'connecting' ? 'Joining…' : 'Joining again…'}</p>}
            </header>
            <main class="tiles" data-count={others.length + 1}>
                <h1 class="unseen">{meeting.name}</h1>
                <Tile id={meeting.me.value} name={name} own speaking={meeting.speaker.value === meeting.me.value && !audio}
                    audio={null} video={meeting.tracks.value.video} audioMuted={audio} videoMuted={video} />
                {others.map(person => (
                    <Tile key={person.id} {...person} name={person.name || person.id}
                        speaking={meeting.speaker.value === person.id && !person.audioMuted}
                        blocked={() => setSoundBlocked(true)} />
                ))}
            </main>
            {panel === 'people' && <People meeting={meeting} name={name} />}
            {panel === 'chat' && <Chat meeting={meeting} />}
            <Controls meeting={meeting} panel={panel} setPanel={setPanel} />
        </div>
    );
}
