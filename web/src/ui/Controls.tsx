import { useEffect } from 'preact/hooks';
import type { Meeting } from '../meeting/meeting';
import type { Kind } from '../meeting/offer';
import { CopyLink } from './CopyLink';
import { Icon, type IconName } from './Icon';

export type PanelName = 'none' | 'people' | 'chat';

function Control({
    icon,
    label,
    keys,
    act,
    ...more
}: {
    icon: IconName;
    label: string;
    keys: string;
    act: () => void;
    class?: string;
    'aria-expanded'?: boolean;
    'aria-controls'?: string;
    'data-opens'?: PanelName;
    badge?: number;
}) {
    const { badge, ...attributes } = more;
    return (
        <button type="button" title={`${label} (${keys})`} aria-keyshortcuts={keys} onClick={act} {...attributes}>
            <Icon name={icon} />
            <span class="label">{label}</span>
            {!!badge && (
                <span class="badge">
                    {badge > 99 ? '99+' : badge}
                    <span class="unseen"> unread</span>
                </span>
            )}
        </button>
    );
}

/** Calls what belongs to a key, unless its user is typing or pressing something else. */
function useKeys(actions: Record<string, () => void>) {
    useEffect(() => {
        const press = (event: KeyboardEvent) => {
            const elsewhere = (event.target as Element | null)?.closest?.('input,textarea,select,[contenteditable]');
            const action = Object.hasOwn(actions, event.key.toLowerCase()) && actions[event.key.toLowerCase()];
            if (!action || elsewhere || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
            event.preventDefault(); // else the letter lands in the field that it opens
            action();
        };
        addEventListener('keydown', press);
        return () => removeEventListener('keydown', press);
    });
}

/** The bar below: microphone, camera, panels, link, leave. Keys: M, V, P, C. */
export function Controls({
    meeting,
    panel,
    toggle,
}: {
    meeting: Meeting;
    panel: PanelName;
    toggle: (panel: PanelName) => void;
}) {
    const { audio, video } = meeting.own.muted.value;
    const mute = (kind: Kind) => () => void meeting.own.set(kind, !meeting.own.muted.value[kind]);
    const actions = { m: mute('audio'), v: mute('video'), p: () => toggle('people'), c: () => toggle('chat') };
    useKeys(actions);
    return (
        <nav class="controls" aria-label="Meeting controls">
            <Control
                icon={audio ? 'microphone-off' : 'microphone'}
                keys="M"
                class={audio ? 'off' : ''}
                label={audio ? 'Unmute microphone' : 'Mute microphone'}
                act={actions.m}
            />
            <Control
                icon={video ? 'camera-off' : 'camera'}
                keys="V"
                class={video ? 'off' : ''}
                label={video ? 'Start camera' : 'Stop camera'}
                act={actions.v}
            />
            <Control
                icon="people"
                keys="P"
                label="Participants"
                act={actions.p}
                data-opens="people"
                aria-expanded={panel === 'people'}
                aria-controls="people"
            />
            <Control
                icon="chat"
                keys="C"
                label="Chat"
                act={actions.c}
                data-opens="chat"
                badge={meeting.chat.unread.value}
                aria-expanded={panel === 'chat'}
                aria-controls="chat"
            />
            <CopyLink />
            <button type="button" class="leave" title="Leave" onClick={() => meeting.leave()}>
                <Icon name="leave" />
                <span class="label">Leave</span>
            </button>
        </nav>
    );
}
