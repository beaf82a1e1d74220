import { useEffect, useRef, useState } from 'preact/hooks';
import type { Meeting } from '../meeting/meeting';
import { columns, pictureHeight } from './grid';
import { Tile } from './Tile';

/** The size of an element, as it changes. */
function useSize<T extends HTMLElement>() {
    const element = useRef<T>(null);
    const [size, setSize] = useState({ width: 0, height: 0 });
    useEffect(() => {
        if (!element.current) return;
        const observer = new ResizeObserver(([entry]) => entry && setSize(entry.contentRect));
        observer.observe(element.current);
        return () => observer.disconnect();
    }, []);
    return [element, size] as const;
}

/** Everybody's picture, as large as the window allows. */
export function Tiles({ meeting, soundBlocked }: { meeting: Meeting; soundBlocked: () => void }) {
    const [main, { width, height }] = useSize<HTMLElement>();
    const others = meeting.roster.participants.value;
    const count = others.length + 1;
    const across = columns(count, width, height);
    const rows = Math.ceil(count / across);
    const wanted = pictureHeight(height / rows, devicePixelRatio);
    const { audio, video } = meeting.own.muted.value;
    const speaker = meeting.speaker.value;

    useEffect(() => {
        if (height > 0) meeting.show({}, wanted);
    }, [meeting, wanted, height > 0]);
    useEffect(() => main.current?.focus(), []);
    return (
        <main
            ref={main}
            class="tiles"
            tabIndex={-1}
            aria-label="Pictures"
            style={{ '--columns': across, '--rows': rows }}
        >
            <h1 class="unseen">{meeting.name}</h1>
            <Tile
                id={meeting.me.value}
                name={meeting.displayName.value}
                own
                speaking={speaker === meeting.me.value && !audio}
                audio={null}
                video={meeting.own.tracks.value.video}
                audioMuted={audio}
                videoMuted={video}
            />
            {others.map((person) => (
                <Tile
                    key={person.id}
                    {...person}
                    name={person.name || person.id}
                    speaking={speaker === person.id && !person.audioMuted}
                    blocked={soundBlocked}
                />
            ))}
        </main>
    );
}
