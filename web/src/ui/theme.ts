// How the page looks: light or dark, and in which language.

import { effect, signal } from '@preact/signals';
import { remember, remembered } from './memory';
import { language } from './words';

export const THEMES = ['auto', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

/** The theme that was chosen; "auto" = the one of the system. */
export const theme = signal<Theme>(THEMES.find((known) => known === remembered('theme')) ?? 'auto');

export function chooseTheme(chosen: Theme): void {
    theme.value = chosen;
    remember('theme', chosen);
}

/** Keep the document in the theme and language that are chosen. */
export function followLook(): void {
    effect(() => {
        document.documentElement.lang = language.value;
        document.documentElement.dataset.theme = theme.value;
    });
}
