// What the page says when something is in the way: what it is, and what to do.

import { StanzaError } from '../meeting/link';
import type { Problem } from '../meeting/problems';

export const PROBLEMS: Record<Problem, string> = {
    'server-gone':
        'The connection to the server is lost. The page tries again by itself; check your network if this stays.',
    'guests-refused':
        'The server lets no guests in just now. The page tries again by itself; ask its operator if this stays.',
    'no-focus':
        'The meeting service does not answer just now. The page tries again by itself; who is connected stays connected.',
    'login-needed': 'Only people with an account open this room. Wait until one of them is there, then try again.',
    'room-full': 'This room is full. Wait until somebody leaves, then join again.',
    'room-password': 'This room has a password, which this page cannot ask for. Ask its owner to open the room.',
    'room-members-only': 'This room is for its members only. Ask its owner to let you in.',
    'room-name': 'The server does not accept this room name. Choose another one.',
    'room-closed': 'This room was closed.',
    refused: 'The server does not let you into this room. Ask the person who invited you.',
    kicked: 'A moderator removed you from this meeting.',
    banned: 'You are banned from this room. Ask its owner if that is a mistake.',
    'no-bridge':
        'The media server does not answer just now: you stay in the room, sound and pictures come when it is back.',
    'media-interrupted': 'Sound and pictures are interrupted. The page is getting them back; you stay in the room.',
    'media-failed':
        'Sound and pictures do not reach you through your network. The page tries again; another network may help.',
    'chat-refused': 'Your message was not delivered. Send it again.',
    'audio-denied':
        'The browser does not let this page use the microphone. Allow it in the address bar, then switch the microphone on.',
    'audio-missing': 'No microphone was found. You hear the others; plug one in and switch the microphone on to speak.',
    'audio-busy':
        'The microphone cannot be opened: another program may be using it. Close that program, then switch the microphone on.',
    'audio-insecure':
        'Browsers open microphones on secure pages only. Open this page by HTTPS, or on this machine as localhost.',
    'audio-unplugged': 'The microphone is gone. Plug it in again, or another one, then switch the microphone on.',
    'video-denied':
        'The browser does not let this page use the camera. Allow it in the address bar, then switch the camera on.',
    'video-missing': 'No camera was found. The others hear you; plug one in and switch the camera on to be seen.',
    'video-busy':
        'The camera cannot be opened: another program may be using it. Close that program, then switch the camera on.',
    'video-insecure':
        'Browsers open cameras on secure pages only. Open this page by HTTPS, or on this machine as localhost.',
    'video-unplugged': 'The camera is gone. Plug it in again, or another one, then switch the camera on.',
};

export const AUTOPLAY_BLOCKED = 'The browser holds the sound back until you click.';
export const BAD_ADDRESS =
    'This address names no room: a name has no spaces, slashes, quotes, or any of & < > : @. Choose another one.';

const REFUSALS: Record<string, string> = {
    'not-allowed': 'The server does not allow that: only moderators may, and not everybody can be moderated.',
    forbidden: 'The server does not allow that: only moderators may.',
    'item-not-found': 'That person is not in the room any more.',
    'remote-server-timeout': 'The server did not answer in time. Try again.',
};

/** Why something that was asked for did not happen. */
export function refusal(error: unknown): string {
    if (!(error instanceof StanzaError)) return 'That did not work. Try again.';
    return REFUSALS[error.condition] ?? `The server refused that (${error.condition}).`;
}
