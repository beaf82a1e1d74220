// A meeting in a world of fakes, whose time stands still until a test lets it pass.

import { afterEach, beforeEach, vi } from 'vitest';
import { Meeting } from '../src/meeting/meeting';
import { attribute } from '../src/meeting/xml';
import { FakeOutside } from './fakes';
import { initiate, self, somebody, theFocus } from './room_stanzas';

const DEPLOYMENT = {
    domain: 'example',
    guest_domain: 'guest.example',
    muc: 'conference.example',
    focus: 'focus.example',
    websocket: 'ws://example/xmpp-websocket',
    p2p: false,
};

/** Let what is under way finish, and so much time pass. */
export const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

/** One meeting, made anew for each test of the file that calls `meetingWorld`. */
export class MeetingWorld {
    outside = new FakeOutside();
    meeting = new Meeting(DEPLOYMENT, 'room', 'Ann', this.outside);

    renew(): void {
        this.outside = new FakeOutside();
        this.meeting = new Meeting(DEPLOYMENT, 'room', 'Ann', this.outside);
    }

    async join(): Promise<void> {
        this.meeting.start();
        await pass();
        this.outside.link.deliver(theFocus());
        this.outside.link.deliver(self(this.outside.nick));
    }

    async joinWithSession(): Promise<void> {
        await this.join();
        this.outside.link.deliver(somebody('b0b0', 'Bob'));
        this.outside.link.deliver(initiate('s1'));
        await pass();
    }

    get names(): string[] {
        return this.meeting.roster.participants.value.map((person) => person.name);
    }

    /** The requests so far with that payload. */
    requested(payload: string): [to: string, payload: Element][] {
        return this.outside.link.requests.filter(([, asked]) => asked.localName === payload);
    }

    /** The Jingle actions that we asked for. */
    get actions(): string[] {
        return this.requested('jingle').map(([, payload]) => attribute(payload, 'action'));
    }
}

/** Set up and tear down around each test of a file. */
export function meetingWorld(): MeetingWorld {
    const world = new MeetingWorld();
    beforeEach(() => {
        vi.useFakeTimers();
        vi.spyOn(console, 'warn').mockImplementation(() => {});
        // The real one answers from a thread of its own, outside of the time of this test.
        vi.spyOn(crypto.subtle, 'digest').mockImplementation(async () => new ArrayBuffer(20));
        world.renew();
    });
    afterEach(() => {
        world.meeting.leave();
        vi.useRealTimers();
    });
    return world;
}
