import { afterEach, describe, expect, it } from 'vitest';
import { StanzaError } from '../src/meeting/link';
import { language, preferred, refusal, speak, t } from '../src/ui/words';
import { de } from '../src/ui/words/de';
import { en } from '../src/ui/words/en';

afterEach(() => speak('en'));

const places = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).sort();

describe('the languages', () => {
    it.each(Object.entries(en))('put the same values into %s', (key, text) => {
        const german = de[key as keyof typeof en];
        expect(german).not.toBe('');
        expect(places(german)).toEqual(places(text));
    });

    it.each([
        [['de-AT', 'en'], 'de'],
        [['fr', 'en-GB', 'de'], 'en'],
        [['DE'], 'de'],
        [['ja'], 'en'],
        [[], 'en'],
    ])('for a reader of %j: %s', (wanted, spoken) => {
        expect(preferred(wanted)).toBe(spoken);
    });

    it('are remembered once one is chosen', () => {
        speak('de');
        expect(language.value).toBe('de');
        expect(localStorage.getItem('carillon.language')).toBe('de');
        expect(t('door.join')).toBe('Beitreten');
    });
});

describe('a text', () => {
    it('takes its values as they are', () => {
        expect(t('people.you', { name: '{name} $& <b>' })).toBe('{name} $& <b> (you)');
    });

    it('says why something was refused', () => {
        expect(refusal(new StanzaError('forbidden', ''))).toContain('only moderators');
        expect(refusal(new StanzaError('conflict', ''))).toContain('(conflict)');
        expect(refusal(new StanzaError('other', ''))).toContain('(other)');
        expect(refusal(new Error('anything'))).toContain('did not work');
    });
});
