import { canShare } from '../meeting/devices';
import type { Meeting } from '../meeting/meeting';
import type { Kind } from '../meeting/offer';
import { Control, opener } from './Control';
import { CopyLink } from './CopyLink';
import { Icon } from './Icon';
import { useKeys } from './keys';
import { useLoudspeaker } from './loudspeaker';
import type { PanelName } from './Panel';
import { t } from './words';

/** The bar below: microphone, camera, screen, panels, link, leave. Keys: M, V, S, P, C, D. */
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
    const { screen } = meeting.own;
    const sharing = meeting.own.tracks.value.desktop !== null;
    const actions = {
        m: mute('audio'),
        v: mute('video'),
        ...(canShare() && { s: () => (sharing ? screen.unshare() : void screen.share()) }),
        p: () => toggle('people'),
        c: () => toggle('chat'),
        d: () => toggle('devices'),
    };
    const opens = opener(panel, toggle);
    useLoudspeaker(meeting);
    useKeys(actions);
    return (
        <nav class="controls" aria-label={t('controls.bar')}>
            <Control
                icon={audio ? 'microphone-off' : 'microphone'}
                keys="M"
                class={audio ? 'off' : ''}
                label={t(audio ? 'controls.unmute' : 'controls.mute')}
                act={actions.m}
            />
            <Control
                icon={video ? 'camera-off' : 'camera'}
                keys="V"
                class={video ? 'off' : ''}
                label={t(video ? 'controls.start-camera' : 'controls.stop-camera')}
                act={actions.v}
            />
            {actions.s && (
                <Control
                    icon={sharing ? 'screen-off' : 'screen'}
                    keys="S"
                    class={sharing ? 'on' : ''}
                    label={t(sharing ? 'controls.stop-sharing' : 'controls.share')}
                    act={actions.s}
                />
            )}
            <Control icon="people" keys="P" label={t('people.title')} {...opens('people')} />
            <Control
                icon="chat"
                keys="C"
                label={t('chat.title')}
                badge={meeting.chat.unread.value}
                {...opens('chat')}
            />
            <Control icon="devices" keys="D" label={t('devices.title')} {...opens('devices')} />
            <CopyLink />
            <button type="button" class="leave" title={t('controls.leave')} onClick={() => meeting.leave()}>
                <Icon name="leave" />
                <span class="label">{t('controls.leave')}</span>
            </button>
        </nav>
    );
}
