// Whether the other side of a connection still answers. No I/O: times are milliseconds of any clock.

/** Silence after which we ask. */
const QUIET_MS = 4_000;
/** So long without a word after we have asked, and nobody is there. */
const ANSWER_MS = 3_500;
/** A look that comes so late says more about us than about the other side. */
const LATE_MS = 3_000;
/** How often to look. */
export const LOOK_MS = 1_000;

export class Hearing {
    private asked: number | null = null;
    private looked: number;

    /** Begins as if something had been heard at `last`. */
    constructor(private last: number) {
        this.looked = last;
    }

    /** Something came. */
    heard(now: number): void {
        this.last = now;
        this.asked = null;
    }

    /** What to do now: nothing, ask (`now` is when that was), or take it for lost. */
    look(now: number): 'fine' | 'ask' | 'lost' {
        const late = now - this.looked > LATE_MS;
        this.looked = now;
        if (late) return this.ask(now); // we slept: what came meanwhile has not been read yet
        if (this.asked !== null) return now - this.asked >= ANSWER_MS ? 'lost' : 'fine';
        return now - this.last >= QUIET_MS ? this.ask(now) : 'fine';
    }

    /** As if there had been silence: the answer counts from now. */
    ask(now: number): 'ask' {
        this.asked = now;
        return 'ask';
    }
}
