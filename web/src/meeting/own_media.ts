// What we send: camera and microphone, opened when wanted, released or silenced when muted.

import { signal } from '@preact/signals';
import { DeviceError, type DeviceTrouble, type OpenDevices } from './devices';
import type { Kind } from './offer';
import type { Muted } from './room';
import { NO_STREAMS, type Streams } from './streams';

export interface OwnMediaEvents {
    /** What is sent of that kind has changed. */
    changed(kind: Kind): void;
    /** A device cannot be opened, or went away. */
    trouble(kind: Kind, trouble: DeviceTrouble): void;
    opened(kind: Kind): void;
}

const KINDS: Kind[] = ['audio', 'video'];

export class OwnMedia {
    /** What its user wants; a device may still be opening. */
    readonly muted = signal<Muted>({ audio: false, video: false });
    readonly tracks = signal<Streams>(NO_STREAMS);
    private readonly work: Record<Kind, Promise<void> | null> = { audio: null, video: null };
    private stopped = false;

    constructor(
        private readonly openDevices: OpenDevices,
        private readonly events: OwnMediaEvents,
    ) {}

    /** Open both: together first, because the browser then asks once; each alone when that fails. */
    async start(): Promise<void> {
        const both = this.openDevices(KINDS)
            .then((tracks) => {
                for (const track of tracks) this.take(track);
            })
            .catch(() => {});
        for (const kind of KINDS) this.work[kind] = both.then(() => this.settle(kind)).finally(() => this.rest(kind));
        await Promise.all(KINDS.map((kind) => this.work[kind]));
    }

    /** Mute or unmute. Called again while a device opens, the last wish holds. */
    set(kind: Kind, muted: boolean): Promise<void> {
        this.muted.value = { ...this.muted.value, [kind]: muted };
        if (muted) this.silence(kind);
        this.work[kind] ??= this.settle(kind).finally(() => this.rest(kind));
        return this.work[kind];
    }

    /** The track to send now. */
    sent(kind: Kind): MediaStreamTrack | null {
        return this.muted.value[kind] ? null : this.live(kind);
    }

    /** What the others are told: a device that is not open is as good as muted. */
    told(): Muted {
        return { audio: this.sent('audio') === null, video: this.sent('video') === null };
    }

    /** Close both for good. */
    stop(): void {
        this.stopped = true;
        for (const track of Object.values(this.tracks.value)) track?.stop();
        this.tracks.value = NO_STREAMS;
    }

    private live(kind: Kind): MediaStreamTrack | null {
        const track = this.tracks.value[kind];
        return track?.readyState === 'live' ? track : null;
    }

    private rest(kind: Kind): void {
        this.work[kind] = null;
    }

    /** Bring the device to what is wanted, however often the wish changes meanwhile. */
    private async settle(kind: Kind): Promise<void> {
        while (!this.stopped && !this.muted.value[kind] && !this.live(kind)) await this.open(kind);
        if (this.stopped) return;
        if (this.muted.value[kind]) this.silence(kind);
        const track = this.live(kind);
        if (track) track.enabled = !this.muted.value[kind];
        this.events.changed(kind);
    }

    /** A microphone stays open, silent; a camera is closed, so that its light tells the truth. */
    private silence(kind: Kind): void {
        const track = this.tracks.value[kind];
        if (!track) return;
        track.enabled = false;
        if (kind === 'video') {
            track.stop();
            this.tracks.value = { ...this.tracks.value, video: null };
        }
    }

    private async open(kind: Kind): Promise<void> {
        try {
            for (const track of await this.openDevices([kind])) this.take(track);
            if (!this.live(kind)) throw new DeviceError('missing');
            this.events.opened(kind);
        } catch (error) {
            this.failed(kind, error instanceof DeviceError ? error.trouble : 'busy');
        }
    }

    private failed(kind: Kind, trouble: DeviceTrouble): void {
        this.muted.value = { ...this.muted.value, [kind]: true };
        if (!this.stopped) this.events.trouble(kind, trouble);
    }

    private take(track: MediaStreamTrack): void {
        const kind = track.kind as Kind;
        this.tracks.value[kind]?.stop();
        if (this.stopped) {
            track.stop();
            return;
        }
        track.onended = () => {
            if (this.tracks.value[kind] !== track) return;
            this.tracks.value = { ...this.tracks.value, [kind]: null };
            this.failed(kind, 'unplugged');
            this.events.changed(kind);
        };
        this.tracks.value = { ...this.tracks.value, [kind]: track };
    }
}
