import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseOffer } from '../src/meeting/offer';
import { MediaSession } from '../src/meeting/session';
import type { RemoteSource } from '../src/meeting/sources';
import { initiate } from './room_stanzas';
import { jingleOf } from './stanza';

/** A browser's connection that remembers what it was told and refuses descriptions with "BAD" in them. */
class FakePeerConnection {
    static last: FakePeerConnection;
    readonly offers: string[] = [];
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

    async createAnswer() {
        return { sdp: 'v=0\r\nm=audio 9 X 111\r\na=mid:0\r\na=ice-ufrag:u\r\n' };
    }

    async setLocalDescription(): Promise<void> {}

    getTransceivers() {
        const mids = [...(this.offers.at(-1) ?? '').matchAll(/a=mid:(\d+)/g)].map((match) => match[1]);
        return mids.map((mid) => ({ mid, sender: { replaceTrack: async () => {} }, receiver: { track: { id: mid } } }));
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
