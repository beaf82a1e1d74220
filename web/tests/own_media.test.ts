import { beforeEach, describe, expect, it, vi } from 'vitest';
import { type Chosen, DeviceError, type DeviceList, NO_DEVICES } from '../src/meeting/devices';
import type { Kind } from '../src/meeting/offer';
import { OwnMedia } from '../src/meeting/own_media';
import { deviceTrack, track } from './fakes';

const asked: Kind[][] = [];
const told: string[] = [];
let open: (kinds: Kind[], chosen: Chosen) => Promise<MediaStreamTrack[]>;
let openScreen: () => Promise<MediaStreamTrack | null>;
let list: DeviceList;
let own: OwnMedia;

const listen = (media: OwnMedia) =>
    media.attach({
        changed: (medium) => told.push(`${medium} changed`),
        trouble: (kind, trouble) => told.push(`${kind} ${trouble}`),
        opened: () => {},
        screenFailed: () => told.push('screen failed'),
        plugged: () => {},
    });
const devices = {
    openDevices: (kinds: Kind[], chosen: Chosen) => {
        asked.push(kinds);
        return open(kinds, chosen);
    },
    openScreen: () => openScreen(),
    listDevices: async () => list,
};
/** Let what is under way finish. */
const pass = () => new Promise((resolve) => setTimeout(resolve));

beforeEach(() => {
    asked.length = told.length = 0;
    open = async (kinds) => kinds.map(track);
    openScreen = async () => track('video');
    list = NO_DEVICES;
    own = new OwnMedia(devices);
    listen(own);
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

    it('are opened by the first who asks and taken over by the next', async () => {
        const first = own.start();
        listen(own);
        await Promise.all([first, own.start()]);
        expect(asked).toEqual([['audio', 'video']]);
    });

    it('tell the next one too what is in the way', async () => {
        open = async () => Promise.reject(new DeviceError('denied'));
        await own.start();
        told.length = 0;
        listen(own);
        expect(told).toEqual(['audio denied', 'video denied']);
    });

    it('stay closed when they are muted from the start', async () => {
        own = new OwnMedia(devices, { muted: { audio: false, video: true } });
        await own.start();
        expect(asked).toEqual([['audio']]);
        expect(own.told()).toEqual({ audio: false, video: true });
    });
});

/** A computer with these devices, the first of each kind being the default. */
function plug(plugged: Record<Kind, string[]>): void {
    const named = (ids: string[]) => ids.map((id) => ({ id, label: id }));
    list = { audio: named(plugged.audio), video: named(plugged.video), output: [] };
    open = async (kinds, chosen) =>
        kinds.map((kind) => {
            const id = plugged[kind].includes(chosen[kind]) ? chosen[kind] : plugged[kind][0];
            if (!id) throw new DeviceError('missing');
            return deviceTrack(kind, id);
        });
}

const used = () => own.tracks.value.video?.getSettings().deviceId ?? null;

/** That camera is pulled out: its track ends, and the list lacks it now or a moment later. */
async function pullOut(left: string[], late = false): Promise<void> {
    const camera = own.tracks.value.video;
    const unplug = () => plug({ audio: ['mic'], video: left });
    if (!late) unplug();
    camera?.stop();
    camera?.onended?.(new Event('ended'));
    await pass();
    if (!late) return;
    unplug();
    await own.plugged.refresh();
    await pass();
}

describe('a choice of devices', () => {
    beforeEach(async () => {
        plug({ audio: ['mic', 'headset'], video: ['inner', 'outer'] });
        await own.start();
        told.length = 0;
    });

    it('holds from the next opening on, and the device before is closed', async () => {
        const before = own.tracks.value.video;
        await own.choose('video', 'outer');
        expect(used()).toBe('outer');
        expect(before?.readyState).toBe('ended');
        expect(told).toEqual(['video changed']);
    });

    it('keeps what is sent until the new device is open', async () => {
        const before = own.sent('video');
        const choosing = own.choose('video', 'outer');
        expect(own.sent('video')).toBe(before);
        await choosing;
        expect(own.sent('video')).not.toBe(before);
    });

    it('opens nothing while muted', async () => {
        await own.set('video', true);
        asked.length = 0;
        await own.choose('video', 'outer');
        expect([asked, used()]).toEqual([[], null]);
        await own.set('video', false);
        expect(used()).toBe('outer');
    });

    it('goes to the last one when somebody is in a hurry', async () => {
        await Promise.all([own.choose('audio', 'headset'), own.choose('audio', 'mic')]);
        expect(own.tracks.value.audio?.getSettings().deviceId).toBe('mic');
    });

    it('closes the old device first where only one can be open', async () => {
        const [before, opened] = [own.tracks.value.video, open];
        open = async (kinds, chosen) => {
            if (before?.readyState === 'live') throw new DeviceError('busy');
            return opened(kinds, chosen);
        };
        await own.choose('video', 'outer');
        expect([used(), told]).toEqual(['outer', ['video changed']]);
    });

    it('that is refused leaves the old device in use', async () => {
        open = async () => Promise.reject(new DeviceError('denied'));
        await own.choose('video', 'outer');
        expect([used(), own.chosen.value.video]).toEqual(['inner', '']);
        expect(told).toEqual(['video denied', 'video changed']);
    });

    it('from another day that is not there any more gives the default, and says so once', async () => {
        own = new OwnMedia(devices, { chosen: { audio: '', video: 'lost' } });
        listen(own);
        await own.start();
        expect([used(), own.chosen.value.video]).toEqual(['inner', '']);
        await own.set('video', true);
        await own.set('video', false);
        expect(told.filter((line) => line === 'video replaced')).toHaveLength(1);
    });
});

