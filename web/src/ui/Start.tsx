import { useState } from 'preact/hooks';
import { pathOf } from '../meeting/place';
import { BAD_ADDRESS } from './words';

/** Without a room in the address: choose one. `bad` = the address has something that cannot be a room. */
export function Start({ bad }: { bad: boolean }) {
    const [refused, setRefused] = useState(bad);
    const go = (event: SubmitEvent) => {
        event.preventDefault();
        const path = pathOf(String(new FormData(event.currentTarget as HTMLFormElement).get('room')));
        if (path) location.assign(path);
        else setRefused(true);
    };
    return (
        <main class="door">
            <h1>carillon</h1>
            {refused && (
                <div class="notice" role="alert">
                    <p>{BAD_ADDRESS}</p>
                </div>
            )}
            <form onSubmit={go}>
                <label>
                    Room <input name="room" required maxLength={100} autoComplete="off" autofocus />
                </label>
                <button type="submit" class="primary">
                    Go
                </button>
            </form>
            <p>Everybody who opens the same address is in the same meeting.</p>
        </main>
    );
}
