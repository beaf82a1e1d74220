// What a meeting takes from outside: network, media, devices. Tests bring their own.

import type { MakeSession } from './call';
import { Connection } from './connection';
import { type OpenDevices, openDevices } from './devices';
import type { Link } from './link';
import type { Deployment } from './place';
import { MediaSession } from './session';

export interface Outside {
    connect(deployment: Deployment): Link;
    session: MakeSession;
    openDevices: OpenDevices;
}

export const BROWSER: Outside = {
    connect: (deployment) => new Connection(deployment),
    session: (offer, servers, events) => new MediaSession(offer, servers, events),
    openDevices,
};
