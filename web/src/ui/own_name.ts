const KEY = 'carillon.name';

/** The name that its user chose before, kept in this browser; some browsers keep nothing. */
export function rememberedName(): string {
    try {
        return localStorage.getItem(KEY) ?? '';
    } catch {
        return '';
    }
}

export function rememberName(name: string): void {
    try {
        localStorage.setItem(KEY, name);
    } catch {
        // The next meeting asks again.
    }
}
