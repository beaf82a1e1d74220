const NAME = 'carillon.name';

/** Before the meeting: who are you? The name is kept in this browser. */
export function Door({ room, enter }: { room: string; enter: (name: string) => void }) {
    const go = (event: SubmitEvent) => {
        event.preventDefault();
        const name = String(new FormData(event.currentTarget as HTMLFormElement).get('name')).trim();
        localStorage.setItem(NAME, name);
        enter(name);
    };
    return (
        <main class="door">
            <h1>{room}</h1>
            <form onSubmit={go}>
                <label>Your name
                    <input name="name" required maxLength={60} autoComplete="name" autofocus
                        defaultValue={localStorage.getItem(NAME) ?? ''} />
                </label>
                <button type="submit" class="primary">Join</button>
            </form>
            <p>The browser asks for camera and microphone; you can join without them.</p>
        </main>
    );
}
