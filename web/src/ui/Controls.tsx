import { useEffect, useState } from 'preact/hooks';
import type { Meeting } from '../meeting/meeting';

export type Panel = 'none' | 'people' | 'chat';

/** The bar below: microphone, camera, panels, link, leave. Keys: M, V, C, P. */
export function Controls({ meeting, panel, setPanel }: {
    meeting: Meeting; panel: Panel; setPanel: (panel: Panel) => void;
}) {
    const [copied, setCopied] = useState(false);
    const { audio, video } = meeting.muted.value;
    const toggle = (name: Panel) => setPanel(panel === name ? 'none' : name);
    const copy = () => void navigator.clipboard.writeText(location.href.split('?')[0]!).then(() => setCopied(true));
    useEffect(() => {
        const actions: Record<string, () => void> = {
            m: () => void meeting.mute('audio', !meeting.muted.value.audio),
            v: () => void meeting.mute('video', !meeting.muted.value.video),
            c: () => toggle('chat'),
            p: () => toggle('people'),
        };
        const press = (event: KeyboardEvent) => {
            const typing = (event.target as HTMLElement).closest('input,textarea');
            if (!typing && !event.ctrlKey && !event.altKey && !event.metaKey) actions[event.key.toLowerCase()]?.();
        };
        addEventListener('keydown', press);
        return () => removeEventListener('keydown', press);
    });
    return (
        <nav class="controls" aria-label="Meeting controls">
            <button type="button" aria-pressed={!audio} onClick={() => void meeting.mute('audio', !audio)}>
                {audio ? 'Unmute microphone' : 'Mute microphone'}
            </button>
            <button type="button" aria-pressed={!video} onClick={() => void meeting.mute('video', !video)}>
                {video ? 'Start camera' : 'Stop camera'}
            </button>
            <button type="button" aria-pressed={panel === 'people'} onClick={() => toggle('people')}>Participants</button>
            <button type="button" aria-pressed={panel === 'chat'} onClick={() => toggle('chat')}>Chat</button>
            <button type="button" onClick={copy}>{copied ? 'Link copied' : 'Copy link'}</button>
            <button type="button" class="leave" onClick={() => meeting.leave()}>Leave</button>
        </nav>
    );
}
