import type { Meeting } from '../meeting/meeting';
import { Control, opener } from './Control';
import { useKeys } from './keys';
import type { PanelName } from './Panel';
import type { View } from './pictures';
import { t } from './words';

/** Above the pictures: which room, and how it is shown. Keys: T, Q. */
export function TopBar({
    meeting,
    view,
    switchView,
    panel,
    toggle,
}: {
    meeting: Meeting;
    view: View;
    switchView: () => void;
    panel: PanelName;
    toggle: (panel: PanelName) => void;
}) {
    useKeys({ t: switchView, q: () => toggle('statistics') });
    const opens = opener(panel, toggle);
    return (
        <header class="top">
            <h1>
                <bdi>{meeting.name}</bdi>
            </h1>
            <Control
                icon={view === 'stage' ? 'tiles' : 'stage'}
                keys="T"
                label={t(view === 'stage' ? 'view.tiles' : 'view.stage')}
                act={switchView}
            />
            <Control icon="chart" keys="Q" label={t('statistics.title')} {...opens('statistics')} />
            <Control icon="settings" label={t('settings.title')} {...opens('settings')} />
        </header>
    );
}
