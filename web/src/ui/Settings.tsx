import type { Meeting } from '../meeting/meeting';
import { Direct } from './Direct';
import { Look } from './Look';
import { Panel } from './Panel';
import { t } from './words';

/** What everybody chooses for themselves, and this browser keeps. */
export function Settings({ meeting, close }: { meeting: Meeting; close: () => void }) {
    return (
        <Panel id="settings" title={t('settings.title')} close={close}>
            <Look />
            <Direct meeting={meeting} />
        </Panel>
    );
}
