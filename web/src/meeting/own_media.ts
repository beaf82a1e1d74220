// What we send: camera and microphone, opened when wanted, released or silenced when muted, and the screen.

import { signal } from '@preact/signals';
import {
    type Chosen,
    DeviceError,
    type DeviceList,
    type DeviceTrouble,
    deviceOf,
    type ListDevices,
    type OpenDevices,
    type OpenScreen,
    PluggedIn,
} from './devices';
import type { Kind } from './offer';
import { OwnScreen } from './own_screen';
import type { Muted } from './room';
import { type Medium, NO_STREAMS, type Streams } from './streams';

/** What this browser has of devices; tests bring their own. */
export interface Devices {
    openDevices: OpenDevices;
    openScreen: OpenScreen;
    listDevices: ListDevices;
}

export interface OwnMediaEvents {
    /** What is sent of that has changed. */
    changed(medium: Medium): void;
    /** A device cannot be opened, went away, or is another one than was wanted. */
    trouble(kind: Kind, trouble: DeviceTrouble): void;
    opened(kind: Kind): void;
    /** The screen cannot be shared. */
    screenFailed(): void;
    /** This is plugged in now. */
    plugged(list: DeviceList): void;
}

const KINDS: Kind[] = ['audio', 'video'];
const NOBODY: OwnMediaEvents = {
    changed: () => {},
    trouble: () => {},
    opened: () => {},
    screenFailed: () => {},
    plugged: () => {},
};

/** Where a device stands: what is under way, for which choice it was opened, and whether it is in the way. */
interface Work {
    settling: Promise<void> | null;
    openedAs: string;
    trouble: DeviceTrouble | null;
    /** The id of the device that went away while it was in use; null = none did. */
    lost: string | null;
}

const noWork = (): Work => ({ settling: null, openedAs: '', trouble: null, lost: null });

export class OwnMedia {
    /** What its user wants; a device may still be opening. */
    readonly muted;
    readonly chosen;
    readonly tracks = signal<Streams>(NO_STREAMS);
    readonly plugged: PluggedIn;
    readonly screen: OwnScreen;
    private readonly work: Record<Kind, Work> = { audio: noWork(), video: noWork() };
    private events = NOBODY;
    private started: Promise<void> | null = null;
    private stopped = false;

    /** `before`: what was muted and chosen when this browser's user was here before. */
    constructor(
        private readonly devices: Devices,
        before: { muted?: Muted; chosen?: Chosen } = {},
    ) {
        this.muted = signal<Muted>(before.muted ?? { audio: false, video: false });
        this.chosen = signal<Chosen>(before.chosen ?? { audio: '', video: '' });
        this.plugged = new PluggedIn(devices.listDevices, (list) => this.compare(list));
        this.screen = new OwnScreen(devices.openScreen, {
            changed: (track) => {
                this.put('desktop', track);
                this.events.changed('desktop');
            },
            failed: () => this.events.screenFailed(),
        });
    }

    /** Tell `events` from now on, and at once what is in the way already. */
    attach(events: Partial<OwnMediaEvents>): void {
        this.events = { ...NOBODY, ...events };
        for (const kind of KINDS) {
            const { trouble } = this.work[kind];
            if (trouble) this.events.trouble(kind, trouble);
        }
    }

    /** Open what is not muted: together first, because the browser then asks once; each alone when that fails. */
    start(): Promise<void> {
        this.started ??= this.begin();
        return this.started;
    }

    /** Mute or unmute. Called again while a device opens, the last wish holds. */
    set(kind: Kind, muted: boolean): Promise<void> {
        this.work[kind].lost = null;
        this.muted.value = { ...this.muted.value, [kind]: muted };
        if (muted) this.silence(kind);
        return this.settled(kind);
    }

    /** Use that device ("" = the default one) from now on; what is sent goes over to it when it is open. */
    choose(kind: Kind, id: string): Promise<void> {
        this.chosen.value = { ...this.chosen.value, [kind]: id };
        return this.settled(kind);
    }

    /** The track to send now. */
    sent(medium: Medium): MediaStreamTrack | null {
        return medium !== 'desktop' && this.muted.value[medium] ? null : this.live(medium);
    }

    /** What the others are told: a device that is not open is as good as muted. */
    told(): Muted {
        return { audio: this.sent('audio') === null, video: this.sent('video') === null };
    }

    /** Close everything for good. */
    stop(): void {
        this.stopped = true;
        this.plugged.stop();
        this.screen.stop();
        for (const track of Object.values(this.tracks.value)) track?.stop();
        this.tracks.value = NO_STREAMS;
    }

    private async begin(): Promise<void> {
        this.plugged.start();
        const kinds = KINDS.filter((kind) => !this.muted.value[kind]);
        const together = kinds.length > 0 ? this.take(kinds).catch(() => {}) : Promise.resolve();
        for (const kind of KINDS) {
            this.work[kind].settling = together.then(() => this.settle(kind)).finally(() => this.rest(kind));
        }
        await Promise.all(KINDS.map((kind) => this.work[kind].settling));
    }