describe('a camera that is pulled out', () => {
    beforeEach(async () => {
        plug({ audio: ['mic'], video: ['inner', 'outer'] });
        await own.start();
        await own.choose('video', 'outer');
        told.length = 0;
    });

    it.each([false, true])('is replaced by the default one, the list of devices being late: %s', async (late) => {
        await pullOut(['inner'], late);
        expect([used(), own.muted.value.video]).toEqual(['inner', false]);
        expect(told.at(-1)).toBe('video changed');
        expect(told).toContain('video replaced');
    });

    it('is noticed by the list of devices alone', async () => {
        plug({ audio: ['mic'], video: ['inner'] });
        await own.plugged.refresh();
        await pass();
        expect([used(), told]).toEqual(['inner', ['video replaced', 'video changed']]);
    });

    it('is missed when there is no other one', async () => {
        await pullOut([]);
        expect([used(), own.muted.value.video]).toEqual([null, true]);
        expect(told).toEqual(['video unplugged', 'video changed']);
    });

    it('stays away when its user mutes meanwhile', async () => {
        own.tracks.value.video?.onended?.(new Event('ended'));
        await own.set('video', true);
        await pass();
        expect([used(), own.muted.value.video]).toEqual([null, true]);
    });

    it('and is still there was taken from us: nothing else is opened', async () => {
        asked.length = 0;
        own.tracks.value.video?.onended?.(new Event('ended'));
        await pass();
        await own.plugged.refresh();
        expect([asked, own.muted.value.video]).toEqual([[], true]);
        expect(told).toEqual(['video unplugged', 'video changed']);
    });
});

describe('our screen', () => {
    it('is sent beside the camera, until we stop', async () => {
        await own.start();
        await own.screen.share();
        const screen = own.sent('desktop');
        expect(screen).not.toBeNull();
        expect(own.sent('video')).not.toBe(screen);
        own.screen.unshare();
        expect([own.sent('desktop'), screen?.readyState]).toEqual([null, 'ended']);
        expect(told.filter((line) => line.startsWith('desktop'))).toEqual(['desktop changed', 'desktop changed']);
    });

    it('ends by the button of the browser too', async () => {
        await own.screen.share();
        own.tracks.value.desktop?.onended?.(new Event('ended'));
        expect(own.tracks.value.desktop).toBeNull();
        expect(told).toEqual(['desktop changed', 'desktop changed']);
    });

    it('is asked for once, however often the button is pressed', async () => {
        let questions = 0;
        openScreen = async () => {
            questions++;
            return track('video');
        };
        await Promise.all([own.screen.share(), own.screen.share()]);
        await own.screen.share();
        expect(questions).toBe(1);
    });

    it('is nothing when its user thinks better of it, and a problem when the system says no', async () => {
        vi.spyOn(console, 'warn').mockImplementation(() => {});
        openScreen = async () => null;
        await own.screen.share();
        expect(told).toEqual([]);
        openScreen = async () => Promise.reject(new DOMException('no', 'NotReadableError'));
        await own.screen.share();
        expect(told).toEqual(['screen failed']);
    });

    it('is closed when the meeting is left, also while it is being chosen', async () => {
        const made = track('video');
        let choose = () => {};
        openScreen = () => new Promise((resolve) => (choose = () => resolve(made)));
        const sharing = own.screen.share();
        own.stop();
        choose();
        await sharing;
        expect(made.readyState).toBe('ended');
        expect(own.tracks.value.desktop).toBeNull();
    });
});
