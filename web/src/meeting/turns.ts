// One after another: the description of a connection may not change while another one is being set.

export class Turns {
    private last: Promise<unknown> = Promise.resolve();
    private over = false;

    get closed(): boolean {
        return this.over;
    }

    /** Do it when all that was asked for before is done, however that ended. Rejects once this is closed. */
    take<T>(step: () => Promise<T>): Promise<T> {
        const done = this.last.then(() => {
            if (this.over) throw new Error('the session is closed');
            return step();
        });
        this.last = done.catch(() => {});
        return done;
    }

    /** Nothing more is done. */
    close(): void {
        this.over = true;
    }
}
