import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { listDevices, openDevices, openScreen } from '../src/meeting/devices';
import { loudness } from '../src/ui/loudness';
import { deviceTrack } from './fakes';

/** What the browser was asked for. */
let asked: MediaStreamConstraints[];
let answer: (wanted: MediaStreamConstraints) => MediaStreamTrack[];
let share: () => MediaStreamTrack[];

beforeEach(() => {
    asked = [];
    answer = () => [deviceTrack('video', 'inner')];
    share = () => [deviceTrack('video', 'screen')];
    const mediaDevices = {
        getUserMedia: async (wanted: MediaStreamConstraints) => {
            asked.push(wanted);
            const tracks = answer(wanted);
            return { getTracks: () => tracks };
        },
        getDisplayMedia: async (wanted: MediaStreamConstraints) => {
            asked.push(wanted);
            const tracks = share();
            return { getTracks: () => tracks };
        },
        enumerateDevices: async () => [
            { kind: 'videoinput', deviceId: 'inner', label: 'Inner' },
            { kind: 'audiooutput', deviceId: 'box', label: '' },
            { kind: 'audioinput', deviceId: '', label: '' },
        ],
    };
    vi.stubGlobal('navigator', { mediaDevices });
});
afterEach(() => vi.unstubAllGlobals());

const refuse = (name: string, message = '') => {
    throw new DOMException(message, name);
};
const NONE = { audio: '', video: '' };

describe('opening a device', () => {
    it('leaves to the browser what it does against noise', async () => {
        await openDevices(['audio'], NONE);
        expect(asked).toEqual([
            { audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } },
        ]);
    });

    it('insists on the one that was chosen, for each kind', async () => {
        await openDevices(['audio', 'video'], { audio: '', video: 'outer' });
        expect(asked).toMatchObject([{ video: { deviceId: { exact: 'outer' } } }]);
        expect(asked[0]?.audio).not.toHaveProperty('deviceId');
    });

    it.each(['OverconstrainedError', 'NotFoundError'])('takes another one where that is missing: %s', async (name) => {
        answer = ({ video }) =>
            'exact' in ((video as MediaTrackConstraints).deviceId as object)
                ? refuse(name)
                : [deviceTrack('video', 'inner')];
        expect(await openDevices(['video'], { audio: '', video: 'lost' })).toHaveLength(1);
        expect(asked).toMatchObject([{}, { video: { deviceId: { ideal: 'lost' } } }]);
    });

    it.each([
        ['NotAllowedError', 'denied'],
        ['NotFoundError', 'missing'],
        ['NotReadableError', 'busy'],
    ])('names what is in the way: %s is %s', async (name, trouble) => {
        answer = () => refuse(name);
        await expect(openDevices(['video'], NONE)).rejects.toMatchObject({ trouble });
        expect(asked).toHaveLength(1);
    });

    it('is nothing for pages without a safe way to here', async () => {
        vi.stubGlobal('navigator', {});
        await expect(openDevices(['video'], NONE)).rejects.toMatchObject({ trouble: 'insecure' });
        expect(await listDevices()).toEqual({ audio: [], video: [], output: [] });
    });
});

describe('the list of devices', () => {
    it('has those that the browser tells apart', async () => {
        expect(await listDevices()).toEqual({
            audio: [],
            video: [{ id: 'inner', label: 'Inner' }],
            output: [{ id: 'box', label: '' }],
        });
    });
});

describe('opening a screen', () => {
    it('wants it to be readable, and no sound', async () => {
        const track = await openScreen();
        expect(track?.contentHint).toBe('detail');
        expect(asked).toMatchObject([{ audio: false }]);
    });

    it('is no failure when its user says no, but one when the system does', async () => {
        share = () => refuse('NotAllowedError', 'Permission denied');
        expect(await openScreen()).toBeNull();
        share = () => refuse('NotAllowedError', 'Permission denied by system');
        await expect(openScreen()).rejects.toThrow('system');
        share = () => refuse('NotReadableError');
        await expect(openScreen()).rejects.toThrow();
    });
});

describe('the loudness of a microphone', () => {
    const samples = (amplitude: number) => new Float32Array(64).fill(amplitude);

    it('goes from nothing to everything in even steps of dB', () => {
        expect([0, 0.0001, 1, 2].map((amplitude) => loudness(samples(amplitude)))).toEqual([0, 0, 1, 1]);
        expect(loudness(samples(0.1))).toBeCloseTo(2 / 3);
        expect(loudness(samples(0.01))).toBeCloseTo(1 / 3);
    });
});
