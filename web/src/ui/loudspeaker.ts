import { useEffect } from 'preact/hooks';
import type { Meeting } from '../meeting/meeting';

/** Whether this browser lets a page choose where its sound comes out. */
export const CAN_CHOOSE_LOUDSPEAKER = 'setSinkId' in HTMLMediaElement.prototype;

/** Has everybody be heard through the loudspeaker of the meeting, those who come later too. */
export function useLoudspeaker(meeting: Meeting): void {
    const id = meeting.loudspeaker.value;
    const participants = meeting.roster.participants.value;
    useEffect(() => {
        if (!CAN_CHOOSE_LOUDSPEAKER) return;
        for (const audio of document.querySelectorAll('audio')) {
            if (audio.sinkId !== id) audio.setSinkId(id).catch(() => meeting.loudspeakerFailed(id));
        }
    }, [meeting, id, participants]);
}
