// The media of one entry into the room: the call with the focus, the direct session with the only other participant,
// and which of the two carries them.

import { effect, type ReadonlySignal, untracked } from '@preact/signals';
import { Call, type MediaState } from './call';
import type { Wanted } from './channel';
import type { Link } from './link';
import type { Outside } from './outside';
import { Pair } from './p2p_pair';
import { type Way, Ways } from './p2p_ways';
import type { Problem } from './problems';
import type { Relays } from './relays';
import type { Room } from './room';
import type { Roster } from './roster';
import type { SentTrack } from './session';
import type { Medium } from './streams';

export interface MediaEvents {
    speaker(id: string): void;
    /** What stands in the way of media now; null = nothing. */
    problem(problem: Problem | null): void;
    /** Media take another way to us. */
    crossed(way: Way): void;
    /** Our screen does not get into the meeting. */
    screenRefused(): void;
    /** Only a new entry into the room helps. */
    lost(): void;
}

/** What this entry has and shares with the rest of the meeting. */
export interface MediaParts {
    link: Link;
    room: Room;
    relays: Relays;
    roster: Roster;
    /** What we want to send. */
    sent: SentTrack;
    /** Whether we are in the room. */
    joined: ReadonlySignal<boolean>;
    /** Whether two alone may be direct. */
    direct: ReadonlySignal<boolean>;
    outside: Pick<Outside, 'session' | 'direct'>;
}

const PROBLEMS: Record<MediaState, Problem | null> = {
    none: null,
    well: null,
    interrupted: 'media-interrupted',
    failed: 'media-failed',
};

export class Media {
    private readonly ways: Ways;
    private readonly call: Call;
    private readonly pair: Pair;
    private readonly unfollow: () => void;
    /** What the way over the bridge has to tell. */
    private trouble: Problem | null = null;

    constructor(
        private readonly parts: MediaParts,
        private readonly events: MediaEvents,
    ) {
        this.ways = this.makeWays();
        this.call = this.makeCall();
        this.pair = this.makePair();
        this.unfollow = effect(() => {
            const others = parts.roster.participants.value.map(({ id }) => id);
            const [joined, direct] = [parts.joined.value, parts.direct.value];
            untracked(() => this.pair.update(joined ? others : null, direct));
        });
    }

    /** What is sent of that has changed. */
    send(medium: Medium): void {
        this.call.send(medium);
        this.pair.send(medium);
    }

    receive(wanted: Wanted): void {
        this.call.receive(wanted);
    }

    /** The connection to the server was broken and is there again. */
    renewChannel(): void {
        this.call.renewChannel();
    }

    /** Somebody left. */
    forget(id: string): void {
        this.call.forget(id);
    }

    /** What the browser counts of the way that is in use; null = none is. */
    statistics(): Promise<RTCStatsReport | null> {
        return this.counted(this.ways.way);
    }

    close(): void {
        this.unfollow();
        this.pair.close();
        this.ways.close();
        this.call.close();
    }

    private counted(way: Way): Promise<RTCStatsReport | null> {
        return way === 'direct' ? this.pair.statistics() : this.call.statistics();
    }

    private makeWays(): Ways {
        const { roster, room, sent } = this.parts;
        return new Ways({
            sent,
            participant: (id) => roster.participants.value.find((one) => one.id === id),
            show: (source, track) => roster.addStream(source, track),
            hide: (ssrcs) => roster.endStreams(ssrcs),
            resend: (medium) => this.call.send(medium),
            statistics: (way) => this.counted(way),
            crossed: () => {
                this.events.crossed(this.ways.way);
                this.tell();
            },
            speaker: (id) => this.events.speaker(id ?? room.id),
        });
    }

    private makeCall(): Call {
        const { link, room, relays, outside } = this.parts;
        const { ways } = this;
        return new Call(link, room, relays, ways.overBridge, outside.session, {
            track: (source, track) => ways.add('bridge', source, track),
            ended: (ssrcs) => ways.end('bridge', ssrcs),
            speaker: (id) => this.events.speaker(id),
            state: (state) => {
                this.trouble = PROBLEMS[state];
                this.tell();
            },
            screenRefused: () => this.events.screenRefused(),
            lost: () => this.events.lost(),
        });
    }

    private makePair(): Pair {
        const { link, room, relays, outside, sent } = this.parts;
        const { ways } = this;
        return new Pair(link, room, relays, sent, outside.direct, {
            track: (source, track) => ways.add('direct', source, track),
            ended: () => ways.end('direct', 'all'),
            carry: (partner) => ways.carry(partner),
        });
    }

    /** Whatever is in the way at the bridge: what does not come by it does not miss it. */
    private tell(): void {
        this.events.problem(this.ways.way === 'bridge' ? this.trouble : null);
    }
}
