import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import late from '../../tests/data/captures/ws-3tabs-staggered/0182-client-from-server-jingle-session-initiate.xml?raw';
import { parseOffer } from '../src/meeting/offer';
import { MediaSession } from '../src/meeting/session';
import type { RemoteSource } from '../src/meeting/sources';
import type { Medium } from '../src/meeting/streams';
import { track } from './fakes';
import { initiate } from './room_stanzas';
import { jingleOf } from './stanza';

/** A browser's connection that remembers what it was told and refuses descriptions with "BAD" in them. */
class FakePeerConnection {
    static last: FakePeerConnection;
    readonly offers: string[] = [];
    /** What is sent on the m-lines, by mid. */
    readonly sent = new Map<string | undefined, MediaStreamTrack | null>();
    connectionState = 'new';
    private busy = false;

    constructor() {
        FakePeerConnection.last = this;
    }

    async setRemoteDescription({ sdp }: { sdp: string }): Promise<void> {
        if (this.busy) throw new Error('two at a time');
        this.busy = true;
        await Promise.resolve();
        this.busy = false;
        if (sdp.includes('BAD')) throw new Error('bad');
        this.offers.push(sdp);
    }

    /** With an SSRC of its own on each m-line that the other side wants to receive on. */
    async createAnswer() {
        const [, ...sections] = (this.offers.at(-1) ?? '').split(/\r\n(?=m=)/);
        const answered = sections.map((section, mid) => {
            const sends = section.includes('a=recvonly') ? `a=ssrc:${100 + mid} cname:x\r\n` : '';
            return `${section.split('\r\n')[0]}\r\na=mid:${mid}\r\na=ice-ufrag:u\r\n${sends}`;
        });
        return { sdp: `v=0\r\n${answered.join('')}` };
    }

    async setLocalDescription(): Promise<void> {}

    getTransceivers() {
        const mids = [...(this.offers.at(-1) ?? '').matchAll(/a=mid:(\d+)/g)].map((match) => match[1]);
        return mids.map((mid) => {
            const replaceTrack = async (track: MediaStreamTrack | null) => void this.sent.set(mid, track);
            return { mid, sender: { replaceTrack }, receiver: { track: { id: mid } } };
        });
    }

    close(): void {}
}

const source = (owner: string, ssrc: number): RemoteSource => ({
    kind: 'audio',
    owner,
    name: `${owner}-a0`,
    msid: `${owner} t`,
    ssrc,
    rtx: null,
});

let session: MediaSession;
let seen: string[];

beforeEach(() => {
    vi.stubGlobal('RTCPeerConnection', FakePeerConnection);
    vi.spyOn(console, 'warn').mockImplementation(() => {});
    seen = [];
    session = new MediaSession(parseOffer(jingleOf(initiate('s'))), [], {
        track: ({ owner }, track) => seen.push(`${owner}@${track.id}`),
        state: () => {},
    });
});
afterEach(() => vi.unstubAllGlobals());

/** Whose streams the m-lines carry, in order; "" = free. */
function lines(): string[] {
    const [, ...sections] = (FakePeerConnection.last.offers.at(-1) ?? '').split(/\r\n(?=m=)/);
    return sections.map((section) => /cname:(\S+)/.exec(section)?.[1] ?? '');
}

const answered = () => session.accept(() => null, 'me');

