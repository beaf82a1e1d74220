import { describe, expect, it } from 'vitest';
import recordedFocus from '../../tests/data/captures/ws-3tabs-staggered/0200-focus-from-server-presence.xml?raw';
import { capsVersion } from '../src/meeting/caps';
import { readPresence } from '../src/meeting/presence';
import { attribute } from '../src/meeting/xml';
import { stanza } from './stanza';

const ROOM = 'room@conference.example';
const FOCUS = 'http://jitsi.org/protocol/focus';
const USER = 'http://jabber.org/protocol/muc#user';

function read(inner: string, attributes = `from='${ROOM}/abcd'`) {
    return readPresence(stanza(`<presence ${attributes}>${inner}</presence>`), ROOM);
}

function occupant(inner: string) {
    const presence = read(inner);
    return presence?.type === 'here' ? presence.occupant : null;
}

describe('the hash of what we can do', () => {
    it('is that of the example in XEP-0115 §5.2', async () => {
        const identity = { category: 'client', type: 'pc', name: 'Exodus 0.9.1' };
        const features = [
            'http://jabber.org/protocol/muc',
            'http://jabber.org/protocol/disco#items',
            'http://jabber.org/protocol/disco#info',
            'http://jabber.org/protocol/caps',
        ];
        expect(await capsVersion(identity, features)).toBe('QgayPKawpkPSDYmwT/WM94uAlu0=');
    });
});

describe('presence in the room', () => {
    it('is read from a recording', () => {
        const element = stanza(recordedFocus);
        const room = attribute(element, 'from').split('/')[0] ?? '';
        expect(readPresence(element, room)).not.toBeNull();
    });

    it('tells name, role and what is muted', () => {
        const inner = `<nick xmlns='http://jabber.org/protocol/nick'>Ann</nick>
            <x xmlns='${USER}'><item role='moderator' jid='a@guest.example/r'/></x>
            <SourceInfo>{"abcd-a0":{"muted":false},"abcd-v0":{"muted":true}}</SourceInfo>`;
        expect(read(inner)).toMatchObject({
            type: 'here',
            self: false,
            jid: 'a@guest.example/r',
            occupant: { id: 'abcd', name: 'Ann', moderator: true, audioMuted: false, videoMuted: true },
        });
    });

    it.each([
        ['down', 'no-bridge'],
        ['deaf', 'bridge-deaf'],
        ['draining', 'bridge-draining'],
        ['full', 'bridge-full'],
        ['something new', 'no-bridge'],
    ])('tells why there is no bridge: %s', (word, bridge) => {
        const properties = `<conference-properties xmlns='${FOCUS}'><property key='bridge-count' value='0'/>
            <property key='bridge-trouble' value='${word}'/></conference-properties>`;
        expect(read(`${properties}<bridgeNotAvailable xmlns='${FOCUS}'/>`)).toMatchObject({ bridge });
        expect(read(properties)).toMatchObject({ bridge: null });
    });

    it('takes the word of a focus that does not say why there is no bridge', () => {
        expect(read(`<bridgeNotAvailable xmlns='${FOCUS}'/>`)).toMatchObject({ bridge: 'no-bridge' });
    });

    it('understands the older elements, and takes silence for muted', () => {
        expect(occupant('<audiomuted>false</audiomuted><videomuted>true</videomuted>')).toMatchObject({
            audioMuted: false,
            videoMuted: true,
        });
        expect(occupant('')).toMatchObject({ audioMuted: true, videoMuted: true });
    });

    it('tells which sources show a screen, and does not take those for the camera', () => {
        const info = (v0: object, v1: object) =>
            occupant(`<SourceInfo>${JSON.stringify({ 'abcd-v0': v0, 'abcd-v1': v1 })}</SourceInfo>`);
        const camera = { muted: true, videoType: 'camera' };
        const screen = { muted: false, videoType: 'desktop' };
        expect(info(camera, screen)).toMatchObject({ videoMuted: true, screens: { 'abcd-v1': false } });
        expect(info(camera, { videoType: 'desktop' })).toMatchObject({ screens: { 'abcd-v1': true } });
        expect(info({ muted: false }, camera)).toMatchObject({ videoMuted: false, screens: {} });
    });

    it.each(['{', 'null', '7', '[]', '{"x-a0":null}', '{"x-a0":7}'])('survives SourceInfo of %s', (text) => {
        expect(occupant(`<SourceInfo>${text}</SourceInfo>`)).toMatchObject({ audioMuted: true });
    });

    it.each([
        ["<status code='110'/><status code='307'/>", 'kicked'],
        ["<status code='301'/>", 'banned'],
        ["<status code='307'/><status code='333'/>", 'technical'],
        ["<status code='332'/>", 'shutdown'],
        ["<status code='322'/>", 'members-only'],
        ['<destroy/>', 'destroyed'],
        ['', 'left'],
    ])('knows why somebody went: %s', (inner, why) => {
        const presence = read(`<x xmlns='${USER}'>${inner}</x>`, `from='${ROOM}/abcd' type='unavailable'`);
        expect(presence).toMatchObject({ type: 'gone', id: 'abcd', why });
    });

    it('names the condition of an error, wherever it stands', () => {
        const error = `<error type='auth'><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no</text>
            <not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`;
        expect(read(error, `from='${ROOM}/abcd' type='error'`)).toEqual({ type: 'error', condition: 'not-authorized' });
        expect(read('', `from='${ROOM}' type='error'`)).toEqual({ type: 'error', condition: 'undefined-condition' });
    });

    it.each([
        "from='other@conference.example/abcd'",
        `from='${ROOM}evil/abcd'`,
        `from='${ROOM}/'`,
        `from='${ROOM}/${'x'.repeat(200)}'`,
        `from='${ROOM}/abcd' type='subscribe'`,
        '',
    ])('is none of ours: %s', (attributes) => {
        expect(read('', attributes)).toBeNull();
    });
});
