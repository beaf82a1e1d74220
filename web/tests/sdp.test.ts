import { describe, expect, it } from 'vitest';
import late from '../../tests/data/captures/ws-3tabs-staggered/0182-client-from-server-jingle-session-initiate.xml?raw';
import { sessionAccept, sourceChange } from '../src/meeting/accept';
import { parseOffer } from '../src/meeting/offer';
import { localAnswer, remoteDescription, type Slot, withSimulcast } from '../src/meeting/sdp';
import { attribute, child, children } from '../src/meeting/xml';
import { jingleOf } from './stanza';

const offer = parseOffer(jingleOf(late));
const [video, audio] = offer.sources;
const SLOTS: Slot[] = [
    { mid: '0', kind: 'audio', role: 'send', source: null },
    { mid: '1', kind: 'video', role: 'send', source: null },
    { mid: '2', kind: 'video', role: 'receive', source: video ?? null },
    { mid: '3', kind: 'audio', role: 'receive', source: audio ?? null },
    { mid: '4', kind: 'video', role: 'receive', source: null },
];

function sections(sdp: string): string[][] {
    return sdp.split(/\r\n(?=m=)/).map((section) => section.split('\r\n').filter(Boolean));
}

describe('the remote description', () => {
    const [session, ...media] = sections(remoteDescription(offer, SLOTS, 3, false));

    it('bundles one m-line for each slot', () => {
        expect(session).toContain('a=group:BUNDLE 0 1 2 3 4');
        expect(session?.[1]).toBe('o=- 1 3 IN IP4 0.0.0.0');
        expect(media.map((lines) => lines[0]?.split(' ')[0])).toEqual([
            'm=audio',
            'm=video',
            'm=video',
            'm=audio',
            'm=video',
        ]);
        expect(media.map((lines) => lines.find((line) => line.startsWith('a=mid:')))).toEqual(
            SLOTS.map((slot) => `a=mid:${slot.mid}`),
        );
    });

    it('receives on the first ones, sends on those with a stream, and is silent on free ones', () => {
        const directions = media.map((lines) => lines.find((line) => /^a=(recv|send|inactive)/.test(line)));
        expect(directions).toEqual(['a=recvonly', 'a=recvonly', 'a=sendonly', 'a=sendonly', 'a=inactive']);
    });

    it('names the stream with its retransmission', () => {
        expect(media[2]).toContain(`a=msid:${video?.msid}`);
        expect(media[2]).toContain(`a=ssrc-group:FID ${video?.ssrc} ${video?.rtx}`);
        expect(media[3]?.filter((line) => line.startsWith('a=ssrc:'))).toEqual([
            `a=ssrc:${audio?.ssrc} cname:${audio?.owner}`,
            `a=ssrc:${audio?.ssrc} msid:${audio?.msid}`,
        ]);
        expect(media[4]?.filter((line) => line.startsWith('a=ssrc'))).toEqual([]);
    });

    it('gives a stream without msid one of its own', () => {
        const slot: Slot = { mid: '0', kind: 'audio', role: 'receive', source: audio ? { ...audio, msid: '' } : null };
        expect(remoteDescription(offer, [slot], 1, false)).toContain(`a=msid:${audio?.owner} ${audio?.ssrc}\r\n`);
    });

    it('asks for layers by name on the m-line that we send video on, where wanted', () => {
        const asked = sections(remoteDescription(offer, SLOTS, 3, true)).map((lines) =>
            lines.filter((line) => /^a=(rid|simulcast)/.test(line)),
        );
        const layers = ['a=rid:low recv', 'a=rid:middle recv', 'a=rid:high recv', 'a=simulcast:recv low;middle;high'];
        expect(asked).toEqual([[], [], layers, [], [], []]);
        expect(media.flat().some((line) => /^a=(rid|simulcast)/.test(line))).toBe(false);
    });

    it('receives a screen while one is shared, without layers, and keeps its m-line after that', () => {
        const lines = (role: 'share' | 'rest') => {
            const slot: Slot = { mid: '0', kind: 'video', role, source: null };
            return remoteDescription(offer, [slot], 1, true).split('\r\n');
        };
        expect(lines('share')).toContain('a=recvonly');
        expect(lines('share').filter((line) => line.startsWith('a=rid'))).toEqual([]);
        expect(lines('rest')).toContain('a=inactive');
    });

    it('has the candidates once, credentials and fingerprint everywhere', () => {
        const count = (prefix: string) => media.map((lines) => lines.filter((line) => line.startsWith(prefix)).length);
        expect(count('a=candidate:')).toEqual([1, 0, 0, 0, 0]);
        expect(count('a=ice-ufrag:')).toEqual([1, 1, 1, 1, 1]);
        expect(count('a=fingerprint:sha-256 ')).toEqual([1, 1, 1, 1, 1]);
    });
});

const ANSWER = [
    'v=0',
    'm=audio 9 UDP/TLS/RTP/SAVPF 111',
    'a=ice-ufrag:uf',
    'a=ice-pwd:pw',
    'a=fingerprint:sha-256 AB:CD',
    'a=mid:0',
    'a=msid:- trackA',
    'a=ssrc:5 cname:x',
    'm=video 9 UDP/TLS/RTP/SAVPF 100',
    'a=mid:1',
    'a=msid:- trackV',
    'a=ssrc-group:FID 10 11',
    'a=ssrc:10 cname:x',
    'a=ssrc:11 cname:x',
    '',
].join('\r\n');

