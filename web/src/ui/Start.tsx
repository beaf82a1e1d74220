/** Without a room in the address: choose one. */
export function Start() {
    const go = (event: SubmitEvent) => {
        event.preventDefault();
        const room = new FormData(event.currentTarget as HTMLFormElement).get('room');
        location.pathname = `/${encodeURIComponent(String(room).trim().toLowerCase().replaceAll(/[\s/]+/g, '-'))}`;
    };
    return (
        <main class="door">
            <h1>carillon</h1>
            <form onSubmit={go}>
                <label>Room <input name="room" required maxLength={100} autoComplete="off" autofocus /></label>
                <button type="submit" class="primary">Go</button>
            </form>
            <p>Everybody who opens the same address is in the same meeting.</p>
        </main>
    );
}
