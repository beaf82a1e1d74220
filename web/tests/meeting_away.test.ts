import { describe, expect, it } from 'vitest';
import { refused } from './fakes';
import { meetingWorld, pass } from './meeting_world';

const world = meetingWorld();
const breaks = () => {
    world.outside.link.away = true;
    world.outside.link.onAway(true);
};
const comesBack = () => {
    world.outside.link.away = false;
    world.outside.link.onAway(false);
};

describe('a connection that breaks and comes back', () => {
    it('is not worth a word when it is short', async () => {
        await world.joinWithSession();
        breaks();
        await pass(900);
        comesBack();
        await pass(5_000);
        expect(world.meeting.phase.value).toBe('joined');
    });

    it('is said when it takes a moment, and everybody stays', async () => {
        await world.joinWithSession();
        breaks();
        await pass(1_100);
        expect(world.meeting.phase.value).toBe('resuming');
        expect(world.names).toEqual(['Bob']);
        comesBack();
        expect(world.meeting.phase.value).toBe('joined');
        expect(world.outside.links).toHaveLength(1);
        expect(world.outside.sessions.map(({ closed }) => closed)).toEqual([false]);
    });

    it('is no reason to ask whether we are in the room', async () => {
        await world.join();
        breaks();
        world.outside.link.answer('ping', refused('remote-server-timeout'));
        await pass(60_000);
        expect(world.meeting.phase.value).toBe('resuming');
        expect(world.requested('ping')).toHaveLength(0);
    });

    it('is renewed when nobody answers on it', async () => {
        await world.join();
        world.outside.link.renewable = true;
        world.outside.link.answer('ping', refused('remote-server-timeout'));
        await pass(60_000);
        expect(world.outside.links).toHaveLength(1);
        expect(world.meeting.phase.value).toBe('joined');
    });

    it('that stays broken is made anew, with a new entry into the room', async () => {
        await world.join();
        breaks();
        await pass(2_000);
        world.outside.link.onLost();
        expect(world.meeting.phase.value).toBe('reconnecting');
        await pass(1_000);
        expect(world.outside.links).toHaveLength(2);
    });

    it('lets us leave while it is broken', async () => {
        await world.join();
        breaks();
        world.meeting.leave();
        await pass(10_000);
        expect(world.meeting.phase.value).toBe('ended');
    });
});
