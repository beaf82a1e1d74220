// The screen that we share: chosen by its user in a window of the browser, ended here or by the browser's own button.

import type { OpenScreen } from './devices';

export interface OwnScreenEvents {
    /** This is shared now; null = nothing any more. */
    changed(track: MediaStreamTrack | null): void;
    failed(): void;
}

export class OwnScreen {
    private track: MediaStreamTrack | null = null;
    private choosing = false;
    private stopped = false;

    constructor(
        private readonly openScreen: OpenScreen,
        private readonly events: OwnScreenEvents,
    ) {}

    /** Ask its user for a screen, and share it. */
    async share(): Promise<void> {
        if (this.choosing || this.track || this.stopped) return;
        this.choosing = true;
        try {
            this.take(await this.openScreen());
        } catch (error) {
            console.warn('no screen', error);
            this.events.failed();
        } finally {
            this.choosing = false;
        }
    }

    unshare(): void {
        if (!this.track) return;
        this.track.stop();
        this.track = null;
        this.events.changed(null);
    }

    /** Share nothing from now on. */
    stop(): void {
        this.stopped = true;
        this.track?.stop();
        this.track = null;
    }

    private take(track: MediaStreamTrack | null): void {
        if (this.stopped) track?.stop();
        if (!track || this.stopped) return;
        track.onended = () => {
            if (this.track === track) this.unshare();
        };
        this.track = track;
        this.events.changed(track);
    }
}
