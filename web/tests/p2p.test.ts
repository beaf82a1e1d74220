import { beforeEach, describe, expect, it, vi } from 'vitest';
import { type Action, Decisions, type Event, OVERLAP_MS, type State } from '../src/meeting/p2p';

let decisions: Decisions;
let now: number;

beforeEach(() => {
    vi.spyOn(Math, 'random').mockReturnValue(1); // back-off at its full length
    decisions = new Decisions();
    now = 0;
});

/** Bob is the only other one now; `mine`: the offer is ours. */
function alone(mine: boolean, before = false): Action[] {
    return decisions.choose({ id: 'bob', mine }, true, before, now);
}

function happen(event: Event): Action[] {
    return decisions.happened(event, now);
}

/** Let the time pass that the state has. */
function due(): Action[] {
    now = decisions.deadline ?? Number.NaN;
    return happen('due');
}

function connected(): void {
    alone(true);
    due();
    happen('up');
}

describe('who offers', () => {
    it('offers after a moment, and media go directly when there is a connection', () => {
        expect(alone(true)).toEqual([]);
        expect([decisions.state, decisions.deadline]).toEqual(['waiting', 1000]);
        expect(due()).toEqual(['offer']);
        expect(happen('up')).toEqual(['direct']);
        expect([decisions.state, decisions.deadline]).toEqual(['connected', null]);
    });

    it('does not when somebody else comes in that moment', () => {
        alone(true);
        expect(decisions.choose(null, true, false, now)).toEqual([]);
        expect([decisions.state, decisions.deadline]).toEqual(['off', null]);
    });

    it('waits longer when there were more before', () => {
        alone(true, true);
        expect(decisions.deadline).toBe(5000);
    });

    it('gives up when nothing connects in time', () => {
        alone(true);
        due();
        expect(due()).toEqual(['close']);
        expect(decisions.state).toBe('resting');
    });
});

describe('who does not offer', () => {
    it('answers, and media go directly when there is a connection', () => {
        alone(false);
        expect([decisions.state, decisions.deadline]).toEqual(['expecting', null]);
        expect(happen('offered')).toEqual(['answer']);
        expect(happen('up')).toEqual(['direct']);
    });

    it('takes a second offer in place of the first', () => {
        alone(false);
        happen('offered');
        expect(happen('offered')).toEqual(['drop', 'answer']);
        happen('up');
        expect(happen('offered')).toEqual(['bridge', 'drop', 'answer']);
    });
});

describe('two that are direct', () => {
    it('go back when a third one comes, and close what they had when media have arrived', () => {
        connected();
        expect(decisions.choose(null, true, false, now)).toEqual(['bridge']);
        expect(decisions.deadline).toBe(now + OVERLAP_MS);
        expect(due()).toEqual(['close']);
        expect(decisions.state).toBe('off');
    });

    it('begin again when the third one was only there for a blink', () => {
        connected();
        decisions.choose(null, true, false, now);
        expect(alone(true, true)).toEqual([]);
        expect(due()).toEqual(['close']);
        expect([decisions.state, decisions.deadline]).toEqual(['waiting', now + 5000]);
    });

    it('follow each other back', () => {
        connected();
        expect(happen('returning')).toEqual(['bridge']);
        expect(happen('ended')).toEqual(['drop']);
        expect(decisions.state).toBe('waiting');
    });

    it.each<[Event, Action[]]>([
        ['down', ['bridge', 'close']],
        ['ended', ['bridge', 'drop']],
    ])('are back at once after "%s", and try again later', (event, actions) => {
        connected();
        expect(happen(event)).toEqual(actions);
        expect(decisions.state).toBe('resting');
        expect(due()).toEqual([]);
        expect(decisions.state).toBe('waiting');
    });

    it('forget who left', () => {
        connected();
        expect(decisions.choose(null, false, false, now)).toEqual(['bridge', 'drop']);
        expect(decisions.state).toBe('off');
    });

    it('end with one, and begin with another', () => {
        connected();
        const next = { id: 'cem', mine: false };
        expect(decisions.choose(next, false, false, now)).toEqual(['bridge', 'drop']);
        expect([decisions.state, decisions.partner]).toEqual(['expecting', next]);
    });
});

describe('what does not work', () => {
    it('is tried less and less often', () => {
        alone(true);
        const rests = Array.from({ length: 7 }, () => {
            due();
            happen('down');
            const rest = (decisions.deadline ?? 0) - now;
            due();
            return rest / 1000;
        });
        expect(rests).toEqual([30, 60, 120, 240, 480, 600, 600]);
    });

    it('is left alone for long when it is not wanted', () => {
        alone(true);
        due();
        expect(happen('declined')).toEqual(['drop']);
        expect((decisions.deadline ?? 0) - now).toBe(600_000);
    });

    it('is forgotten with the partner', () => {
        alone(true);
        due();
        happen('down');
        decisions.choose(null, false, false, now);
        alone(true);
        due();
        happen('ended');
        expect((decisions.deadline ?? 0) - now).toBe(30_000);
    });

    it('does not keep the other one from trying', () => {
        alone(true);
        due();
        happen('ended');
        expect(happen('offered')).toEqual(['answer']);
    });
});

it('does nothing about what means nothing', () => {
    for (const event of ['due', 'up', 'down', 'ended', 'parted', 'returning', 'gone', 'offered'] as Event[]) {
        expect(happen(event)).toEqual([]);
        expect(decisions.state).toBe('off');
    }
});

it('is never without session and partner at once, whatever happens', () => {
    const events: Event[] = ['due', 'offered', 'up', 'down', 'ended', 'declined', 'parted', 'returning', 'gone'];
    const withSession = new Set<State>(['offering', 'answering', 'connected', 'returning']);
    let seed = 1;
    const random = (n: number) => {
        seed = (seed * 48271) % 2147483647;
        return seed % n;
    };
    let sessions = 0;
    for (let step = 0; step < 5_000; step++) {
        now += 100;
        const partner = [null, { id: 'bob', mine: true }, { id: 'cem', mine: false }][random(3)] ?? null;
        const actions =
            random(4) === 0
                ? decisions.choose(partner, random(2) === 0, random(2) === 0, now)
                : happen(events[random(events.length)] ?? 'due');
        for (const action of actions) {
            if (action === 'offer' || action === 'answer') sessions += 1;
            if (action === 'close' || action === 'drop') sessions -= 1;
            expect(sessions).toBeGreaterThanOrEqual(0);
        }
        expect(sessions).toBe(withSession.has(decisions.state) ? 1 : 0);
        expect(decisions.state === 'off' || decisions.state === 'returning' || decisions.partner !== null).toBe(true);
        const timed = ['waiting', 'offering', 'answering', 'returning', 'resting'].includes(decisions.state);
        expect(decisions.deadline !== null).toBe(timed);
    }
});
