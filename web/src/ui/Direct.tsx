// Whether media go directly when only two are in the room: everybody's own choice, kept for the next visit.

import type { Meeting } from '../meeting/meeting';
import { remember, remembered } from './memory';
import { t } from './words';

const KEY = 'direct';

/** What was chosen before; without a choice it is on. */
export function rememberedDirect(): boolean {
    return remembered(KEY) !== 'off';
}

/** The switch; nothing where the deployment does not allow it. */
export function Direct({ meeting }: { meeting: Meeting }) {
    if (!meeting.p2pAllowed) return null;
    const choose = (on: boolean) => {
        remember(KEY, on ? 'on' : 'off');
        meeting.p2p.value = on;
    };
    return (
        <label class="direct">
            <input
                type="checkbox"
                checked={meeting.p2p.value}
                onChange={(event) => choose(event.currentTarget.checked)}
            />
            {t('direct.label')}
        </label>
    );
}
