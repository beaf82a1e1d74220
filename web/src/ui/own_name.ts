import { remember, remembered } from './memory';

/** The name that its user chose before. */
export function rememberedName(): string {
    return remembered('name');
}

export function rememberName(name: string): void {
    remember('name', name);
}
