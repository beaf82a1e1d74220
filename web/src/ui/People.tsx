import { useState } from 'preact/hooks';
import type { Meeting } from '../meeting/meeting';
import type { Participant } from '../meeting/roster';
import { rememberName } from './own_name';
import { Panel } from './Panel';
import { typed } from './typed';
import { refusal, t } from './words';

/** Does something for a moderator and tells when it is refused. */
type Attempt = (action: Promise<void>) => void;

function Actions({
    person,
    name,
    meeting,
    attempt,
}: {
    person: Participant;
    name: string;
    meeting: Meeting;
    attempt: Attempt;
}) {
    const { id, audioMuted, videoMuted } = person;
    return (
        <span class="actions">
            {!audioMuted && (
                <button
                    type="button"
                    aria-label={t('people.mute-name', { name })}
                    onClick={() => attempt(meeting.muteOther(id, 'audio'))}
                >
                    {t('people.mute')}
                </button>
            )}
            {!videoMuted && (
                <button
                    type="button"
                    aria-label={t('people.stop-camera-name', { name })}
                    onClick={() => attempt(meeting.muteOther(id, 'video'))}
                >
                    {t('people.stop-camera')}
                </button>
            )}
            <button
                type="button"
                aria-label={t('people.remove-name', { name })}
                onClick={() => attempt(meeting.kick(id))}
            >
                {t('people.remove')}
            </button>
        </span>
    );
}

function OwnRow({ meeting }: { meeting: Meeting }) {
    const [editing, setEditing] = useState(false);
    const name = meeting.displayName.value;
    const rename = (event: SubmitEvent) => {
        event.preventDefault();
        meeting.rename(typed(event, 'name'));
        rememberName(meeting.displayName.value);
        setEditing(false);
    };
    if (editing) {
        return (
            <li>
                <form onSubmit={rename}>
                    <label>
                        {t('door.name')}{' '}
                        <input
                            name="name"
                            maxLength={60}
                            defaultValue={name}
                            autofocus
                            ref={(input) => input?.focus()}
                        />
                    </label>
                    <button type="submit">{t('people.save')}</button>
                </form>
            </li>
        );
    }
    return (
        <li>
            <span>
                <bdi>{t('people.you', { name })}</bdi>
                {meeting.moderator.value && <small> {t('people.moderator')}</small>}
            </span>
            <span class="actions">
                <button type="button" onClick={() => setEditing(true)}>
                    {t('people.change-name')}
                </button>
            </span>
        </li>
    );
}

/** Who is here; moderators can mute and remove. */
export function People({ meeting, close }: { meeting: Meeting; close: () => void }) {
    const [refused, setRefused] = useState('');
    const attempt: Attempt = (action) => {
        setRefused('');
        action.catch((error: unknown) => setRefused(refusal(error)));
    };
    return (
        <Panel id="people" title={t('people.title')} close={close}>
            {refused && (
                <p class="refused" role="alert">
                    {refused}
                </p>
            )}
            <ul>
                <OwnRow meeting={meeting} />
                {meeting.roster.participants.value.map((person) => {
                    const name = person.name || person.id;
                    return (
                        <li key={person.id}>
                            <span>
                                <bdi>{name}</bdi>
                                {person.moderator && <small> {t('people.moderator')}</small>}
                            </span>
                            {meeting.moderator.value && (
                                <Actions person={person} name={name} meeting={meeting} attempt={attempt} />
                            )}
                        </li>
                    );
                })}
            </ul>
        </Panel>
    );
}
