// The page: which room (from the path), then the door, then the meeting.

import { effect } from '@preact/signals';
import { render } from 'preact';
import { backOff } from './meeting/back_off';
import { Meeting } from './meeting/meeting';
import { askDeployment, type Deployment, roomOf } from './meeting/place';
import './style.css';
import { Door } from './ui/Door';
import { MeetingView } from './ui/MeetingView';
import { Notice } from './ui/Notice';
import { Start } from './ui/Start';

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
        body.audioMuted = String(meeting.own.muted.value.audio);
        body.videoMuted = String(meeting.own.muted.value.video);
    });
}

function enter(deployment: Deployment, room: string): void {
    let meeting: Meeting | null = null;
    let unpublish = () => {};
    const start = (name: string): void => {
        unpublish();
        const next = new Meeting(deployment, room, name);
        meeting = next;
        unpublish = publish(next);
        // A key of its own: nothing of the meeting before stays in the view.
        render(<MeetingView key={Date.now()} meeting={next} again={() => start(next.displayName.value)} />, root);
        next.start();
    };
    addEventListener('pagehide', () => meeting?.leave());
    document.title = `${room} · carillon`;
    render(<Door room={room} enter={start} />, root);
}

async function main(): Promise<void> {
    const room = roomOf(location.pathname);
    if (!room) {
        render(<Start bad={room === null} />, root);
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
                <main class="door">
                    <Notice problem="server-gone" again={() => location.reload()} />
                </main>,
                root,
            );
            await new Promise((resolve) => setTimeout(resolve, backOff(tries)));
        }
    }
}

void main();
