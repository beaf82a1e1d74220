import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Candidate } from '../src/meeting/offer';
import type { DirectDescription, DirectMedia } from '../src/meeting/p2p_jingle';
import { PeerSession } from '../src/meeting/p2p_session';
import type { Medium } from '../src/meeting/streams';
import { track } from './fakes';

/** A browser's connection with sendrecv m-lines, an SSRC on each; it notes what it is told in order. */
class FakePeerConnection {
    static last: FakePeerConnection;
    readonly told: string[] = [];
    readonly candidates: string[] = [];
    readonly kinds: string[] = [];
    readonly sent: (MediaStreamTrack | null)[] = [];
    connectionState = 'new';
    localDescription: { sdp: string } | null = null;
    onconnectionstatechange = () => {};
    onicecandidate: (event: { candidate: { candidate: string } | null }) => void = () => {};
    private busy = false;

    constructor() {
        FakePeerConnection.last = this;
    }

    addTransceiver(kind: string) {
        this.kinds.push(kind);
        return this.getTransceivers().at(-1);
    }

    getTransceivers() {
        return this.kinds.map((kind, at) => ({
            mid: String(at),
            direction: '',
            sender: { replaceTrack: async (sent: MediaStreamTrack | null) => void (this.sent[at] = sent) },
            receiver: { track: { kind, id: `track${at}` } },
        }));
    }

    async createOffer() {
        return { sdp: this.sdp() };
    }

    async createAnswer() {
        return { sdp: this.sdp() };
    }

    async setLocalDescription(description: { type: string; sdp: string }): Promise<void> {
        await this.note(`own ${description.type}`);
        this.localDescription = description;
    }

    async setRemoteDescription({ type, sdp }: { type: string; sdp: string }): Promise<void> {
        await this.note(`their ${type}`);
        const kinds = [...sdp.matchAll(/m=(\w+)/g)].map(([, kind]) => kind ?? '');
        if (type === 'offer' && this.kinds.length === 0) this.kinds.push(...kinds);
    }

    async addIceCandidate({ candidate }: { candidate: string }): Promise<void> {
        if (candidate.includes('BAD')) throw new Error('bad');
        this.candidates.push(candidate.split(' ')[5] ?? '');
    }

    async getStats() {
        return new Map();
    }

    close(): void {
        this.told.push('closed');
    }

    private async note(what: string): Promise<void> {
        if (this.busy) throw new Error('two at a time');
        this.busy = true;
        await Promise.resolve();
        this.busy = false;
        this.told.push(what);
    }

    private sdp(): string {
        const sections = this.kinds.map(
            (kind, at) =>
                `m=${kind} 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:${at}\r\na=sendrecv\r\na=msid:- t${at}\r\n` +
                `a=rtpmap:96 codec/90000\r\na=ssrc:${at + 1} cname:x\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n`,
        );
        return `v=0\r\na=fingerprint:sha-256 AA\r\n${sections.join('')}`;
    }
}

function media(kind: 'audio' | 'video', name: string, ssrc: number | null): DirectMedia {
    const source = { kind, owner: 'bob', name: `bob-${name}`, msid: 's t', rtx: null };
    return {
        ...{ kind, name, direction: 'sendrecv', payloadTypes: [], headerExtensions: [], allowMixed: false },
        sources: ssrc === null ? [] : [{ ...source, ssrc }],
    };
}

const secrets = { ufrag: 'u', pwd: 'p', hash: 'sha-256', fingerprint: 'AA', setup: 'active' };
const theirs = (...all: DirectMedia[]): DirectDescription => ({
    transport: { ...secrets, candidates: [], webSocket: '' },
    media: all,
});
const THREE = () => theirs(media('audio', '0', 51), media('video', '1', 52), media('video', '2', null));
const candidate = (port: string, foundation = '1'): Candidate => ({
    ...{ foundation, component: '1', protocol: 'udp', priority: '1', ip: '192.0.2.1', port, type: 'host' },
    ...{ relatedAddress: '', relatedPort: '', tcpType: '' },
});

let own: Record<Medium, MediaStreamTrack | null>;
const sent = (medium: Medium) => own[medium];
let seen: string[];
let found: Candidate[];
let states: string[];
let session: PeerSession;
const browser = () => FakePeerConnection.last;

