// What can stand in the way of a meeting, and which answer of the server means which of it.

import type { DeviceTrouble } from './devices';
import type { Kind } from './offer';

/** What stands in the way, named; the page has the words for each. */
export type Problem =
    | 'server-gone'
    | 'guests-refused'
    | 'no-focus'
    | 'login-needed'
    | 'room-full'
    | 'room-password'
    | 'room-members-only'
    | 'room-name'
    | 'room-closed'
    | 'refused'
    | 'kicked'
    | 'banned'
    | BridgeProblem
    | 'media-interrupted'
    | 'media-failed'
    | 'chat-refused'
    | 'screen-failed'
    | 'output-replaced'
    | `${Kind}-${DeviceTrouble}`;

/** Why no bridge carries the meeting's sound and pictures. */
export type BridgeProblem = 'no-bridge' | 'bridge-deaf' | 'bridge-draining' | 'bridge-full';

/** The same by the word of the focus's presence. */
export const BRIDGE_TROUBLES: Readonly<Record<string, BridgeProblem>> = {
    down: 'no-bridge',
    deaf: 'bridge-deaf',
    draining: 'bridge-draining',
    full: 'bridge-full',
};

/** A problem after which trying again by itself is of no use: the page says so and waits for its user. */
export class Refusal extends Error {
    constructor(readonly problem: Problem) {
        super(problem);
    }
}

/** Errors of a conference request that stay (everything else may pass: the page asks again). */
export const CONFERENCE_ERRORS: Readonly<Record<string, Problem>> = {
    'resource-constraint': 'room-full',
    'not-allowed': 'refused',
    'not-authorized': 'login-needed',
    'bad-request': 'room-name',
    'jid-malformed': 'room-name',
};

/** Errors of joining a room that stay (XEP-0045 §7.2). A conflict is none: the next nick is another one. */
export const JOIN_ERRORS: Readonly<Record<string, Problem>> = {
    'not-authorized': 'room-password',
    'registration-required': 'room-members-only',
    forbidden: 'banned',
    'service-unavailable': 'room-full',
    'not-allowed': 'refused',
    'not-acceptable': 'refused',
    'jid-malformed': 'room-name',
};

/** Why the room let us go (XEP-0045 §9, status codes), where it is for good. */
export const REMOVALS: Readonly<Record<string, Problem>> = {
    kicked: 'kicked',
    banned: 'banned',
    destroyed: 'room-closed',
    'members-only': 'room-members-only',
};
