import type { Chosen, DeviceUse } from '../meeting/devices';
import { remember, remembered } from './memory';

const KEYS: Record<DeviceUse, string> = { audio: 'microphone', video: 'camera', output: 'loudspeaker' };

/** The id of the device that was chosen for that; "" = none was. */
export function rememberedDevice(use: DeviceUse): string {
    return remembered(KEYS[use]);
}

export function rememberDevice(use: DeviceUse, id: string): void {
    remember(KEYS[use], id);
}

export function rememberedDevices(): Chosen {
    return { audio: rememberedDevice('audio'), video: rememberedDevice('video') };
}
