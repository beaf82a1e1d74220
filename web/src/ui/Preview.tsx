import { useEffect, useRef } from 'preact/hooks';
import type { OwnMedia } from '../meeting/own_media';
import { OwnDevicePicker } from './DevicePicker';
import { Icon } from './Icon';
import { Level } from './Level';
import './devices.css';
import { t } from './words';

/** Our own picture, as in a mirror. */
function OwnPicture({ track }: { track: MediaStreamTrack | null }) {
    const video = useRef<HTMLVideoElement>(null);
    useEffect(() => {
        if (video.current) video.current.srcObject = track && new MediaStream([track]);
    }, [track]);
    return (
        <div class="own-picture">
            <video ref={video} playsInline muted autoplay hidden={!track} aria-label={t('preview.picture')} />
            {!track && <p>{t('preview.no-picture')}</p>}
        </div>
    );
}

/** What the others will see and hear of us, and what to change about it before they do. */
export function Preview({ own }: { own: OwnMedia }) {
    const { audio, video } = own.muted.value;
    const tracks = own.tracks.value;
    return (
        <section class="preview" aria-label={t('preview.title')}>
            <OwnPicture track={tracks.video} />
            <div class="preview-bar">
                <button type="button" class={audio ? 'off' : ''} onClick={() => void own.set('audio', !audio)}>
                    <Icon name={audio ? 'microphone-off' : 'microphone'} />
                    {t(audio ? 'controls.unmute' : 'controls.mute')}
                </button>
                <button type="button" class={video ? 'off' : ''} onClick={() => void own.set('video', !video)}>
                    <Icon name={video ? 'camera-off' : 'camera'} />
                    {t(video ? 'controls.start-camera' : 'controls.stop-camera')}
                </button>
            </div>
            <div class="pickers">
                <OwnDevicePicker own={own} kind="video" />
                <OwnDevicePicker own={own} kind="audio" />
                <Level track={tracks.audio} />
            </div>
        </section>
    );
}
