import { describe, expect, it } from 'vitest';
import { meetingWorld } from './meeting_world';
import { leave, ROOM, somebody } from './room_stanzas';

const world = meetingWorld();

describe('others', () => {
    it('come, change and go', async () => {
        await world.join();
        world.outside.link.deliver(somebody('b0b0', 'Bob'));
        world.outside.link.deliver(somebody('b0b0', 'Bobby'));
        world.outside.link.deliver(somebody('c0c0', 'Cem'));
        world.outside.link.deliver(leave('b0b0', ''));
        expect(world.names).toEqual(['Cem']);
    });

    it('are shortened, and so is what they say', async () => {
        await world.join();
        world.outside.link.deliver(somebody('b0b0', 'x'.repeat(500)));
        expect(world.names[0]?.length).toBe(61);
        const body = 'y'.repeat(9000);
        world.outside.link.deliver(`<message from='${ROOM}/b0b0' type='groupchat'><body>${body}</body></message>`);
        expect(world.meeting.chat.lines.value[0]?.text.length).toBe(4001);
    });

    it('are bounded in number, and so are their lines', () => {
        const quiet = { name: 'x', moderator: false, audioMuted: true, videoMuted: true, screens: {} };
        for (let index = 0; index < 600; index++) world.meeting.roster.update({ id: `p${index}`, ...quiet });
        expect(world.names).toHaveLength(500);
        for (let index = 0; index < 700; index++) {
            world.meeting.chat.add({ from: 'a', name: 'a', text: `${index}`, at: new Date(index), own: false });
        }
        expect(world.meeting.chat.lines.value).toHaveLength(500);
        expect(world.meeting.chat.unread.value).toBe(700);
        world.meeting.chat.show(true);
        expect(world.meeting.chat.unread.value).toBe(0);
    });
});
