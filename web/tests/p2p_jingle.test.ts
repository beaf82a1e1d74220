import { describe, expect, it } from 'vitest';
import { JingleError } from '../src/meeting/offer';
import {
    type DirectMedia,
    goingBack,
    readCandidates,
    readDescription,
    readSources,
    readWantsVideo,
    session,
    sourceAdd,
    terminate,
    transportInfo,
} from '../src/meeting/p2p_jingle';
import { writeSdp } from '../src/meeting/p2p_sdp';
import { attribute, child, children } from '../src/meeting/xml';
import modify from './recorded/lyno-direct-content-modify.xml?raw';
import offered from './recorded/lyno-direct-session-initiate.xml?raw';
import trickled from './recorded/lyno-direct-transport-info.xml?raw';
import answered from './recorded/solyd-direct-session-accept.xml?raw';
import { jingleOf } from './stanza';

const OWNER = '34467782';
/** Of an attribute. */
const VALUE = /(?<!xmlns)='([^']*)'/g;
/** All formats but those that stand for the others. */
const MANY_FORMATS = /<payload-type [^>]*id='(?!111'|63'|96'|97')[^>]*(\/>|[^/]>.*?<\/payload-type>)/g;
const offer = () => readDescription(jingleOf(offered), OWNER);

describe('a recorded offer of lib-jitsi-meet', () => {
    it('has one transport, of its bundle', () => {
        expect(offer().transport).toMatchObject({ ufrag: 'cywz', hash: 'sha-256', setup: 'actpass', candidates: [] });
    });

    it('has voice and camera, with formats and streams', () => {
        const [audio, video] = offer().media;
        expect(offer().media.map(({ kind, name, direction }) => `${kind} ${name} ${direction}`)).toEqual([
            'audio 0 sendrecv',
            'video 1 sendrecv',
        ]);
        expect(audio?.payloadTypes[0]).toMatchObject({ id: '111', name: 'opus', channels: '2' });
        expect(audio?.payloadTypes[1]?.parameters).toEqual([['', '111/111']]);
        expect(video?.sources).toMatchObject([{ owner: OWNER, name: `${OWNER}-v0`, kind: 'video' }]);
        expect(video?.sources[0]?.rtx).toBeGreaterThan(0);
    });
});

describe('other recorded stanzas of lib-jitsi-meet', () => {
    it('are an answer', () => {
        const answer = readDescription(jingleOf(answered), '61b64481');
        expect(answer.transport.setup).toBe('active');
        expect(answer.media.map(({ sources }) => sources[0]?.name)).toEqual(['61b64481-a0', '61b64481-v0']);
    });

    it('are candidates', () => {
        const found = readCandidates(jingleOf(trickled));
        expect(found.map(({ type, protocol }) => `${type} ${protocol}`)).toEqual([
            'host udp',
            'host udp',
            'relay udp',
            'host tcp',
            'host tcp',
            'relay udp',
        ]);
        expect(found[2]).toMatchObject({ relatedAddress: '192.0.2.2', relatedPort: '48846' });
    });

    it('are what of our picture is wanted', () => {
        expect(readWantsVideo(jingleOf(modify))).toBe(true);
        expect(readWantsVideo(jingleOf(modify.replace("senders='both'", "senders='none'")))).toBe(false);
        expect(readWantsVideo(jingleOf(modify.replace("senders='both'", '')))).toBeNull();
    });
});

