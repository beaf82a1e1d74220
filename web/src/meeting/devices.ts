// Cameras, microphones, loudspeakers and the screen of this browser.

import { signal } from '@preact/signals';
import type { Kind } from './offer';

/**
 * Why there is no camera or microphone, for the page to put into words; `replaced`: the one that was in use or
 * chosen is gone, and another one took its place.
 */
export type DeviceTrouble = 'denied' | 'missing' | 'busy' | 'insecure' | 'unplugged' | 'replaced';

export class DeviceError extends Error {
    constructor(readonly trouble: DeviceTrouble) {
        super(trouble);
    }
}

const TROUBLES: Record<string, DeviceTrouble> = {
    NotAllowedError: 'denied',
    SecurityError: 'denied',
    NotFoundError: 'missing',
    OverconstrainedError: 'missing',
};

/** Against noise the browser does what it does by itself: nothing is added to that, nothing switched off. */
const WANTED: Record<Kind, MediaTrackConstraints> = {
    audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { max: 30 } },
};

/** The device ids that were chosen; "" = whichever the browser takes. */
export type Chosen = Readonly<Record<Kind, string>>;

/**
 * Opens devices: one question of the browser for all of `kinds`. Where a chosen device is not there another one is
 * opened. Rejects with a DeviceError.
 */
export type OpenDevices = (kinds: Kind[], chosen: Chosen) => Promise<MediaStreamTrack[]>;

export const openDevices: OpenDevices = async (kinds, chosen) => {
    if (!navigator.mediaDevices) throw new DeviceError('insecure');
    const ask = async (how: 'exact' | 'ideal') => {
        const constraints = Object.fromEntries(kinds.map((kind) => [kind, wanted(kind, chosen[kind], how)]));
        return (await navigator.mediaDevices.getUserMedia(constraints)).getTracks();
    };
    try {
        // Not as a mere wish at first: browsers rather take another camera that has the wanted size.
        return await ask('exact').catch((error: DOMException) => {
            if (TROUBLES[error.name] === 'missing' && kinds.some((kind) => chosen[kind])) return ask('ideal');
            throw error;
        });
    } catch (error) {
        throw new DeviceError(TROUBLES[(error as DOMException).name] ?? 'busy');
    }
};

function wanted(kind: Kind, deviceId: string, how: 'exact' | 'ideal'): MediaTrackConstraints {
    return deviceId ? { ...WANTED[kind], deviceId: { [how]: deviceId } } : WANTED[kind];
}

/** Which device a track comes from; "" = the browser does not say. */
export function deviceOf(track: MediaStreamTrack | null): string {
    return track?.getSettings?.().deviceId ?? '';
}

/** Asks which screen, window or tab to share; null = its user did not want to after all. Rejects when it cannot. */
export type OpenScreen = () => Promise<MediaStreamTrack | null>;

/** Enough for slides and for scrolling, and little to encode. */
const SCREEN_RATE = 15;

export const openScreen: OpenScreen = async () => {
    try {
        const video = { frameRate: { max: SCREEN_RATE } };
        const [track] = (await navigator.mediaDevices.getDisplayMedia({ video, audio: false })).getTracks();
        // Rather few pictures a second than ones that nobody can read.
        if (track) track.contentHint = 'detail';
        return track ?? null;
    } catch (error) {
        // The same name when the system, not its user, says no: only the text tells.
        const { name, message } = error as DOMException;
        if (name === 'NotAllowedError' && !message.includes('system')) return null;
        throw error;
    }
};

/** Whether this browser can share a screen: those of phones cannot. */
export function canShare(): boolean {
    return typeof navigator.mediaDevices?.getDisplayMedia === 'function';
}

export interface Device {
    id: string;
    /** What the browser calls it; "" until it has been allowed to. */
    label: string;
}

export type DeviceUse = Kind | 'output';
export type DeviceList = Readonly<Record<DeviceUse, readonly Device[]>>;

/** Tells which devices there are. */
export type ListDevices = () => Promise<DeviceList>;

const USES: Record<MediaDeviceKind, DeviceUse> = { audioinput: 'audio', videoinput: 'video', audiooutput: 'output' };
export const NO_DEVICES: DeviceList = { audio: [], video: [], output: [] };

export const listDevices: ListDevices = async () => {
    const list: Record<DeviceUse, Device[]> = { audio: [], video: [], output: [] };
    // Before they may be used, browsers name devices without telling which.
    for (const { kind, deviceId, label } of (await navigator.mediaDevices?.enumerateDevices()) ?? []) {
        if (deviceId) list[USES[kind]].push({ id: deviceId, label });
    }
    return list;
};

/** The devices that are plugged in, as that changes. */
export class PluggedIn {
    readonly list = signal<DeviceList>(NO_DEVICES);
    private latest = 0;

    constructor(
        private readonly listDevices: ListDevices,
        /** They changed, or are known better. */
        private readonly changed: (list: DeviceList) => void,
    ) {}

    start(): void {
        navigator.mediaDevices?.addEventListener('devicechange', this.refresh);
    }

    stop(): void {
        navigator.mediaDevices?.removeEventListener('devicechange', this.refresh);
        this.latest++;
    }

    /** Look again. */
    readonly refresh = async (): Promise<void> => {
        const turn = ++this.latest;
        const list = await this.listDevices().catch(() => NO_DEVICES);
        if (turn !== this.latest) return; // stopped, or asked again meanwhile
        this.list.value = list;
        this.changed(list);
    };
}
