import { useEffect, useRef } from 'preact/hooks';
import type { ChatLine } from '../meeting/chat';
import type { Meeting } from '../meeting/meeting';
import { Panel } from './Panel';
import { typed } from './typed';
import { language, t } from './words';

function Line({ line }: { line: ChatLine }) {
    const time = line.at.toLocaleTimeString(language.value, { hour: '2-digit', minute: '2-digit' });
    return (
        <li>
            <bdi class="who">{line.own ? t('chat.you') : line.name}</bdi>{' '}
            <time dateTime={line.at.toISOString()}>{time}</time>
            <p dir="auto">{line.text}</p>
        </li>
    );
}

/** The chat of the room. */
export function Chat({ meeting, close }: { meeting: Meeting; close: () => void }) {
    const list = useRef<HTMLOListElement>(null);
    const lines = meeting.chat.lines.value;
    useEffect(() => {
        list.current?.lastElementChild?.scrollIntoView({ block: 'nearest' });
    }, [lines]);
    useEffect(() => {
        meeting.chat.show(true);
        return () => meeting.chat.show(false);
    }, [meeting]);
    const send = (event: SubmitEvent) => {
        event.preventDefault();
        meeting.say(typed(event, 'text'));
        (event.currentTarget as HTMLFormElement).reset();
    };
    return (
        <Panel id="chat" title={t('chat.title')} close={close}>
            <div class="scroll" role="log" aria-label={t('chat.log')} tabIndex={0}>
                <ol ref={list}>
                    {lines.map((line) => (
                        <Line key={line.key} line={line} />
                    ))}
                </ol>
            </div>
            <form onSubmit={send}>
                <label>
                    {t('chat.message')} <input name="text" maxLength={4000} autoComplete="off" data-first />
                </label>
                <button type="submit" disabled={!['joined', 'resuming'].includes(meeting.phase.value)}>
                    {t('chat.send')}
                </button>
            </form>
        </Panel>
    );
}
