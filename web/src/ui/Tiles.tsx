import type { RefObject } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Meeting } from '../meeting/meeting';
import type { Level } from '../meeting/quality';
import { pictureHeight, type Size, type StageLayout, stageLayout, tileSize } from './grid';
import { type Picture, type View, wantedHeights } from './pictures';
import { Tile } from './Tile';
import { t } from './words';

/** Between two pictures, in pixels; the style sheet takes it from here. */
const GAP = 8;

/** The size of an element, as it changes. */
function useSize(element: RefObject<HTMLElement | null>) {
    const [size, setSize] = useState({ width: 0, height: 0 });
    useEffect(() => {
        if (!element.current) return;
        const observer = new ResizeObserver(([entry]) => entry && setSize(entry.contentRect));
        observer.observe(element.current);
        return () => observer.disconnect();
    }, []);
    return size;
}

/** The keys of those pictures in an element that are scrolled out of sight. */
function useHidden(element: RefObject<HTMLElement | null>, keys: string): ReadonlySet<string> {
    const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
    useEffect(() => {
        const observer = new IntersectionObserver((entries) =>
            setHidden((before) => {
                const next = new Set(before);
                for (const { target, isIntersecting } of entries) {
                    const { key = '' } = (target as HTMLElement).dataset;
                    if (isIntersecting) next.delete(key);
                    else next.add(key);
                }
                return next;
            }),
        );
        for (const tile of element.current?.querySelectorAll('[data-key]') ?? []) observer.observe(tile);
        return () => observer.disconnect();
    }, [keys]);
    return hidden;
}

export interface TilesProps {
    meeting: Meeting;
    view: View;
    pictures: readonly Picture[];
    /** What is on stage; in the tile view nothing is. */
    staged: Picture | undefined;
    /** The key of the picture that was pinned. */
    pinned: string;
    pin: (key: string) => void;
    levels: ReadonlyMap<string, Level>;
    soundBlocked: () => void;
    /** Tells which pictures are not in sight. */
    setHidden: (keys: ReadonlySet<string>) => void;
}

/** All pictures: as large as the window allows, or one of them large and the others in a strip. */
export function Tiles(props: TilesProps) {
    const { meeting, view, pictures, staged } = props;
    const main = useRef<HTMLElement>(null);
    const { width, height } = useSize(main);
    const hidden = useHidden(main, pictures.map(({ key }) => key).join(' '));
    const layout = stageLayout(width, height, GAP);
    const tile = tileSize(pictures.length, width, height, GAP);
    const small = pictureHeight(view === 'stage' ? layout.small.height : tile.height, devicePixelRatio);
    const large = pictureHeight(layout.height, devicePixelRatio);
    const wanted = wantedHeights(pictures, staged, hidden, small, large);

    useEffect(() => {
        if (height > 0) meeting.show(wanted.heights, wanted.other, wanted.onStage);
    }, [meeting, JSON.stringify(wanted), height > 0]);
    useEffect(() => props.setHidden(hidden), [hidden]);
    useEffect(() => main.current?.focus(), []);
    return (
        <main
            ref={main}
            class="pictures"
            tabIndex={-1}
            aria-label={t('tiles.pictures')}
            data-view={view}
            data-strip={view === 'stage' ? layout.strip : undefined}
            style={view === 'stage' ? stageStyle(layout, pictures.length > 1) : gridStyle(tile)}
        >
            <div class="strip">
                {pictures.map((picture) => (
                    <PictureTile key={picture.key} picture={picture} {...props} />
                ))}
            </div>
        </main>
    );
}

function gridStyle({ width, height }: Size) {
    return { '--gap': `${GAP}px`, '--width': `${width}px`, '--height': `${height}px` };
}

function stageStyle({ strip, small }: StageLayout, others: boolean) {
    const taken = (length: number) => `${others ? length + GAP : 0}px`;
    return {
        '--gap': `${GAP}px`,
        '--width': `${small.width}px`,
        '--height': `${small.height}px`,
        '--right': strip === 'beside' ? taken(small.width) : '0px',
        '--bottom': strip === 'below' ? taken(small.height) : '0px',
    };
}

function PictureTile({ picture, ...props }: TilesProps & { picture: Picture }) {
    const { meeting, staged, pinned, pin, levels, soundBlocked } = props;
    const { key, owner, screen } = picture;
    const marks = { 'data-key': key, 'data-stage': key === staged?.key || undefined };
    const level = levels.get(owner);
    const speaking = owner !== '' && meeting.speaker.value === owner;
    if (picture.source === '') return <OwnTile {...{ meeting, screen, marks, level, speaking }} />;
    const person = meeting.roster.participants.value.find(({ id }) => id === owner);
    if (!person) return null;
    const name = person.name || person.id;
    const pinning = { pinned: key === pinned, toggle: () => pin(key) };
    if (screen) {
        const label = t('tile.screen', { name });
        return (
            <Tile
                {...{ label, name, pin: pinning }}
                video={person.desktop}
                marks={{ ...marks, 'data-screen': owner }}
            />
        );
    }
    const { audio, audioMuted, videoMuted } = person;
    return (
        <Tile
            {...{ name, level, pin: pinning }}
            label={name}
            video={videoMuted ? null : person.video}
            speaking={speaking && !audioMuted}
            muted={audioMuted}
            sound={{ track: audio, blocked: soundBlocked }}
            marks={{
                ...marks,
                'data-participant': owner,
                'data-audio-muted': String(audioMuted),
                'data-video-muted': String(videoMuted),
            }}
        />
    );
}

function OwnTile({
    meeting,
    screen,
    marks,
    level,
    speaking,
}: {
    meeting: Meeting;
    screen: boolean;
    marks: Record<`data-${string}`, string | boolean | undefined>;
    level: Level | undefined;
    speaking: boolean;
}) {
    const name = meeting.displayName.value;
    const { tracks, muted } = meeting.own;
    if (screen) {
        const own = { ...marks, 'data-self': true, 'data-screen': meeting.me.value };
        return <Tile label={t('tile.own-screen')} name={name} video={tracks.value.desktop} marks={own} />;
    }
    const { audio, video } = muted.value;
    return (
        <Tile
            {...{ name, level }}
            label={t('people.you', { name })}
            video={video ? null : tracks.value.video}
            speaking={speaking && !audio}
            muted={audio}
            marks={{
                ...marks,
                'data-participant': meeting.me.value,
                'data-self': true,
                'data-audio-muted': String(audio),
                'data-video-muted': String(video),
            }}
        />
    );
}
