import { beforeEach, describe, expect, it } from 'vitest';
import { DeviceError } from '../src/meeting/devices';
import type { Kind } from '../src/meeting/offer';
import { OwnMedia } from '../src/meeting/own_media';
import { track } from './fakes';

const asked: Kind[][] = [];
const told: string[] = [];
let open: (kinds: Kind[]) => Promise<MediaStreamTrack[]>;
let own: OwnMedia;

beforeEach(() => {
    asked.length = told.length = 0;
    open = async (kinds) => kinds.map(track);
    own = new OwnMedia(
        (kinds) => {
            asked.push(kinds);
            return open(kinds);
        },
        {
            changed: (kind) => told.push(`${kind} changed`),
            trouble: (kind, trouble) => told.push(`${kind} ${trouble}`),
            opened: () => {},
        },
    );
});

describe('our devices', () => {
    it('are opened with one question', async () => {
        await own.start();
        expect(asked).toEqual([['audio', 'video']]);
        expect(own.told()).toEqual({ audio: false, video: false });
    });

    it('are tried one by one when one is missing', async () => {
        open = async (kinds) => {
            if (kinds.includes('video')) throw new DeviceError('missing');
            return kinds.map(track);
        };
        await own.start();
        expect(told).toContain('video missing');
        expect(own.muted.value).toEqual({ audio: false, video: true });
        expect(own.sent('audio')).not.toBeNull();
    });

    it('are opened once, however often the button is pressed, and the last press holds', async () => {
        await own.start();
        asked.length = 0;
        await own.set('video', true);
        const presses = [false, true, false, true, false].map((muted) => own.set('video', muted));
        await Promise.all(presses);
        expect(asked.length).toBeLessThan(2);
        expect(own.sent('video')).not.toBeNull();
        await Promise.all([own.set('video', false), own.set('video', true)]);
        expect(own.sent('video')).toBeNull();
        expect(own.tracks.value.video).toBeNull();
    });

    it('are released when muted while they open', async () => {
        let ready = () => {};
        const made = track('video');
        own.muted.value = { audio: true, video: true };
        open = () => new Promise((resolve) => (ready = () => resolve([made])));
        const opening = own.set('video', false);
        const closing = own.set('video', true);
        ready();
        await Promise.all([opening, closing]);
        expect(made.readyState).toBe('ended');
        expect(own.told().video).toBe(true);
    });

    it('are released when the meeting is left while they open', async () => {
        let ready = () => {};
        const made = [track('audio'), track('video')];
        open = () => new Promise((resolve) => (ready = () => resolve(made)));
        const opening = own.start();
        own.stop();
        ready();
        await opening;
        expect(made.map((one) => one.readyState)).toEqual(['ended', 'ended']);
        expect(told).toEqual([]);
    });

    it('keep a muted microphone open and silent, but close a muted camera', async () => {
        await own.start();
        const { audio, video } = own.tracks.value;
        await own.set('audio', true);
        await own.set('video', true);
        expect([audio?.readyState, audio?.enabled]).toEqual(['live', false]);
        expect(video?.readyState).toBe('ended');
        await own.set('audio', false);
        expect([own.sent('audio'), audio?.enabled]).toEqual([audio, true]);
    });

    it('say when they are pulled out', async () => {
        await own.start();
        const audio = own.tracks.value.audio;
        audio?.stop();
        audio?.onended?.(new Event('ended'));
        expect(told).toContain('audio unplugged');
        expect(own.muted.value.audio).toBe(true);
    });
});
