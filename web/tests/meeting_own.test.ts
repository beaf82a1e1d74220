import { beforeEach, describe, expect, it } from 'vitest';
import type { Medium } from '../src/meeting/streams';
import { attribute, child } from '../src/meeting/xml';
import { refused, track } from './fakes';
import { meetingWorld, pass } from './meeting_world';
import { initiate, ROOM, theFocus } from './room_stanzas';

const world = meetingWorld();

/** What our last presence tells of our screen. */
function toldScreen(): unknown {
    const { link, nick } = world.outside;
    const info = child(link.presences.at(-1) ?? null, 'SourceInfo')?.textContent ?? '{}';
    return JSON.parse(info)[`${nick}-v1`];
}

const SHARED = { muted: false, videoType: 'desktop' };
const ENDED = { muted: true, videoType: 'desktop' };

async function share(): Promise<void> {
    await world.meeting.own.screen.share();
    await pass();
}

async function unshare(): Promise<void> {
    world.meeting.own.screen.unshare();
    await pass();
}

describe('our screen', () => {
    it('is told the room and then the focus, and so is its end', async () => {
        await world.joinWithSession();
        expect(toldScreen()).toBeUndefined();
        await share();
        expect(toldScreen()).toEqual(SHARED);
        await unshare();
        expect(toldScreen()).toEqual(ENDED);
        expect(world.actions).toEqual(['session-accept', 'source-add', 'source-remove']);
    });

    it('that is shared before there is a session is part of the answer, and of the next one', async () => {
        await world.join();
        await share();
        world.outside.link.deliver(initiate('s1'));
        await pass();
        world.outside.link.deliver(initiate('s2'));
        await pass();
        const accepted = world.requested('jingle').map(([, payload]) => payload);
        expect(accepted.map((payload) => attribute(payload, 'action'))).toEqual(['session-accept', 'session-accept']);
        expect(world.outside.sessions.map((session) => session.shared !== null)).toEqual([true, true]);
    });

    it('survives a new entry into the room', async () => {
        await world.joinWithSession();
        await share();
        world.outside.link.onLost();
        await pass(500);
        expect(toldScreen()).toEqual(SHARED);
    });

    it('that the focus does not take is ended and said', async () => {
        world.outside.prepare = (link) => {
            link.answer('jingle', (to, payload) =>
                attribute(payload, 'action') === 'source-add' ? refused('resource-constraint')(to, payload) : payload,
            );
        };
        await world.joinWithSession();
        await share();
        expect(world.meeting.own.sent('desktop')).toBeNull();
        expect(world.meeting.problems.list.value).toEqual(['screen-failed']);
        expect(toldScreen()).toEqual(ENDED);
    });

    it('is ended by a moderator', async () => {
        await world.joinWithSession();
        await share();
        world.outside.link.deliver(`<iq type='set' from='${ROOM}/focus' id='1'>
            <mute xmlns='http://jitsi.org/jitmeet/desktop'>true</mute></iq>`);
        expect(world.meeting.own.sent('desktop')).toBeNull();
        expect(world.meeting.own.told().video).toBe(false);
    });
});

