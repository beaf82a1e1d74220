// What this browser keeps for its user from one meeting to the next; some browsers keep nothing.

const named = (key: string) => `carillon.${key}`;

/** What was kept under that key; "" = nothing. */
export function remembered(key: string): string {
    try {
        return localStorage.getItem(named(key)) ?? '';
    } catch {
        return '';
    }
}

export function remember(key: string, value: string): void {
    try {
        localStorage.setItem(named(key), value);
    } catch {
        // The next visit starts anew.
    }
}
