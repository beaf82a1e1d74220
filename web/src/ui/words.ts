// All texts of the page, in the language of its reader. A new text: its key in words/en.ts and words/de.ts.

import { signal } from '@preact/signals';
import { StanzaError } from '../meeting/link';
import { remember, remembered } from './memory';
import { de } from './words/de';
import { en } from './words/en';

type English = typeof en;
export type Key = keyof English;
/** What every language has to say: the same keys as English. */
export type Words = Record<Key, string>;

type NamesIn<Text> = Text extends `${string}{${infer Name}}${infer Rest}` ? Name | NamesIn<Rest> : never;
type Values<K extends Key> = [NamesIn<English[K]>] extends [never]
    ? []
    : [values: Record<NamesIn<English[K]>, string | number>];

const DICTIONARIES = { en, de } satisfies Record<string, Words>;
export type Language = keyof typeof DICTIONARIES;
export const LANGUAGES = Object.keys(DICTIONARIES) as Language[];

const isLanguage = (code: string): code is Language => Object.hasOwn(DICTIONARIES, code);

/** The first language that this page speaks and its reader wants; English when there is none. */
export function preferred(wanted: readonly string[]): Language {
    return wanted.map((tag) => tag.toLowerCase().split('-')[0] ?? '').find(isLanguage) ?? 'en';
}

const kept = remembered('language');
/** The language of the page; components that call `t` follow it. */
export const language = signal<Language>(isLanguage(kept) ? kept : preferred(navigator.languages));

/** Speak another language, from now on and when this browser comes again. */
export function speak(chosen: Language): void {
    language.value = chosen;
    remember('language', chosen);
}

/** A text in the language of the page, each `{name}` in it replaced by its value. */
export function t<K extends Key>(key: K, ...values: Values<K>): string {
    const given: Record<string, string | number> = values[0] ?? {};
    return DICTIONARIES[language.value][key].replaceAll(/\{(\w+)\}/g, (_, name: string) => String(given[name]));
}

/** Why something that was asked for did not happen. */
export function refusal(error: unknown): string {
    if (!(error instanceof StanzaError)) return t('refusal.unknown');
    const key = `refusal.${error.condition}`;
    return Object.hasOwn(en, key) && key !== 'refusal.other'
        ? t(key as 'refusal.forbidden')
        : t('refusal.other', { condition: error.condition });
}
