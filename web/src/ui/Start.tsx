import { useState } from 'preact/hooks';
import { pathOf } from '../meeting/place';
import { typed } from './typed';
import { t } from './words';

/** Without a room in the address: choose one. `bad` = the address has something that cannot be a room. */
export function Start({ bad }: { bad: boolean }) {
    const [refused, setRefused] = useState(bad);
    const go = (event: SubmitEvent) => {
        event.preventDefault();
        const path = pathOf(typed(event, 'room'));
        if (path) location.assign(path);
        else setRefused(true);
    };
    return (
        <main class="door">
            <h1>{t('start.title')}</h1>
            {refused && (
                <div class="notice" role="alert">
                    <p>{t('start.bad-address')}</p>
                </div>
            )}
            <form onSubmit={go}>
                <label>
                    {t('start.room')} <input name="room" required maxLength={100} autoComplete="off" autofocus />
                </label>
                <button type="submit" class="primary">
                    {t('start.go')}
                </button>
            </form>
            <p>{t('start.same-address')}</p>
        </main>
    );
}
