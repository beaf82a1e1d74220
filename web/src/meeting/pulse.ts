// Whether the other side is still there: a ping now and then, and at once when the browser hints at a change.

const TICK_MS = 5_000;
const PING_EVERY_MS = 20_000;
/** A tick that comes so late means that the machine slept: what was connected then may be gone. */
const SLEPT_MS = 20_000;

export class Pulse {
    private readonly timer: ReturnType<typeof setInterval>;
    private lastTick = Date.now();
    private lastPing = Date.now();
    private asking = false;
    private stopped = false;

    /** `ask` resolves while we are connected; when it rejects, `dead` is called, once. */
    constructor(
        private readonly ask: () => Promise<void>,
        private readonly dead: () => void,
    ) {
        this.timer = setInterval(() => this.tick(), TICK_MS);
        addEventListener('online', this.check);
        addEventListener('offline', this.offline);
        document.addEventListener('visibilitychange', this.check);
    }

    stop(): void {
        this.stopped = true;
        clearInterval(this.timer);
        removeEventListener('online', this.check);
        removeEventListener('offline', this.offline);
        document.removeEventListener('visibilitychange', this.check);
    }

    /** Twice, because a machine that is busy answers late. */
    private readonly check = () => void this.probe(() => this.ask().catch(() => this.ask()));
    /** Once: the browser itself says that something is wrong. */
    private readonly offline = () => void this.probe(this.ask);

    /** Ask now, unless a question is under way. */
    private async probe(question: () => Promise<void>): Promise<void> {
        if (this.asking || this.stopped) return;
        this.asking = true;
        this.lastPing = Date.now();
        try {
            await question();
        } catch {
            if (this.stopped) return;
            this.stop();
            this.dead();
        } finally {
            this.asking = false;
        }
    }

    private tick(): void {
        const now = Date.now();
        const slept = now - this.lastTick > SLEPT_MS;
        this.lastTick = now;
        if (slept || now - this.lastPing >= PING_EVERY_MS) this.check();
    }
}