describe('the media session', () => {
    it('describes the new transport of the bridge after a restart of ICE', async () => {
        await answered();
        const own = await session.restartIce({ ufrag: 'fresh', pwd: 'word', candidates: [], generation: 1 });
        expect(own).toEqual({ ufrag: 'u', pwd: '' });
        expect(FakePeerConnection.last.offers.at(-1)).toContain('a=ice-ufrag:fresh\r\n');
    });

    it('takes streams that come while it answers, one change after another', async () => {
        const accepted = answered();
        await Promise.all([accepted, session.add([source('a', 1)]), session.add([source('b', 2)])]);
        expect(lines()).toEqual(['', 'a', 'b']);
        expect(seen.at(-1)).toBe('b@2');
    });

    it('uses the m-lines of those who left again, under the same ids', async () => {
        await answered();
        await session.add([source('a', 1), source('b', 2)]);
        await session.remove(({ owner }) => owner === 'a');
        expect(lines()).toEqual(['', '', 'b']);
        await session.add([source('c', 3)]);
        expect(lines()).toEqual(['', 'c', 'b']);
        expect(seen).toContain('c@1');
    });

    it('has another stream for a moment where one returns to the m-line it left', async () => {
        await answered();
        await session.add([source('a', 7)]);
        await session.remove(({ owner }) => owner === 'a');
        await session.add([source('a', 7)]);
        const ssrcs = FakePeerConnection.last.offers.map((sdp) => /a=ssrc:(\d+) cname:a/.exec(sdp)?.[1]);
        expect(ssrcs.slice(0, 3)).toEqual([undefined, '7', undefined]);
        expect(Number(ssrcs[3])).not.toBe(7);
        expect(ssrcs.slice(4)).toEqual(['7']);
        await session.add([source('b', 8)]);
        expect(FakePeerConnection.last.offers).toHaveLength(6);
    });

    it('goes on without a stream that the browser refuses', async () => {
        await answered();
        await session.add([source('a', 1), source('BAD', 2), source('b', 3)]);
        expect(lines()).toEqual(['', 'a', 'b']);
        await session.remove(({ owner }) => owner === 'a');
        expect(lines()).toEqual(['', '', 'b']);
    });

    it('takes no SSRC twice and no kind that was not offered', async () => {
        await answered();
        await session.add([
            source('a', 1),
            source('b', 1),
            { ...source('c', 2), rtx: 1 },
            { ...source('d', 4), kind: 'video' },
        ]);
        expect(lines()).toEqual(['', 'a']);
    });

    it('refuses everything once it is closed', async () => {
        await answered();
        session.close();
        await expect(session.add([source('a', 1)])).rejects.toThrow('closed');
    });
});

describe('our screen', () => {
    const screen = track('video');
    const shared = (medium: Medium) => (medium === 'desktop' ? screen : null);
    const nothing = () => null;
    const directions = () => [...(connection().offers.at(-1) ?? '').matchAll(/a=(recvonly|sendonly|inactive)/g)];
    const connection = () => FakePeerConnection.last;

    beforeEach(() => {
        const offer = { ...parseOffer(jingleOf(late)), sources: [] };
        session = new MediaSession(offer, [], { track: () => {}, state: () => {} });
    });

    it('gets an m-line of its own, and the focus a source to tell of', async () => {
        await session.accept(nothing, 'me');
        const { added, removed } = await session.share(shared);
        expect(added).toMatchObject({ name: 'me-v1', videoType: 'desktop', kind: 'video', ssrcs: [102] });
        expect(removed).toBeNull();
        expect(connection().sent.get('2')).toBe(screen);
    });

    it('is withdrawn, and its m-line used by the next one', async () => {
        await session.accept(nothing, 'me');
        await session.share(shared);
        await session.add([{ ...source('a', 1), kind: 'video' }]);
        const { added, removed } = await session.share(nothing);
        expect([added, removed?.ssrcs]).toEqual([null, [102]]);
        expect(connection().sent.get('2')).toBeNull();
        expect(directions().map(([, one]) => one)).toEqual(['recvonly', 'recvonly', 'inactive', 'sendonly']);
        expect((await session.share(shared)).added?.ssrcs).toEqual([102]);
        expect(directions()).toHaveLength(4);
    });

    it('is one of the answer when it is shared already', async () => {
        const { sources } = await session.accept(shared, 'me');
        expect(sources.map(({ name }) => name)).toEqual(['me-a0', 'me-v0', 'me-v1']);
        expect(await session.share(shared)).toEqual({ added: null, removed: null });
        expect((await session.share(nothing)).removed?.name).toBe('me-v1');
    });

    it('that the browser refuses leaves all as it was', async () => {
        await session.accept(nothing, 'me');
        vi.spyOn(connection(), 'setRemoteDescription').mockRejectedValueOnce(new Error('no'));
        await expect(session.share(shared)).rejects.toThrow('no');
        await session.add([{ ...source('a', 1), kind: 'video' }]);
        expect(directions().map(([, one]) => one)).toEqual(['recvonly', 'recvonly', 'sendonly']);
    });

    it('needs a focus that offers video', async () => {
        session = new MediaSession(parseOffer(jingleOf(initiate('s'))), [], { track: () => {}, state: () => {} });
        expect((await session.accept(shared, 'me')).sources.map(({ name }) => name)).toEqual(['me-a0']);
        await expect(session.share(shared)).rejects.toThrow('no video');
    });
});