describe('what a description tells', () => {
    it.each([
        ['both', true, 'sendrecv'],
        ['both', false, 'sendrecv'],
        ['none', true, 'inactive'],
        ['responder', false, 'recvonly'],
        ['initiator', true, 'sendrecv'],
    ])('of senders=%s, with a stream: %s', (senders, stream, direction) => {
        let xml = offered.replace("senders='both'", `senders='${senders}'`);
        if (!stream) xml = xml.replace(/<source .*?<\/source>/, '');
        expect(readDescription(jingleOf(xml), OWNER).media[0]?.direction).toBe(direction);
    });

    it('of streams is told under no name but its owner’s', () => {
        const { media } = readDescription(jingleOf(offered), 'somebody');
        expect(media.map(({ sources }) => [sources[0]?.owner, sources[0]?.name])).toEqual([
            ['somebody', 'somebody-a0'],
            ['somebody', 'somebody-v0'],
        ]);
    });

    it.each([
        ['no contents', /(?<=<\/group>)<content .*<\/content>/],
        ['no bundle', /<group .*<\/group>/],
        ['a content outside of it', /<content name='1'\/>/],
        ['no transport', /<transport .*?<\/transport>/],
        ['no fingerprint', /<fingerprint .*?<\/fingerprint>/],
        ['no formats', /<payload-type .*<\/payload-type>/],
    ])('cannot be used with %s', (_, missing) => {
        expect(missing.test(offered)).toBe(true);
        const xml = offered.replace(missing, '');
        expect(() => readDescription(jingleOf(xml), OWNER)).toThrow(JingleError);
    });

    it('cannot be two m-lines of one name, or very many', () => {
        expect(() => readDescription(jingleOf(offered.replaceAll("name='1'", "name='0'")), OWNER)).toThrow(JingleError);
        const [content = ''] = /<content name='1' .*<\/content>/.exec(offered) ?? [];
        let xml = offered;
        for (let name = 2; name < 6; name++) {
            xml = xml.replace('</group>', `<content name='${name}'/></group>`);
            xml = xml.replace('</jingle>', `${content.replace("name='1'", `name='${name}'`)}</jingle>`);
        }
        expect(() => readDescription(jingleOf(xml), OWNER)).toThrow(JingleError);
    });

    it('becomes no line of SDP of its own', () => {
        const lines = (xml: string) => writeSdp(readDescription(jingleOf(xml), OWNER), 1).split('\r\n');
        const short = offered.replaceAll(MANY_FORMATS, '');
        const values = [...short.matchAll(VALUE)].length;
        expect(values).toBeGreaterThan(100);
        for (let place = 0; place < values; place++) {
            let at = 0;
            const hostile = short.replaceAll(VALUE, (all) => (at++ === place ? "='x&#13;&#10;a=evil:1'" : all));
            try {
                expect(lines(hostile).filter((line) => line.startsWith('a=evil'))).toEqual([]);
            } catch (error) {
                expect(error).toBeInstanceOf(JingleError);
            }
        }
        const text = offered.replace(/(<fingerprint [^>]*>)[^<]*/, '$1AA&#13;&#10;a=evil:1');
        expect(() => lines(text)).toThrow(JingleError);
    });
});

describe('streams that come later', () => {
    const added = (name: string, inside: string) =>
        jingleOf(`<iq><jingle xmlns='urn:xmpp:jingle:1'><content name='${name}'>${inside}</content></jingle></iq>`);
    const source = "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='5' name='34467782-v1'/>";

    it('are found in the description or beside it, with the kind of their m-line', () => {
        const described = `<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='1'>${source}</description>`;
        for (const inside of [described, source]) {
            const found = readSources(added('1', inside), OWNER, offer().media);
            expect([...found]).toMatchObject([['1', [{ kind: 'video', ssrc: 5, name: '34467782-v1' }]]]);
        }
    });

    it('are nothing in an m-line that is not there', () => {
        expect(readSources(added('9', source), OWNER, offer().media).size).toBe(0);
    });
});

describe('what we write', () => {
    const parties = { sid: 's', initiator: 'room@m/aaaa', mine: true };

    it('is read again as it was', () => {
        const before = offer();
        for (const action of ['session-initiate', 'session-accept'] as const) {
            const written = session(action, parties, 'room@m/bbbb', before);
            expect(attribute(written, 'responder')).toBe(action === 'session-accept' ? 'room@m/bbbb' : '');
            const xml = new XMLSerializer().serializeToString(written);
            expect(readDescription(jingleOf(`<iq>${xml}</iq>`), OWNER)).toEqual(before);
        }
    });

    it('are candidates, as they are read again', () => {
        const candidates = readCandidates(jingleOf(trickled));
        const written = transportInfo(parties, '0', offer().transport, candidates);
        const xml = new XMLSerializer().serializeToString(written);
        expect(readCandidates(jingleOf(`<iq>${xml}</iq>`))).toEqual(candidates);
    });

    it('is a stream that comes later', () => {
        const video = offer().media[1] as DirectMedia;
        const xml = new XMLSerializer().serializeToString(sourceAdd(parties, video));
        expect(readSources(jingleOf(`<iq>${xml}</iq>`), OWNER, offer().media).get('1')).toEqual(video.sources);
    });

    it('is the way back and the end', () => {
        const back = goingBack(parties);
        expect([attribute(back, 'action'), children(back, 'returning').length]).toEqual(['session-info', 1]);
        const end = terminate(parties, 'decline', 'not now');
        expect(child(child(end, 'reason'), 'decline')).not.toBeNull();
    });
});
