import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { iceServer, Relays } from '../src/meeting/relays';
import { FakeLink } from './fakes';
import { stanza } from './stanza';

const HOUR_MS = 3_600_000;

beforeEach(() => {
    vi.useFakeTimers();
    vi.setSystemTime(new Date('2030-01-01T00:00:00Z'));
});
afterEach(() => vi.useRealTimers());

function services(inner: string): Element {
    return stanza(`<iq type='result'><services xmlns='urn:xmpp:extdisco:2'>${inner}</services></iq>`);
}

describe('relays', () => {
    it('are asked for again when half the life of their credentials is over', async () => {
        const link = new FakeLink();
        let asked = 0;
        link.answer('services', () => {
            asked++;
            const expires = new Date(Date.now() + HOUR_MS / 4).toISOString();
            return services(`<service type='turn' host='h' port='1' username='u' password='p' expires='${expires}'/>`);
        });
        const relays = new Relays(link, ['focus.example']);
        await relays.current();
        vi.advanceTimersByTime(HOUR_MS / 8 - 1000);
        await relays.current();
        expect(asked).toBe(1);
        vi.advanceTimersByTime(2000);
        expect(await relays.current()).toHaveLength(1);
        expect(asked).toBe(2);
    });

    it('are asked for elsewhere when the focus has none', async () => {
        const link = new FakeLink();
        const asked: string[] = [];
        link.answer('services', (to) => {
            asked.push(to);
            return services(to === 'example' ? "<service type='stun' host='h' port='1'/>" : '');
        });
        expect(await new Relays(link, ['focus.example', 'example']).current()).toEqual([{ urls: 'stun:h:1' }]);
        expect(asked).toEqual(['focus.example', 'example']);
    });

    it.each([
        ["type='turn' host='h' port='1' transport='tcp' username='u' password='p'", 'turn:h:1?transport=tcp'],
        ["type='turns' host='h' username='u' password='p'", 'turns:h:5349'],
        ["type='turn' host='::1' port='2' username='u' password='p'", 'turn:[::1]:2'],
        ["type='turn' host='h' port='1'", undefined],
        ["type='stun' host='h' port='0'", undefined],
        ["type='stun' host='h' port='70000'", undefined],
        ["type='stun' host='a b' port='1'", undefined],
        ["type='ftp' host='h' port='1'", undefined],
        ['', undefined],
    ])('<service %s/> is %s', (attributes, urls) => {
        expect(iceServer(stanza(`<service ${attributes}/>`))[0]?.urls).toBe(urls);
    });
});
