import { type Device, deviceOf } from '../meeting/devices';
import type { Kind } from '../meeting/offer';
import type { OwnMedia } from '../meeting/own_media';
import { rememberDevice } from './own_devices';
import { t } from './words';

/** A choice among the devices of one use; `value` = the id of the one in use, "" = whichever the browser takes. */
export function DevicePicker({
    label,
    devices,
    value,
    choose,
}: {
    label: string;
    devices: readonly Device[];
    value: string;
    choose: (id: string) => void;
}) {
    const listed = devices.some(({ id }) => id === value);
    return (
        <label class="picker">
            {label}
            <select
                value={value}
                disabled={devices.length === 0}
                onChange={({ currentTarget }) => choose(currentTarget.value)}
            >
                {!listed && <option value={value}>{t('devices.default')}</option>}
                {devices.map(({ id, label: name }, index) => (
                    <option key={id} value={id}>
                        {name || t('devices.numbered', { device: label, number: index + 1 })}
                    </option>
                ))}
            </select>
        </label>
    );
}

/** Which camera, or which microphone, is ours. */
export function OwnDevicePicker({ own, kind }: { own: OwnMedia; kind: Kind }) {
    const choose = (id: string) => {
        rememberDevice(kind, id);
        void own.choose(kind, id);
    };
    return (
        <DevicePicker
            label={t(kind === 'audio' ? 'devices.microphone' : 'devices.camera')}
            devices={own.plugged.list.value[kind]}
            value={own.chosen.value[kind] || deviceOf(own.tracks.value[kind])}
            choose={choose}
        />
    );
}
