import { useEffect, useRef } from 'preact/hooks';
import type { Level } from '../meeting/quality';
import { Icon } from './Icon';
import { Quality } from './Quality';
import { t } from './words';

function useTrack<T extends HTMLMediaElement>(track: MediaStreamTrack | null, blocked?: () => void) {
    const element = useRef<T>(null);
    useEffect(() => {
        const media = element.current;
        if (!media) return;
        media.srcObject = track && new MediaStream([track]);
        if (!track) return;
        media.play().catch((error: unknown) => {
            if ((error as DOMException).name === 'NotAllowedError') blocked?.();
        });
        return () => {
            media.srcObject = null;
        };
    }, [track]);
    return element;
}

/** The sound of somebody else. `blocked`: the browser refused to play it without a gesture. */
function Sound({ track, blocked }: { track: MediaStreamTrack | null; blocked: () => void }) {
    return <audio ref={useTrack<HTMLAudioElement>(track, blocked)} />;
}

export interface TileProps {
    /** What it says below the picture, and what it is called. */
    label: string;
    /** Whose picture: their initials stand for it where there is none. */
    name: string;
    video: MediaStreamTrack | null;
    /** Attributes by which style sheets and scripts find it. */
    marks: Record<`data-${string}`, string | boolean | undefined>;
    speaking?: boolean;
    muted?: boolean;
    level?: Level | undefined;
    sound?: { track: MediaStreamTrack | null; blocked: () => void };
    /** Brings it on stage for good, or no longer; missing = it cannot be. */
    pin?: { pinned: boolean; toggle: () => void } | undefined;
}

/** One picture, or initials: whose it is, who is muted, who speaks, how well it comes through. */
export function Tile({ label, name, video, marks, speaking, muted, level, sound, pin }: TileProps) {
    const element = useTrack<HTMLVideoElement>(video);
    return (
        <article class="tile" aria-label={label} data-speaking={String(speaking ?? false)} {...marks}>
            <video ref={element} playsInline muted hidden={!video} />
            {!video && (
                <span class="initials" aria-hidden="true">
                    {initials(name)}
                </span>
            )}
            {sound && <Sound {...sound} />}
            {pin && (
                <button
                    type="button"
                    class="pin"
                    title={t(pin.pinned ? 'tile.unpin' : 'tile.pin', { label })}
                    aria-label={t('tile.pin', { label })}
                    aria-pressed={pin.pinned}
                    onClick={pin.toggle}
                >
                    <Icon name="pin" />
                </button>
            )}
            <footer>
                {level && <Quality level={level} />}
                {muted && <Icon name="microphone-off" />}
                <bdi class="name">{label}</bdi>
                {muted && <span class="unseen">{t('tile.muted')}</span>}
                {speaking && <span class="unseen">{t('tile.speaking')}</span>}
            </footer>
        </article>
    );
}

function initials(name: string): string {
    const words = name.split(/\s+/).filter(Boolean).slice(0, 2);
    return words.map((word) => [...word][0]?.toUpperCase()).join('') || '?';
}