    private live(medium: Medium): MediaStreamTrack | null {
        const track = this.tracks.value[medium];
        return track?.readyState === 'live' ? track : null;
    }

    private put(medium: Medium, track: MediaStreamTrack | null): void {
        this.tracks.value = { ...this.tracks.value, [medium]: track };
    }

    private settled(kind: Kind): Promise<void> {
        const work = this.work[kind];
        work.settling ??= this.settle(kind).finally(() => this.rest(kind));
        return work.settling;
    }

    private rest(kind: Kind): void {
        this.work[kind].settling = null;
    }

    /** Whether the device that is wanted is open. */
    private fits(kind: Kind): boolean {
        return this.live(kind) !== null && this.work[kind].openedAs === this.chosen.value[kind];
    }

    /** Bring the device to what is wanted, however often the wish changes meanwhile. */
    private async settle(kind: Kind): Promise<void> {
        while (!this.stopped && !this.muted.value[kind] && !this.fits(kind)) await this.open(kind);
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
            this.put(kind, null);
        }
    }

    private async open(kind: Kind): Promise<void> {
        const work = this.work[kind];
        const { lost } = work;
        try {
            await this.takeOrSwap(kind);
            if (!this.live(kind)) throw new DeviceError('missing');
            work.lost = null;
            if (lost !== null) this.inTheWay(kind, 'replaced');
        } catch (error) {
            const trouble = error instanceof DeviceError ? error.trouble : 'busy';
            work.lost = null;
            this.failed(kind, lost !== null && trouble === 'missing' ? 'unplugged' : trouble);
        }
    }

    /** Some devices cannot be open beside another one of their kind: then the old one is closed first. */
    private async takeOrSwap(kind: Kind): Promise<void> {
        try {
            await this.take([kind]);
        } catch (error) {
            const old = this.live(kind);
            if (!old || !(error instanceof DeviceError) || error.trouble !== 'busy') throw error;
            old.stop();
            await this.take([kind]);
        }
    }

    /** With a device that still works its user stays with that one; else that kind is muted. */
    private failed(kind: Kind, trouble: DeviceTrouble): void {
        if (this.live(kind)) {
            this.chosen.value = { ...this.chosen.value, [kind]: this.work[kind].openedAs };
        } else {
            this.put(kind, null);
            this.muted.value = { ...this.muted.value, [kind]: true };
        }
        this.inTheWay(kind, trouble);
    }

    private inTheWay(kind: Kind, trouble: DeviceTrouble): void {
        this.work[kind].trouble = trouble;
        if (!this.stopped) this.events.trouble(kind, trouble);
    }

    private async take(kinds: Kind[]): Promise<void> {
        const chosen = this.chosen.value;
        for (const track of await this.devices.openDevices(kinds, chosen)) this.keep(track, chosen);
        if (!this.stopped) void this.plugged.refresh(); // now the browser tells more of them
    }

    private keep(track: MediaStreamTrack, chosen: Chosen): void {
        const kind = track.kind as Kind;
        this.tracks.value[kind]?.stop();
        if (this.stopped) {
            track.stop();
            return;
        }
        const work = this.work[kind];
        work.openedAs = chosen[kind];
        work.trouble = null;
        track.onended = () => this.gone(kind, track);
        this.put(kind, track);
        this.events.opened(kind);
        const id = deviceOf(track);
        if (chosen[kind] && id && id !== chosen[kind]) {
            this.forget(kind);
            this.inTheWay(kind, 'replaced');
        }
    }

    /** What was chosen is not there: no use to look for it again and again. */
    private forget(kind: Kind): void {
        const work = this.work[kind];
        if (this.chosen.value[kind] === work.openedAs) this.chosen.value = { ...this.chosen.value, [kind]: '' };
        work.openedAs = '';
    }

    /** The device of that track does not work any more; whether it is unplugged the list of devices will tell. */
    private gone(kind: Kind, track: MediaStreamTrack): void {
        if (this.tracks.value[kind] !== track) return;
        this.put(kind, null);
        this.work[kind].lost = deviceOf(track);
        void this.plugged.refresh();
    }

    /** The list of devices is here: what is used and not in it is gone, and the default takes its place. */
    private compare(list: DeviceList): void {
        for (const kind of KINDS) {
            const there = (id: string) => list[kind].some((device) => device.id === id);
            const track = this.live(kind);
            const id = deviceOf(track);
            if (track && id && list[kind].length > 0 && !there(id)) {
                track.stop();
                this.put(kind, null);
                this.work[kind].lost = id;
            }
            const { lost } = this.work[kind];
            if (lost !== null) this.replace(kind, there(lost));
        }
        this.events.plugged(list);
    }

    /** A device that ended though it is still there was taken from us: nothing else is opened for that. */
    private replace(kind: Kind, there: boolean): void {
        const known = this.work[kind].trouble === 'unplugged';
        this.forget(kind);
        if (!there) {
            // It may take a moment until the list tells.
            if (known) this.muted.value = { ...this.muted.value, [kind]: false };
            void this.settled(kind);
        } else if (!known) {
            this.failed(kind, 'unplugged');
            this.events.changed(kind);
        }
    }
}
