import { cleanName } from '../meeting/text';
import { rememberedName, rememberName } from './own_name';

/** Before the meeting: who are you? */
export function Door({ room, enter }: { room: string; enter: (name: string) => void }) {
    const go = (event: SubmitEvent) => {
        event.preventDefault();
        const name = cleanName(String(new FormData(event.currentTarget as HTMLFormElement).get('name')));
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
                    Your name
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
                    Join
                </button>
            </form>
            <p>The browser asks for camera and microphone; you can join without them.</p>
        </main>
    );
}
