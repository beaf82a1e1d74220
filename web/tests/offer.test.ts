import { describe, expect, it } from 'vitest';
import recorded from '../../tests/data/captures/ws-2tabs/0087-client-from-server-jingle-session-initiate.xml?raw';
import late from '../../tests/data/captures/ws-3tabs-staggered/0182-client-from-server-jingle-session-initiate.xml?raw';
import { JingleError, parseOffer } from '../src/meeting/offer';
import { jingleOf } from './stanza';

describe('a recorded session-initiate', () => {
    const offer = parseOffer(jingleOf(recorded));

    it('has the session, its bridge and its transport', () => {
        expect(offer.sid).not.toBe('');
        expect(offer.initiator).toMatch(/^focus@/);
        expect(offer.bridgeSession).not.toBe('');
        expect(offer.transport.ufrag).toBe('524591k7s2s4gn');
        expect(offer.transport.hash).toBe('sha-256');
        expect(offer.transport.setup).toBe('actpass');
        expect(offer.transport.webSocket).toMatch(/^ws:.*\/colibri-ws\//);
        expect(offer.transport.candidates).toMatchObject([{ protocol: 'udp', port: '10000', type: 'host' }]);
    });

    it('has audio and video with their codecs, and no data', () => {
        expect(offer.media.map((media) => media.kind)).toEqual(['audio', 'video']);
        const [audio, video] = offer.media;
        expect(audio?.payloadTypes.map((type) => `${type.name}/${type.clockrate}/${type.channels}`)).toContain(
            'opus/48000/2',
        );
        const vp8 = video?.payloadTypes.find((type) => type.name === 'VP8');
        expect(vp8?.feedback).toContainEqual(['nack', 'pli']);
        expect(video?.payloadTypes.find((type) => type.id === '96')?.parameters).toEqual([['apt', vp8?.id]]);
        expect(video?.allowMixed).toBe(true);
    });

    it('leaves out the bridge’s own streams', () => {
        expect(recorded).toContain('jvb-a0');
        expect(offer.sources).toEqual([]);
    });

    it('has the streams of those who came before', () => {
        const { sources } = parseOffer(jingleOf(late));
        expect(sources.map(({ kind, owner }) => `${owner} ${kind}`)).toEqual([
            'ac110002 video',
            'ac110002 audio',
            '8f26c11d video',
            '8f26c11d audio',
        ]);
    });
});

const OFFER = (description: string, transport: string) =>
    jingleOf(`<iq><jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='s'><content name='audio'>
        <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>${description}</description>
        <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='u' pwd='p'>
        <fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256'>AA</fingerprint>${transport}</transport>
        </content></jingle></iq>`);
const OPUS = "<payload-type id='111' name='opus' clockrate='48000'/>";

describe('a malformed session-initiate', () => {
    it.each([
        ['nothing at all', "<iq><jingle xmlns='urn:xmpp:jingle:1'/></iq>"],
        ['no transport', late.replaceAll('urn:xmpp:jingle:transports:ice-udp:1', 'urn:other')],
        ['no fingerprint', late.replaceAll('urn:xmpp:jingle:apps:dtls:0', 'urn:other')],
        ['no media', late.replaceAll('urn:xmpp:jingle:apps:rtp:1', 'urn:other')],
        ['no sid', late.replace(/ sid='[^']*'/, '')],
        ['a line break in a credential', late.replaceAll(/ufrag='[^']*'/g, "ufrag='a&#10;a=evil'")],
    ])('is refused: %s', (_, xml) => {
        expect(() => parseOffer(jingleOf(xml))).toThrow(JingleError);
    });

    it.each([
        ['a payload type that is no number', "<payload-type id='x' name='opus' clockrate='48000'/>"],
        ['a payload type beyond 127', "<payload-type id='128' name='opus' clockrate='48000'/>"],
        ['a codec with a line break', "<payload-type id='1' name='a&#13;&#10;a=x' clockrate='8000'/>"],
    ])('loses %s', (_, bad) => {
        const offer = parseOffer(OFFER(OPUS + bad, ''));
        expect(offer.media[0]?.payloadTypes.map((type) => type.id)).toEqual(['111']);
    });

    it('loses candidates, parameters and extensions that are no tokens', () => {
        const parameter = "<parameter name='a' value='b&#10;c'/><rtcp-fb xmlns='u' type='nack x'/>";
        const description = `${OPUS.replace('/>', `>${parameter}</payload-type>`)}<rtp-hdrext id='1' uri='a b'/>`;
        const candidate = `<candidate foundation='1' component='1' protocol='udp' priority='1' ip='1.2.3.4'
            port='1&#10;' type='host'/>`;
        const offer = parseOffer(OFFER(description, candidate.replace("port='1&#10;'", "port='1 2'")));
        expect(offer.media[0]?.payloadTypes[0]).toMatchObject({ parameters: [], feedback: [] });
        expect(offer.media[0]?.headerExtensions).toEqual([]);
        expect(offer.transport.candidates).toEqual([]);
    });
});
