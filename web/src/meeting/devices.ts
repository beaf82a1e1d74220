// Camera and microphone of this browser.

import type { Kind } from './offer';

/** Why there is no camera or microphone, for the page to put into words. */
export type DeviceTrouble = 'denied' | 'missing' | 'busy' | 'insecure' | 'unplugged';

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

const WANTED: Record<Kind, MediaTrackConstraints> = {
    audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { max: 30 } },
};

/** Opens devices: one question of the browser for all of `kinds`. Rejects with a DeviceError. */
export type OpenDevices = (kinds: Kind[]) => Promise<MediaStreamTrack[]>;

export const openDevices: OpenDevices = async (kinds) => {
    if (!navigator.mediaDevices) throw new DeviceError('insecure');
    try {
        const wanted = Object.fromEntries(kinds.map((kind) => [kind, WANTED[kind]]));
        return (await navigator.mediaDevices.getUserMedia(wanted)).getTracks();
    } catch (error) {
        throw new DeviceError(TROUBLES[(error as DOMException).name] ?? 'busy');
    }
};
