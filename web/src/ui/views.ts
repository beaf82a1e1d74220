import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Meeting } from '../meeting/meeting';
import { StatisticsWatch } from '../meeting/statistics_watch';
import { remember, remembered } from './memory';
import {
    cameraKey,
    type Picture,
    picturesOf,
    pinnedOf,
    sharedScreens,
    stagedOf,
    type View,
    viewOf,
    type Wish,
} from './pictures';

/** Which pictures are shown, and how. */
export interface Views {
    view: View;
    pictures: Picture[];
    staged: Picture | undefined;
    /** The key of the pinned picture; "" = none. */
    pinned: string;
    switchView: () => void;
    /** Pin a picture, on stage; the one that is pinned already is let go. */
    pin: (key: string) => void;
}

/** The views of a meeting, following who speaks, who shares a screen and what its user chooses. */
export function useViews(meeting: Meeting): Views {
    const pictures = picturesOf(
        { id: meeting.me.value, screen: meeting.own.tracks.value.desktop !== null },
        meeting.roster.participants.value,
    );
    const screens = sharedScreens(pictures);
    const [chosen, setChosen] = useState<Wish<View>>({
        value: remembered('view') === 'stage' ? 'stage' : 'tiles',
        screens: [],
    });
    const [wish, setWish] = useState<Wish<string>>({ value: '', screens: [] });
    // The last who spoke of the others: our own speaking brings nobody on stage.
    const heard = useRef('');
    const speaker = meeting.speaker.value;
    if (speaker && speaker !== meeting.me.value) heard.current = speaker;

    const view = viewOf(chosen, pictures);
    const pinned = view === 'stage' ? pinnedOf(wish, pictures) : '';
    const choose = (value: View) => {
        remember('view', value);
        setChosen({ value, screens });
    };
    return {
        view,
        pictures,
        staged: view === 'stage' ? stagedOf(pictures, pinned, cameraKey(heard.current)) : undefined,
        pinned,
        switchView: () => {
            setWish({ value: '', screens });
            choose(view === 'stage' ? 'tiles' : 'stage');
        },
        pin: (key) => {
            setWish({ value: key === pinned ? '' : key, screens });
            if (view !== 'stage') choose('stage');
        },
    };
}

/** The statistics of a meeting, looked at as long as it is shown. `hidden`: pictures that are out of sight. */
export function useStatistics(meeting: Meeting, hidden: ReadonlySet<string>): StatisticsWatch {
    const outOfSight = useRef(hidden);
    outOfSight.current = hidden;
    const watch = useMemo(
        () =>
            new StatisticsWatch({
                statistics: () => meeting.statistics(),
                own: () => ({ id: meeting.me.value, camera: meeting.own.sent('video') !== null }),
                expected: () => {
                    // A page in the background decodes as it likes.
                    const seen = (id: string) => !document.hidden && !outOfSight.current.has(cameraKey(id));
                    const people = meeting.roster.participants.value;
                    return new Map(
                        people.map(({ id, audio, video, audioMuted, videoMuted }) => [
                            id,
                            {
                                audio: (!audioMuted && audio?.id) || '',
                                camera: (!videoMuted && seen(id) && video?.id) || '',
                            },
                        ]),
                    );
                },
            }),
        [meeting],
    );
    useEffect(() => {
        watch.start();
        return () => watch.stop();
    }, [watch]);
    return watch;
}
