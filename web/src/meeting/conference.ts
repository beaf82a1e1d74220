// The conference request: the focus is asked into the room before we enter it.

import { type Link, StanzaError } from './link';
import { NS } from './namespaces';
import { CONFERENCE_ERRORS, Refusal } from './problems';
import { attribute, child, x } from './xml';

/** Ask the focus at `focus` into `room`; gives its real address. Rejects with a Refusal, or with what may pass. */
export async function inviteFocus(link: Link, focus: string, room: string): Promise<string> {
    const uid = [...crypto.getRandomValues(new Uint32Array(4))].map((word) => word.toString(16)).join('');
    const request = x('conference', { xmlns: NS.focus, room, 'machine-uid': uid });
    try {
        const answer = child(await link.request(focus, 'set', request), 'conference', NS.focus);
        if (attribute(answer, 'ready') !== 'true') throw new StanzaError('wait', 'the focus is not ready');
        return attribute(answer, 'focusjid') || `focus@${focus}`;
    } catch (error) {
        const problem = error instanceof StanzaError && CONFERENCE_ERRORS[error.condition];
        throw problem ? new Refusal(problem) : error;
    }
}
