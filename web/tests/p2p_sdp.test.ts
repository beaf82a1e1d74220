import { describe, expect, it } from 'vitest';
import { readDescription } from '../src/meeting/p2p_jingle';
import { readCandidate, readSdp, writeSdp } from '../src/meeting/p2p_sdp';
import offered from './recorded/lyno-direct-session-initiate.xml?raw';
import { jingleOf } from './stanza';

/** As Chromium writes an offer, as far as anything of it is read. */
const CHROMIUM = `v=0
o=- 1 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1 2
a=extmap-allow-mixed
a=msid-semantic: WMS
m=audio 9 UDP/TLS/RTP/SAVPF 111 63
c=IN IP4 0.0.0.0
a=ice-ufrag:zryK
a=ice-pwd:7/k5xdm1PDH/GBAOOn8scBaz
a=ice-options:trickle
a=fingerprint:sha-256 8D:E4
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:4/sendrecv urn:ietf:params:rtp-hdrext:sdes:mid
a=sendrecv
a=msid:- c5ff15a6
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=ssrc:49121744 cname:c
a=ssrc:49121744 msid:- c5ff15a6
m=video 9 UDP/TLS/RTP/SAVPF 96 97
a=mid:1
a=sendrecv
a=msid:- 1ef3cc32
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=ssrc-group:FID 1132077636 2391884477
a=ssrc:1132077636 cname:c
a=ssrc:2391884477 cname:c
m=video 9 UDP/TLS/RTP/SAVPF 96
a=mid:2
a=sendrecv
a=msid:- 2ef3cc32
a=rtpmap:96 VP8/90000
a=ssrc:7 cname:c
`.replaceAll('\n', '\r\n');

describe('our own description', () => {
    const all = readSdp(CHROMIUM, 'me', () => true);

    it('has its transport, whether that stands in the m-line or before all', () => {
        const expected = { ufrag: 'zryK', pwd: '7/k5xdm1PDH/GBAOOn8scBaz', hash: 'sha-256', fingerprint: '8D:E4' };
        expect(all.transport).toMatchObject({ ...expected, setup: 'actpass' });
        const line = 'a=fingerprint:sha-256 8D:E4\r\n';
        const firefox = CHROMIUM.replace(line, '').replace('t=0 0\r\n', `t=0 0\r\n${line}`);
        expect(readSdp(firefox, 'me', () => true).transport).toEqual(all.transport);
    });

    it('has its formats with parameters and feedback', () => {
        const [audio, video] = all.media;
        expect(audio?.payloadTypes).toEqual([
            {
                ...{ id: '111', name: 'opus', clockrate: '48000', channels: '2' },
                parameters: [
                    ['minptime', '10'],
                    ['useinbandfec', '1'],
                ],
                feedback: [['transport-cc', '']],
            },
            {
                ...{ id: '63', name: 'red', clockrate: '48000', channels: '2' },
                parameters: [['', '111/111']],
                feedback: [],
            },
        ]);
        expect(video?.payloadTypes[0]?.feedback).toEqual([['nack', 'pli']]);
        expect(audio?.headerExtensions).toEqual([
            ['1', 'urn:ietf:params:rtp-hdrext:ssrc-audio-level'],
            ['4', 'urn:ietf:params:rtp-hdrext:sdes:mid'],
        ]);
        expect(all.media.map(({ allowMixed }) => allowMixed)).toEqual([true, true, true]);
    });

    it('names its streams as Jitsi clients do, and the screen is the second video', () => {
        expect(all.media.map(({ sources: [one] }) => [one?.name, one?.ssrc, one?.rtx])).toEqual([
            ['me-a0', 49121744, null],
            ['me-v0', 1132077636, 2391884477],
            ['me-v1', 7, null],
        ]);
        expect(all.media[0]?.sources[0]?.msid).toBe('me-a0-direct c5ff15a6');
    });

    it('tells no stream that is not to be told, or is not sent', () => {
        const one = readSdp(CHROMIUM, 'me', (mid) => mid !== '2');
        expect(one.media.map(({ sources }) => sources.length)).toEqual([1, 1, 0]);
        const quiet = readSdp(CHROMIUM.replace('a=sendrecv', 'a=recvonly'), 'me', () => true);
        expect([quiet.media[0]?.direction, quiet.media[0]?.sources]).toEqual(['recvonly', []]);
    });

    it('is the same after it was written and read', () => {
        expect(readSdp(writeSdp(all, 1), 'me', () => true)).toMatchObject({
            transport: all.transport,
            media: all.media.map(({ sources: [source], ...media }) => ({ ...media, sources: [{ ssrc: source?.ssrc }] })),
        });
    });
});

it('writes what the other one told, its m-lines bundled', () => {
    const description = readDescription(jingleOf(offered), '34467782');
    const lines = writeSdp(description, 3).split('\r\n');
    expect(lines.slice(0, 5)).toEqual(['v=0', 'o=- 1 3 IN IP4 0.0.0.0', 's=-', 't=0 0', 'a=group:BUNDLE 0 1']);
    expect(lines.filter((line) => line.startsWith('m=')).length).toBe(2);
    for (const line of ['a=mid:0', 'a=mid:1', 'a=rtcp-mux', 'a=sendrecv', 'a=ice-ufrag:cywz', 'a=setup:actpass']) {
        expect(lines).toContain(line);
    }
    expect(lines.filter((line) => line.startsWith('a=msid:')).length).toBe(2);
});

describe('a candidate of ours', () => {
    it('is read, with what belongs to it', () => {
        const line = 'candidate:1 1 UDP 58597631 192.0.2.9 16310 typ relay raddr 192.0.2.2 rport 48846 generation 0';
        expect(readCandidate(line)).toEqual({
            ...{ foundation: '1', component: '1', protocol: 'udp', priority: '58597631', ip: '192.0.2.9', port: '16310' },
            ...{ type: 'relay', relatedAddress: '192.0.2.2', relatedPort: '48846', tcpType: '' },
        });
        expect(readCandidate('candidate:2 1 tcp 1 ::1 9 typ host tcptype active')).toMatchObject({ tcpType: 'active' });
    });

    it.each(['', 'candidate:', 'candidate:1 1 udp 5'])('is none in %j', (line) => {
        expect(readCandidate(line)).toBeNull();
    });
});
