// What the page says when something is in the way: what it is, and what to do.

import type { Problem } from '../meeting/meeting';

export const PROBLEMS: Record<Problem, string> = {
    'server-gone': 'The connection to the server is lost. The page tries again by itself; check your network if this stays.',
    'room-full': 'This room is full. Wait until somebody leaves, then join again.',
    'refused': 'The server does not let you into this room. Ask the person who invited you.',
    'kicked': 'A moderator removed you from this meeting.',
    'room-closed': 'This room was closed.',
    'no-bridge': 'The media server does not answer just now: you stay in the room, sound and pictures come when it is back.',
    'media-failed': 'Sound and pictures cannot reach you through your network. The page tries again; another network may help.',
    'audio-denied': 'The browser does not let this page use the microphone. Allow it in the address bar, then switch the microphone on.',
    'audio-missing': 'No microphone was found. You hear the others; plug one in and switch the microphone on to speak.',
    'audio-busy': 'The microphone cannot be opened: another program may be using it. Close that program, then switch the microphone on.',
    'audio-insecure': 'Browsers open microphones on secure pages only. Open this page by HTTPS, or on this machine as localhost.',
    'video-denied': 'The browser does not let this page use the camera. Allow it in the address bar, then switch the camera on.',
    'video-missing': 'No camera was found. The others hear you; plug one in and switch the camera on to be seen.',
    'video-busy': 'The camera cannot be opened: another program may be using it. Close that program, then switch the camera on.',
    'video-insecure': 'Browsers open cameras on secure pages only. Open this page by HTTPS, or on this machine as localhost.',
};

export const AUTOPLAY_BLOCKED = 'The browser holds the sound back until you click.';
