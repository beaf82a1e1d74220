import type { Meeting, Participant } from '../meeting/meeting';
import type { Kind } from '../meeting/jingle';

function Row({ person, meeting }: { person: Participant; meeting: Meeting }) {
    const name = person.name || person.id;
    const mute = (kind: Kind) => void meeting.muteOther(person.id, kind).catch(() => {});
    return (
        <li>
            <span>{name}{person.moderator && <small> moderator</small>}</span>
            {meeting.moderator.value && (
                <span class="actions">
                    {!person.audioMuted && <button type="button" aria-label={`Mute ${name}`} onClick={() => mute('audio')}>Mute</button>}
                    {!person.videoMuted && <button type="button" aria-label={`Stop camera of ${name}`} onClick={() => mute('video')}>Stop camera</button>}
                    <button type="button" aria-label={`Remove ${name}`} onClick={() => void meeting.kick(person.id).catch(() => {})}>Remove</button>
                </span>
            )}
        </li>
    );
}

/** Who is here; moderators can mute and remove. */
export function People({ meeting, name }: { meeting: Meeting; name: string }) {
    return (
        <section class="panel" aria-label="Participants">
            <h2>Participants</h2>
            <ul>
                <li><span>{name} (you){meeting.moderator.value && <small> moderator</small>}</span></li>
                {meeting.participants.value.map(person => <Row key={person.id} person={person} meeting={meeting} />)}
            </ul>
        </section>
    );
}
