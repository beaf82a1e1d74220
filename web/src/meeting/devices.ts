// Camera and microphone of this browser.

import type { Kind } from './jingle';

/** Why there is no camera or microphone, for the page to put into words. */
export type DeviceTrouble = 'denied' | 'missing' | 'busy' | 'insecure';

const TROUBLES: Record<string, DeviceTrouble> = {
    NotAllowedError: 'denied',
    SecurityError: 'denied',
    NotFoundError: 'missing',
    OverconstrainedError: 'missing',
};

const WANTED: Record<Kind, MediaTrackConstraints | boolean> = {
    audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { max: 30 } },
};

/** Open one device. Rejects with the trouble's name as message. */
export async function openDevice(kind: Kind, height?: number): Promise<MediaStreamTrack> {
    if (!navigator.mediaDevices) throw new Error('insecure');
    const wanted = kind === 'video' && height ? { height: { ideal: height }, width: { ideal: (height * 16) / 9 } } : WANTED[kind];
    try {
        const stream = await navigator.mediaDevices.getUserMedia({ [kind]: wanted });
        const [track] = stream.getTracks();
        if (!track) throw new Error('missing');
        return track;
    } catch (error) {
        throw new Error(TROUBLES[(error as DOMException).name] ?? 'busy');
    }
}
