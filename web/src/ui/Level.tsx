import { useEffect, useRef } from 'preact/hooks';
import { watchLevel } from './loudness';
import { t } from './words';

/** How loud the microphone is just now. */
export function Level({ track }: { track: MediaStreamTrack | null }) {
    const meter = useRef<HTMLMeterElement>(null);
    useEffect(() => {
        const show = (level: number) => {
            if (meter.current) meter.current.value = level;
        };
        show(0);
        return track ? watchLevel(track, show) : undefined;
    }, [track]);
    return <meter ref={meter} class="level" min={0} max={1} aria-label={t('devices.level')} />;
}