describe('the screen of somebody else', () => {
    const [camera, screen] = [track('video'), track('video')];

    function tell(sources: object): void {
        world.outside.link.deliver(`<presence from='${ROOM}/b0b0'>
            <SourceInfo>${JSON.stringify(sources)}</SourceInfo></presence>`);
    }

    function show(name: string, ssrc: number, shown: MediaStreamTrack): void {
        const source = { kind: 'video' as const, owner: 'b0b0', name, msid: '', ssrc, rtx: null };
        world.meeting.roster.addStream(source, shown);
    }

    const seen = (medium: Medium) => world.meeting.roster.participants.value[0]?.[medium];

    beforeEach(async () => {
        await world.join();
        world.outside.link.deliver(theFocus());
        tell({ 'b0b0-v0': { muted: false, videoType: 'camera' }, 'b0b0-v1': SHARED });
        show('b0b0-v0', 1, camera);
        show('b0b0-v1', 2, screen);
    });

    it('stands beside the camera, whichever came first', () => {
        expect([seen('video'), seen('desktop')]).toEqual([camera, screen]);
        expect(seen('video')).not.toBe(seen('desktop'));
        show('b0b0-v0', 3, camera);
        expect(seen('desktop')).toBe(screen);
    });

    it('is gone as soon as its owner says so, and is never taken for the camera', () => {
        tell({ 'b0b0-v0': { muted: false, videoType: 'camera' }, 'b0b0-v1': ENDED });
        expect([seen('video') === camera, seen('desktop')]).toEqual([true, null]);
        world.meeting.roster.endStreams([2]);
        expect(seen('desktop')).toBeNull();
    });

    it('is known by its name where its owner says nothing of it, until it is withdrawn', () => {
        tell({ 'b0b0-v0': { muted: false } });
        world.meeting.roster.endStreams([2]);
        expect(world.meeting.roster.participants.value[0]?.screens).toEqual({});
        show('b0b0-v1', 4, screen);
        expect([seen('video') === camera, seen('desktop') === screen]).toEqual([true, true]);
        expect(world.meeting.roster.participants.value[0]?.screens).toEqual({ 'b0b0-v1': false });
        world.meeting.roster.endStreams([4]);
        expect([seen('desktop'), world.meeting.roster.participants.value[0]?.screens]).toEqual([null, {}]);
    });

    it('may stand in place of the camera, as older clients have it', () => {
        tell({ 'b0b0-v0': SHARED });
        world.meeting.roster.endStreams([2]);
        expect([seen('video'), seen('desktop') === camera]).toEqual([null, true]);
    });
});

describe('unmuting after a moderator muted us', () => {
    const mutedByFocus = (kind: string) => `<iq type='set' from='${ROOM}/focus' id='1'>
        <mute xmlns='http://jitsi.org/jitmeet/${kind}'>true</mute></iq>`;

    it('is told the focus, once', async () => {
        await world.join();
        world.outside.link.deliver(mutedByFocus('audio'));
        await pass();
        for (const muted of [false, true, false]) await world.meeting.own.set('audio', muted);
        const [[to, mute] = ['', null], ...more] = world.requested('mute');
        expect([to, attribute(mute, 'jid'), mute?.textContent]).toEqual([
            `${ROOM}/focus`,
            `${ROOM}/${world.outside.nick}`,
            'false',
        ]);
        expect(more).toEqual([]);
    });

    it('of the camera is told for a screen that is shared beside it, the camera staying off', async () => {
        await world.joinWithSession();
        await share();
        world.outside.link.deliver(mutedByFocus('video'));
        await pass();
        expect(world.requested('mute').map(([, mute]) => mute.textContent)).toEqual(['false']);
        const { own } = world.meeting;
        expect([own.muted.value.video, own.sent('desktop') !== null]).toEqual([true, true]);
    });

    it('is nothing to tell when nobody had muted us', async () => {
        await world.join();
        await world.meeting.own.set('audio', true);
        await world.meeting.own.set('audio', false);
        expect(world.requested('mute')).toEqual([]);
    });

    it('that the focus refuses leaves us muted', async () => {
        world.outside.prepare = (link) => link.answer('mute', refused('not-allowed'));
        await world.join();
        world.outside.link.deliver(mutedByFocus('video'));
        await pass();
        await world.meeting.own.set('video', false);
        await pass();
        expect(world.meeting.own.muted.value.video).toBe(true);
    });
});

describe('the loudspeaker', () => {
    it('that is pulled out gives way to the default one, and that is said', async () => {
        const { meeting, outside } = world;
        meeting.loudspeaker.value = 'headset';
        await world.join();
        await pass();
        expect(meeting.loudspeaker.value).toBe('headset'); // a browser that tells of none has told nothing
        const output = [{ id: 'default', label: '' }];
        outside.plugged = { audio: [], video: [], output };
        await meeting.own.plugged.refresh();
        expect([meeting.loudspeaker.value, meeting.problems.list.value]).toEqual(['', ['output-replaced']]);
    });
});
