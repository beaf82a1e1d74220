import { describe, expect, it } from 'vitest';
import { pathOf, roomOf } from '../src/meeting/place';
import { cleanMessage, cleanName } from '../src/meeting/text';
import { attribute, x } from '../src/meeting/xml';

describe('names of others', () => {
    it.each([
        ['  Ann \n\t Lee ', 'Ann Lee'],
        ['\u202Egnp.exe', 'gnp.exe'],
        ['A\u0000\u0007B', 'A B'],
        ['A\u2067nn\u2069', 'Ann'],
        ['\u200B\uFEFF', ''],
        ['👩‍👩‍👧 Müller', '👩‍👩‍👧 Müller'],
        [`a${'\u0301'.repeat(50)}`, `a${'\u0301'.repeat(4)}`],
    ])('%j is shown as %j', (name, shown) => {
        expect(cleanName(name)).toBe(shown);
    });

    it('are cut, however long, and never inside a character', () => {
        expect(cleanName('x'.repeat(1_000_000))).toBe(`${'x'.repeat(60)}…`);
        expect(cleanName('😀'.repeat(100))).toBe(`${'😀'.repeat(60)}…`);
    });
});

describe('messages', () => {
    it('keep their lines and lose what is not to be seen', () => {
        expect(cleanMessage('one\ntwo\u0007\u202E\n\n\n\n\nthree ')).toBe('one\ntwo\n\nthree');
        expect([...cleanMessage('y'.repeat(100_000))].length).toBe(4001);
    });

    it('never hold what would break the stream', () => {
        expect(x('body', { a: '\u0001b\uFFFF' }, 'a\u0001\uD800b').textContent).toBe('ab');
        expect(attribute(x('body', { a: '\u0001b\uFFFF' }), 'a')).toBe('b');
    });
});

describe('the room in the address', () => {
    it.each([
        ['/', ''],
        ['/Daily', 'daily'],
        ['/daily/', 'daily'],
        ['/caf%C3%A9', 'café'],
        ['/%E0%A4%A', null],
        ['/%', null],
        ['/a%2Fb', null],
        ['/a/b', null],
        ['/a%40b', null],
        ['/a%20b', null],
        ['/a%00b', null],
        [`/${'x'.repeat(1024)}`, null],
    ])('%s is %s', (path, room) => {
        expect(roomOf(path)).toBe(room);
    });

    it.each([
        ['Daily Stand Up', '/daily-stand-up'],
        [' /a&b/ ', '/a-b'],
        ['café', '/caf%C3%A9'],
        ['...', null],
        ['@', null],
    ])('what is typed, %j, leads to %s', (typed, path) => {
        expect(pathOf(typed)).toBe(path);
    });
});
