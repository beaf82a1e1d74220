// The page: which room (from the path), then the door, then the meeting.

import { effect } from '@preact/signals';
import { render } from 'preact';
import type { Deployment } from './meeting/connection';
import { Meeting } from './meeting/meeting';
import './style.css';
import { Door } from './ui/Door';
import { MeetingView } from './ui/MeetingView';
import { Start } from './ui/Start';
import { Notice } from './ui/Notice';

const root = document.getElementById('app')!;

/** The state of the meeting on the body: for style sheets, and for those who drive the page by script. */
function publish(meeting: Meeting): void {
    effect(() => {
        const body = document.body.dataset;
        body.state = meeting.phase.value;
        body.problems = meeting.problems.value.join(' ');
        body.me = meeting.me.value;
        body.role = meeting.moderator.value ? 'moderator' : 'participant';
        body.speaker = meeting.speaker.value;
        body.audioMuted = String(meeting.muted.value.audio);
        body.videoMuted = String(meeting.muted.value.video);
    });
}

function enter(deployment: Deployment, room: string): void {
    const start = (name: string): void => {
        const meeting = new Meeting(deployment, room.toLowerCase(), name);
        publish(meeting);
        render(<MeetingView meeting={meeting} again={() => start(name)} />, root);
        void Promise.all([meeting.open('audio'), meeting.open('video')]).then(() => meeting.join());
        addEventListener('pagehide', () => meeting.leave(), { once: true });
    };
    document.title = `${room} · carillon`;
    render(<Door room={room} enter={start} />, root);
}

async function main(): Promise<void> {
    const room = decodeURIComponent(location.pathname.slice(1));
    if (!room) {
        render(<Start />, root);
        return;
    }
    try {
        const answer = await fetch('/carillon.json');
        enter(await answer.json() as Deployment, room);
    } catch {
        render(<Notice problem="server-gone" again={() => location.reload()} />, root);
    }
}

void main();