/** As Firefox writes it: the fingerprint for all m-lines, an SSRC and its retransmission for each named layer. */
const ANSWER_OF_FIREFOX = [
    'v=0',
    'a=fingerprint:sha-256 AB:CD',
    'm=audio 9 UDP/TLS/RTP/SAVPF 111',
    'a=ice-pwd:pw',
    'a=ice-ufrag:uf',
    'a=mid:0',
    'a=msid:- {trackA}',
    'a=ssrc:5 cname:{x}',
    'm=video 9 UDP/TLS/RTP/SAVPF 100',
    'a=mid:1',
    'a=msid:- {trackV}',
    'a=simulcast:send low;middle;high',
    ...[10, 11, 20, 21, 30, 31].map((ssrc) => `a=ssrc:${ssrc} cname:{x}`),
    'a=ssrc-group:FID 10 11',
    'a=ssrc-group:FID 20 21',
    'a=ssrc-group:FID 30 31',
    '',
].join('\r\n');

describe('our answer', () => {
    it('tells of layers by name as of those by SSRC', () => {
        const answer = localAnswer(ANSWER_OF_FIREFOX, SLOTS, 'abcd');
        expect(answer).toMatchObject({ ufrag: 'uf', pwd: 'pw', hash: 'sha-256', fingerprint: 'AB:CD' });
        expect(answer.sources.map(({ ssrcs, groups }) => [ssrcs, groups])).toEqual([
            [[5], []],
            [
                [10, 11, 20, 21, 30, 31],
                [
                    ['SIM', [10, 20, 30]],
                    ['FID', [10, 11]],
                    ['FID', [20, 21]],
                    ['FID', [30, 31]],
                ],
            ],
        ]);
    });

    it('gets three layers, each with its retransmission', () => {
        const [, , lines] = sections(
            withSimulcast(ANSWER, '1', [
                [20, 21],
                [30, 31],
            ]),
        );
        expect(lines?.filter((line) => line.startsWith('a=ssrc-group'))).toEqual([
            'a=ssrc-group:SIM 10 20 30',
            'a=ssrc-group:FID 10 11',
            'a=ssrc-group:FID 20 21',
            'a=ssrc-group:FID 30 31',
        ]);
        expect(lines?.filter((line) => line.startsWith('a=ssrc:')).length).toBe(6);
    });

    it('is left alone where a browser writes no groups, or wrote layers itself', () => {
        expect(withSimulcast(ANSWER, '0', [[20, 21]])).toBe(ANSWER);
        expect(withSimulcast(ANSWER, '9', [[20, 21]])).toBe(ANSWER);
        const done = withSimulcast(ANSWER, '1', [[20, 21]]);
        expect(withSimulcast(done, '1', [[30, 31]])).toBe(done);
    });

    it('names a screen that it sends as the second video, and nothing of one at rest', () => {
        const screen = ['m=video 9 UDP/TLS/RTP/SAVPF 100', 'a=mid:2', 'a=msid:- trackS', 'a=ssrc:40 cname:x', ''];
        const sources = (role: 'share' | 'rest') => {
            const slots: Slot[] = [...SLOTS.slice(0, 2), { mid: '2', kind: 'video', role, source: null }];
            return localAnswer(ANSWER + screen.join('\r\n'), slots, 'abcd').sources.slice(2);
        };
        const [source] = sources('share');
        expect(source).toMatchObject({ name: 'abcd-v1', videoType: 'desktop', msid: 'abcd-video-1 trackS' });
        expect(sources('rest')).toEqual([]);
        if (!source) return;
        const change = sourceChange(offer, 'source-add', source);
        expect([attribute(change, 'action'), attribute(change, 'sid')]).toEqual(['source-add', offer.sid]);
        const told = change.querySelector('content[name=video] description source');
        expect([attribute(told, 'ssrc'), attribute(told, 'videoType')]).toEqual(['40', 'desktop']);
    });

    it('becomes a session-accept with our sources', () => {
        const answer = localAnswer(
            withSimulcast(ANSWER, '1', [
                [20, 21],
                [30, 31],
            ]),
            SLOTS,
            'abcd',
        );
        expect(answer).toMatchObject({ ufrag: 'uf', pwd: 'pw', hash: 'sha-256', fingerprint: 'AB:CD' });
        expect(answer.sources.map(({ name, ssrcs }) => [name, ssrcs])).toEqual([
            ['abcd-a0', [5]],
            ['abcd-v0', [10, 11, 20, 21, 30, 31]],
        ]);
        const accept = sessionAccept(offer, 'me@guest.example/x', answer);
        expect(attribute(accept, 'sid')).toBe(offer.sid);
        const contents = children(accept, 'content');
        expect(contents.map((content) => attribute(content, 'name'))).toEqual(['audio', 'video']);
        const description = child(contents[1] ?? null, 'description');
        expect(children(description, 'source').length).toBe(6);
        expect(children(description, 'ssrc-group').map((group) => attribute(group, 'semantics'))).toEqual([
            'SIM',
            'FID',
            'FID',
            'FID',
        ]);
        const transport = child(contents[0] ?? null, 'transport');
        expect(attribute(child(transport, 'fingerprint'), 'setup')).toBe('active');
    });
});
