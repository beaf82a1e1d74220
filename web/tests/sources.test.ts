import { describe, expect, it } from 'vitest';
import recorded from '../../tests/data/captures/ws-2tabs/0111-client-from-server-jingle-source-add.xml?raw';
import { parseSources } from '../src/meeting/sources';
import { jingleOf } from './stanza';

function json(value: unknown): Element {
    const text = (typeof value === 'string' ? value : JSON.stringify(value))
        .replaceAll('&', '&amp;')
        .replaceAll('<', '&lt;');
    return jingleOf(`<iq><jingle xmlns='urn:xmpp:jingle:1' action='source-add'>
        <json-message xmlns='http://jitsi.org/jitmeet'>${text}</json-message></jingle></iq>`);
}

describe('the streams of others', () => {
    it('are read from a recorded source-add in JSON', () => {
        expect(parseSources(jingleOf(recorded))).toEqual([
            {
                kind: 'video',
                owner: '4331a5f1',
                name: '4331a5f1-v0',
                msid: '4331a5f1-video-0-1 4e9480dd-b36a-47b0-8829-03b91a71011b-1',
                ssrc: 2966061088,
                rtx: 337501412,
            },
            {
                kind: 'audio',
                owner: '4331a5f1',
                name: '4331a5f1-a0',
                msid: '4331a5f1-audio-0-1 5917b820-8df0-4bcc-ac78-15dc18ae4622-1',
                ssrc: 679831814,
                rtx: null,
            },
        ]);
    });

    it('are read from XML, whose owner may be an occupant’s address', () => {
        const source = (ssrc: number) => `<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='${ssrc}' name='ab-v0'>
            <parameter name='msid' value='ab-video t'/>
            <ssrc-info xmlns='http://jitsi.org/jitmeet' owner='room@conference.example/ab'/></source>`;
        const jingle = jingleOf(`<iq><jingle xmlns='urn:xmpp:jingle:1' action='source-add'><content name='video'>
            <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='video'>${source(7)}${source(8)}
            <ssrc-group xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' semantics='FID'>
            <source ssrc='7'/><source ssrc='8'/></ssrc-group></description></content></jingle></iq>`);
        expect(parseSources(jingle)).toEqual([
            { kind: 'video', owner: 'ab', name: 'ab-v0', msid: 'ab-video t', ssrc: 7, rtx: 8 },
        ]);
    });

    it.each([
        ['no JSON', 'x{'],
        ['null', null],
        ['a number', 3],
        ['sources that are no object', { sources: 'abc' }],
        ['an owner without lists', { sources: { a: null, b: 7, c: { length: 3 } } }],
        ['lists of anything', { sources: { a: [[null, 1, 'x', []], [null, 4, ['f']], 'x', {}] } }],
        ['an SSRC out of range', { sources: { a: [[{ s: 0 }, { s: 2 ** 32 }, { s: -1 }, { s: 1.5 }, { s: 'x' }]] } }],
        ['an msid that would start a line', { sources: { a: [[{ s: 1, m: 'a b\r\na=x' }]] } }],
        ['an owner that would start a line', { sources: { 'a\r\nb': [[{ s: 1, m: 'a b' }]] } }],
    ])('are left out when they make no sense: %s', (_, value) => {
        expect(parseSources(json(value))).toEqual([]);
    });

    it('are bounded in number', () => {
        const many = Array.from({ length: 5000 }, (_, index) => ({ s: index + 1, m: 'a b' }));
        expect(parseSources(json({ sources: { a: [many], b: [many] } })).length).toBe(1000);
    });
});
