// What a meeting takes from outside: network, media, devices. Tests bring their own.

import type { MakeSession } from './call';
import { Connection } from './connection';
import { listDevices, openDevices, openScreen } from './devices';
import type { Link } from './link';
import type { Devices } from './own_media';
import { type MakeDirect, PeerSession } from './p2p_session';
import type { Deployment } from './place';
import { MediaSession } from './session';

export interface Outside extends Devices {
    connect(deployment: Deployment): Link;
    session: MakeSession;
    direct: MakeDirect;
}

export const BROWSER: Outside = {
    connect: (deployment) => new Connection(deployment),
    session: (offer, servers, events) => new MediaSession(offer, servers, events),
    direct: (endpoint, servers, events) => new PeerSession(endpoint, servers, events),
    openDevices,
    openScreen,
    listDevices,
};
