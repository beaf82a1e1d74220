import { useEffect, useRef } from 'preact/hooks';

function useTrack<T extends HTMLMediaElement>(track: MediaStreamTrack | null, blocked?: () => void) {
    const element = useRef<T>(null);
    useEffect(() => {
        const media = element.current;
        if (!media) return;
        media.srcObject = track && new MediaStream([track]);
        if (!track) return;
        media.play().catch((error: DOMException) => {
            if (error.name === 'NotAllowedError') blocked?.();
        });
        return () => {
            media.srcObject = null;
        };
    }, [track]);
    return element;
}

export interface TileProps {
    id: string;
    name: string;
    own?: boolean;
    speaking: boolean;
    audio: MediaStreamTrack | null;
    video: MediaStreamTrack | null;
    audioMuted: boolean;
    videoMuted: boolean;
    /** The browser refused to play sound without a gesture. */
    blocked?: () => void;
}

/** One participant: picture or initials, name, who is muted, who speaks. */
export function Tile(props: TileProps) {
    const video = useTrack<HTMLVideoElement>(props.video);
    const audio = useTrack<HTMLAudioElement>(props.own ? null : props.audio, props.blocked);
    const label = props.own ? `${props.name} (you)` : props.name;
    const picture = !props.videoMuted && props.video !== null;
    return (
        <article
            class="tile"
            aria-label={label}
            data-participant={props.id}
            data-self={props.own || undefined}
            data-speaking={props.speaking}
            data-audio-muted={String(props.audioMuted)}
            data-video-muted={String(props.videoMuted)}
        >
            <video ref={video} playsInline muted hidden={!picture} />
            {!picture && (
                <span class="initials" aria-hidden="true">
                    {initials(props.name)}
                </span>
            )}
            {!props.own && <audio ref={audio} />}
            <footer>
                <bdi class="name">{label}</bdi>
                {props.speaking && <span class="mark">speaking</span>}
                {props.audioMuted && <span class="mark">muted</span>}
            </footer>
        </article>
    );
}

function initials(name: string): string {
    const words = name.split(/\s+/).filter(Boolean).slice(0, 2);
    return words.map((word) => [...word][0]?.toUpperCase()).join('') || '?';
}
