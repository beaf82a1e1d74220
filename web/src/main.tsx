// The page: which room (from the path), then the door, then the meeting.

import { effect } from '@preact/signals';
import { render } from 'preact';
import { backOff } from './meeting/back_off';
import { Meeting } from './meeting/meeting';
import { BROWSER } from './meeting/outside';
import { OwnMedia } from './meeting/own_media';
import { askDeployment, type Deployment, roomOf } from './meeting/place';
import type { Muted } from './meeting/room';
import './style.css';
import { rememberedDirect } from './ui/Direct';
import { Door } from './ui/Door';
import { Foyer } from './ui/Foyer';
import { MeetingView } from './ui/MeetingView';
import { Notice } from './ui/Notice';
import { rememberedDevice, rememberedDevices } from './ui/own_devices';
import { Start } from './ui/Start';
import { followLook } from './ui/theme';

const root = document.getElementById('app') as HTMLElement;

/** The state of the meeting on the body: for style sheets, and for those who drive the page by script. */
function publish(meeting: Meeting): () => void {
    return effect(() => {
        const body = document.body.dataset;
        body.state = meeting.phase.value;
        body.problems = meeting.problems.list.value.join(' ');
        body.me = meeting.me.value;
        body.role = meeting.moderator.value ? 'moderator' : 'participant';
        body.speaker = meeting.speaker.value;
        body.way = meeting.way.value;
        body.audioMuted = String(meeting.own.muted.value.audio);
        body.videoMuted = String(meeting.own.muted.value.video);
        body.sharing = String(meeting.own.tracks.value.desktop !== null);
    });
}

function enter(deployment: Deployment, room: string): void {
    let meeting: Meeting | null = null;
    let unpublish = () => {};
    const start = (name: string, own: OwnMedia): void => {
        unpublish();
        const next = new Meeting(deployment, room, name, BROWSER, own);
        next.loudspeaker.value = rememberedDevice('output');
        next.p2p.value = rememberedDirect();
        meeting = next;
        unpublish = publish(next);
        // Who left with the camera off does not come back with it on.
        const again = () => start(next.displayName.value, ownMedia(own.muted.value));
        // A key of its own: nothing of the meeting before stays in the view.
        render(<MeetingView key={Date.now()} meeting={next} again={again} />, root);
        next.start();
    };
    addEventListener('pagehide', () => meeting?.leave());
    document.title = `${room} · carillon`;
    const own = ownMedia();
    void own.start();
    render(
        <Foyer>
            <Door room={room} own={own} enter={(name) => start(name, own)} />
        </Foyer>,
        root,
    );
}

function ownMedia(muted?: Muted): OwnMedia {
    return new OwnMedia(BROWSER, { chosen: rememberedDevices(), ...(muted && { muted }) });
}

async function main(): Promise<void> {
    const room = roomOf(location.pathname);
    if (!room) {
        render(
            <Foyer>
                <Start bad={room === null} />
            </Foyer>,
            root,
        );
        return;
    }
    enter(await deployment(), room);
}

/** What the front tells; asked again and again while it does not answer. */
async function deployment(): Promise<Deployment> {
    for (let tries = 0; ; tries++) {
        try {
            return await askDeployment();
        } catch (error) {
            console.warn('no deployment', error);
            render(
                <Foyer>
                    <main class="door">
                        <Notice problem="server-gone" again={() => location.reload()} />
                    </main>
                </Foyer>,
                root,
            );
            await new Promise((resolve) => setTimeout(resolve, backOff(tries)));
        }
    }
}

followLook();
void main();