beforeEach(() => {
    vi.stubGlobal('RTCPeerConnection', FakePeerConnection);
    vi.spyOn(console, 'warn').mockImplementation(() => {});
    own = { audio: track('audio'), video: track('video'), desktop: null };
    seen = [];
    found = [];
    states = [];
    session = new PeerSession('ann', [], {
        track: (source, shown) => seen.push(`${source.ssrc}@${shown.id}`),
        state: (state) => states.push(state),
        candidate: (one) => found.push(one),
    });
});
afterEach(() => {
    session.close();
    vi.unstubAllGlobals();
});

describe('offering', () => {
    it('sends voice and camera, and a screen where the other one knows of it', async () => {
        const offer = await session.offer(sent, true);
        expect(offer.media.map(({ kind, name }) => `${kind} ${name}`)).toEqual(['audio 0', 'video 1', 'video 2']);
        expect(browser().sent).toEqual([own.audio, own.video, null]);
        const two = new PeerSession('ann', [], { track: () => {}, state: () => {}, candidate: () => {} });
        expect((await two.offer(sent, false)).media.length).toBe(2);
    });

    it('tells of the stream of a screen only when there is one', async () => {
        const offer = await session.offer(sent, true);
        expect(offer.media[2]?.sources).toEqual([]);
        expect(session.screen()).toMatchObject({ name: '2', sources: [{ name: 'ann-v1', ssrc: 3 }] });
        own.desktop = track('video');
        const sharing = new PeerSession('ann', [], { track: () => {}, state: () => {}, candidate: () => {} });
        expect((await sharing.offer(sent, true)).media[2]?.sources.length).toBe(1);
    });

    it('shows the streams of the answer', async () => {
        await session.offer(sent, true);
        await session.accepted(THREE());
        expect(browser().told).toEqual(['own offer', 'their answer']);
        expect(seen).toEqual(['51@track0', '52@track1']);
    });

    it('shows a stream that comes later, the roles staying', async () => {
        await session.offer(sent, true);
        await session.accepted(THREE());
        await session.change(new Map([['2', media('video', '2', 53).sources]]));
        expect(browser().told.slice(2)).toEqual(['own offer', 'their answer']);
        expect(seen).toContain('53@track2');
    });
});

describe('answering', () => {
    it('shows the streams of the offer, and sends on its m-lines', async () => {
        const answer = await session.answer(theirs(media('audio', '0', 51), media('video', '1', 52)), sent);
        expect(browser().told).toEqual(['their offer', 'own answer']);
        expect(browser().sent).toEqual([own.audio, own.video]);
        expect(answer.media.length).toBe(2);
        expect(seen).toEqual(['51@track0', '52@track1']);
        expect(session.screen()).toBeNull();
    });

    it('shows a stream that comes later, the roles staying', async () => {
        await session.answer(THREE(), sent);
        await session.change(new Map([['2', media('video', '2', 53).sources]]));
        expect(browser().told.slice(2)).toEqual(['their offer', 'own answer']);
        expect(seen).toContain('53@track2');
    });
});

describe('candidates', () => {
    it('of the other one wait for its description; a bad one stands alone', async () => {
        await session.offer(sent, true);
        await session.candidates([candidate('1'), candidate('2', 'BAD')]);
        expect(browser().candidates).toEqual([]);
        await session.accepted(THREE());
        await session.candidates([candidate('3')]);
        expect(browser().candidates).toEqual(['1', '3']);
    });

    it('of ours are told until the session is closed', () => {
        const line = { candidate: 'candidate:1 1 udp 1 192.0.2.1 5 typ host' };
        browser().onicecandidate({ candidate: line });
        browser().onicecandidate({ candidate: null });
        session.close();
        browser().onicecandidate({ candidate: line });
        expect(found.map(({ port }) => port)).toEqual(['5']);
    });
});

it('changes what it sends without a new description', async () => {
    await session.offer(sent, true);
    own.video = null;
    own.desktop = track('video');
    await Promise.all([session.send('video', sent), session.send('desktop', sent)]);
    expect(browser().sent).toEqual([own.audio, null, own.desktop]);
    expect(browser().told).toEqual(['own offer']);
});

it('says how its connection is until it is closed, and does nothing afterwards', async () => {
    browser().connectionState = 'connected';
    browser().onconnectionstatechange();
    session.close();
    browser().onconnectionstatechange();
    expect(states).toEqual(['connected']);
    await expect(session.offer(sent, true)).rejects.toThrow();
});
