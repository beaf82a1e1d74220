import { Icon, type IconName } from './Icon';
import type { PanelName } from './Panel';
import { t } from './words';

/** What a button has that opens a panel, or closes it when it is the one that is open. */
export const opener = (open: PanelName, toggle: (panel: PanelName) => void) => (panel: PanelName) => ({
    act: () => toggle(panel),
    'data-opens': panel,
    'aria-expanded': open === panel,
    'aria-controls': panel,
});

/** A button of a bar: drawing, words where there is room for them, and its keys. */
export function Control({
    icon,
    label,
    keys,
    act,
    ...more
}: {
    icon: IconName;
    label: string;
    keys?: string;
    act: () => void;
    class?: string;
    'aria-expanded'?: boolean;
    'aria-controls'?: string;
    'data-opens'?: PanelName;
    badge?: number;
}) {
    const { badge, ...attributes } = more;
    return (
        <button
            type="button"
            title={keys ? `${label} (${keys})` : label}
            aria-keyshortcuts={keys}
            onClick={act}
            {...attributes}
        >
            <Icon name={icon} />
            <span class="label">{label}</span>
            {!!badge && (
                <span class="badge">
                    {badge > 99 ? '99+' : badge}
                    <span class="unseen"> {t('controls.unread')}</span>
                </span>
            )}
        </button>
    );
}
