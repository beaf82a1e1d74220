// When two are alone in a room, their media take the direct way. This decides when to offer that, and when not:
// events and the time go in, actions come out.

import { backOff } from './back_off';

export type State =
    /** We are not two, or it is switched off. */
    | 'off'
    /** Ours is the offer; it goes out when the time is up. */
    | 'waiting'
    /** The other one is to offer. */
    | 'expecting'
    /** We have offered; there is no connection yet. */
    | 'offering'
    /** We have answered; there is no connection yet. */
    | 'answering'
    /** Media take the direct way. */
    | 'connected'
    /** Media go back to the bridge; the direct way stays open until they have arrived there. */
    | 'returning'
    /** It did not work; some time later it is tried again. */
    | 'resting';

export type Event =
    /** The time is up. */
    | 'due'
    /** An offer of our partner. */
    | 'offered'
    /** The connection works, or does not any more. */
    | 'up'
    | 'down'
    /** Our partner ended the session, or does not take one. */
    | 'ended'
    /** Our partner does not want to be direct. */
    | 'declined'
    /** We should not be direct any more: a third one came, or it was switched off. */
    | 'parted'
    /** Our partner goes back to the bridge. */
    | 'returning'
    /** Our partner left the room. */
    | 'gone';

export type Action =
    | 'offer'
    | 'answer'
    /** Media take the direct way, or the one over the bridge, from now on. */
    | 'direct'
    | 'bridge'
    /** End the session: saying so, or without a word. */
    | 'close'
    | 'drop';

/** Whom we would be direct with. */
export interface Partner {
    id: string;
    /** Whether the offer is ours. */
    mine: boolean;
}

/** "idle" is whatever we are without a session: off, waiting or expecting. */
type Next = [State | 'idle', ...Action[]];

const TABLE: Record<State, Partial<Record<Event, Next>>> = {
    off: {},
    waiting: {
        due: ['offering', 'offer'],
        offered: ['answering', 'answer'],
        parted: ['idle'],
        gone: ['idle'],
    },
    expecting: {
        offered: ['answering', 'answer'],
        parted: ['idle'],
        gone: ['idle'],
    },
    offering: {
        up: ['connected', 'direct'],
        due: ['resting', 'close'],
        down: ['resting', 'close'],
        ended: ['resting', 'drop'],
        declined: ['resting', 'drop'],
        parted: ['idle', 'close'],
        gone: ['idle', 'drop'],
    },
    answering: {
        up: ['connected', 'direct'],
        due: ['resting', 'close'],
        down: ['resting', 'close'],
        ended: ['resting', 'drop'],
        offered: ['answering', 'drop', 'answer'],
        parted: ['idle', 'close'],
        gone: ['idle', 'drop'],
    },
    connected: {
        down: ['resting', 'bridge', 'close'],
        ended: ['resting', 'bridge', 'drop'],
        offered: ['answering', 'bridge', 'drop', 'answer'],
        parted: ['returning', 'bridge'],
        returning: ['returning', 'bridge'],
        gone: ['idle', 'bridge', 'drop'],
    },
    returning: {
        due: ['idle', 'close'],
        down: ['idle', 'close'],
        ended: ['idle', 'drop'],
        gone: ['idle', 'drop'],
    },
    resting: {
        due: ['idle'],
        offered: ['answering', 'answer'],
        parted: ['idle'],
        gone: ['idle'],
    },
};

/** A room that fills up needs no direct way for the blink that two are in it. */
const FIRST_MS = 1_000;
/** lib-jitsi-meet waits as long when it was more than two before. */
const BACK_MS = 5_000;
/** So long may it take to connect. */
const CONNECT_MS = 20_000;
/** How long media are sent both ways when they change over: longer than anybody waits for them to arrive. */
export const OVERLAP_MS = 3_000;
const REST_MS = 30_000;
const REST_LIMIT_MS = 600_000;

export class Decisions {
    private now_: State = 'off';
    private partner_: Partner | null = null;
    private delayMs = FIRST_MS;
    private failures = 0;
    /** When `due` is due (ms); null = never. */
    deadline: number | null = null;

    get state(): State {
        return this.now_;
    }

    /** With whom we are, or should be, direct; null = with nobody. */
    get partner(): Partner | null {
        return this.partner_;
    }

    /** There is another partner now, or none; `before`: there were more of us before. */
    choose(partner: Partner | null, stillHere: boolean, before: boolean, now: number): Action[] {
        if (partner?.id === this.partner_?.id) return [];
        const had = this.partner_;
        this.partner_ = partner;
        this.delayMs = before ? BACK_MS : FIRST_MS;
        this.failures = 0;
        if (had) return this.happened(stillHere ? 'parted' : 'gone', now);
        if (this.now_ !== 'off') return []; // it is still returning
        this.enter('idle', now);
        return [];
    }

    /** Something happened: what to do about it. What means nothing in this state changes nothing. */
    happened(event: Event, now: number): Action[] {
        const next = TABLE[this.now_][event];
        if (!next) return [];
        const [state, ...actions] = next;
        if (event === 'declined') this.failures = Number.POSITIVE_INFINITY;
        this.enter(state, now);
        return actions;
    }

    private enter(state: State | 'idle', now: number): void {
        this.now_ = state === 'idle' ? this.idle() : state;
        const time = this.time();
        this.deadline = time === null ? null : now + time;
    }

    private idle(): State {
        if (!this.partner_) return 'off';
        return this.partner_.mine ? 'waiting' : 'expecting';
    }

    /** How long the state that was just entered may last (ms); null = for ever. */
    private time(): number | null {
        switch (this.now_) {
            case 'waiting':
                return this.delayMs;
            case 'offering':
            case 'answering':
                return CONNECT_MS;
            case 'returning':
                return OVERLAP_MS;
            case 'resting':
                return backOff(this.failures++, REST_MS, REST_LIMIT_MS);
            default:
                return null;
        }
    }
}
