import { useEffect, useMemo } from 'preact/hooks';
import type { OwnMedia } from '../meeting/own_media';
import { ProblemList } from '../meeting/problem_list';
import { cleanName } from '../meeting/text';
import { Notice } from './Notice';
import { rememberedName, rememberName } from './own_name';
import { Preview } from './Preview';
import { typed } from './typed';
import { t } from './words';

/** Before the meeting: who are you, and what will the others see and hear of you? */
export function Door({ room, own, enter }: { room: string; own: OwnMedia; enter: (name: string) => void }) {
    const problems = useMemo(() => new ProblemList(), []);
    useEffect(() => {
        own.attach({
            trouble: (kind, trouble) => problems.replaceDevice(kind, trouble),
            opened: (kind) => problems.removeDevice(kind),
        });
    }, [own, problems]);
    const go = (event: SubmitEvent) => {
        event.preventDefault();
        const name = cleanName(typed(event, 'name'));
        if (!name) return;
        rememberName(name);
        enter(name);
    };
    return (
        <main class="door">
            <h1>
                <bdi>{room}</bdi>
            </h1>
            <form onSubmit={go}>
                <label>
                    {t('door.name')}
                    <input
                        name="name"
                        required
                        pattern=".*\S.*"
                        maxLength={60}
                        autoComplete="name"
                        autofocus
                        defaultValue={rememberedName()}
                    />
                </label>
                <button type="submit" class="primary">
                    {t('door.join')}
                </button>
            </form>
            <p>{t('door.devices')}</p>
            {problems.list.value.map((problem) => (
                <Notice key={problem} problem={problem} dismiss={() => problems.remove(problem)} />
            ))}
            <Preview own={own} />
        </main>
    );
}
