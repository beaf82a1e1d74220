import type { Meeting } from '../meeting/meeting';
import { DevicePicker, OwnDevicePicker } from './DevicePicker';
import { Level } from './Level';
import { CAN_CHOOSE_LOUDSPEAKER } from './loudspeaker';
import { rememberDevice } from './own_devices';
import { Panel } from './Panel';
import { t } from './words';

/** Camera, microphone and loudspeaker, to be changed while the meeting goes on. */
export function Devices({ meeting, close }: { meeting: Meeting; close: () => void }) {
    const { own, loudspeaker } = meeting;
    const listed = own.plugged.list.value.output;
    // Some browsers list the default one among the others, some do not.
    const standard = listed.find(({ id }) => id === 'default') ?? { id: '', label: t('devices.default') };
    const outputs = listed.includes(standard) ? listed : [standard, ...listed];
    const chooseOutput = (id: string) => {
        rememberDevice('output', id);
        loudspeaker.value = id;
    };
    return (
        <Panel id="devices" title={t('devices.title')} close={close}>
            <div class="pickers">
                <OwnDevicePicker own={own} kind="video" />
                <OwnDevicePicker own={own} kind="audio" />
                <Level track={own.tracks.value.audio} />
                {CAN_CHOOSE_LOUDSPEAKER && listed.length > 0 && (
                    <DevicePicker
                        label={t('devices.loudspeaker')}
                        devices={outputs}
                        value={loudspeaker.value || standard.id}
                        choose={chooseOutput}
                    />
                )}
            </div>
        </Panel>
    );
}
