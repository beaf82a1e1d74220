import { useEffect, useRef } from 'preact/hooks';
import type { Meeting } from '../meeting/meeting';

/** The chat of the room. */
export function Chat({ meeting }: { meeting: Meeting }) {
    const list = useRef<HTMLOListElement>(null);
    const lines = meeting.chat.value;
    useEffect(() => list.current?.lastElementChild?.scrollIntoView(), [lines]);
    const send = (event: SubmitEvent) => {
        event.preventDefault();
        const form = event.currentTarget as HTMLFormElement;
        const text = String(new FormData(form).get('text')).trim();
        if (text) meeting.say(text);
        form.reset();
    };
    return (
        <section class="panel" aria-label="Chat">
            <h2>Chat</h2>
            <ol ref={list} class="chat" aria-live="polite">
                {lines.map(line => <li key={line.key}><b>{line.own ? 'You' : line.name}</b> {line.text}</li>)}
            </ol>
            <form onSubmit={send}>
                <label>Message <input name="text" maxLength={4000} autoComplete="off" /></label>
                <button type="submit">Send</button>
            </form>
        </section>
    );
}
