// What moderators order: a microphone, a camera or a screen goes off here until we switch it on again.

import { asks, type Link, refuse, reply } from './link';
import { NS } from './namespaces';
import type { Kind } from './offer';
import type { OwnMedia } from './own_media';
import type { Room } from './room';
import type { Medium } from './streams';
import { textOf } from './xml';

export class MuteOrders {
    /** What a moderator muted and we have not unmuted since. */
    private readonly standing = new Set<Kind>();

    constructor(private readonly own: OwnMedia) {}

    /** Obey the focus of that room, and nobody else. */
    obey(link: Link, room: Room): void {
        const orders = { audio: NS.muteAudio, video: NS.muteVideo, desktop: NS.muteDesktop };
        for (const medium of ['audio', 'video', 'desktop'] as const)
            link.on('iq', orders[medium], (iq) => this.take(link, room, iq, medium));
    }

    /** What we send has changed: with an order that we do not follow any more comes its end. */
    review(room: Room | null): void {
        for (const kind of this.standing) if (this.sends(kind)) this.end(kind, room);
    }

    /** The next entry is somebody else to the focus. */
    forget(): void {
        this.standing.clear();
    }

    private take(link: Link, room: Room, iq: Element, medium: Medium): void {
        if (!asks(iq)) return;
        if (!room.isFromFocus(iq)) {
            refuse(link, iq, 'auth', 'forbidden');
            return;
        }
        reply(link, iq);
        if (textOf(iq, 'mute').trim() !== 'true') return;
        if (medium === 'desktop') {
            this.own.screen.unshare();
        } else {
            this.standing.add(medium);
            void this.own.set(medium, true);
        }
    }

    /** A screen is video: what was ordered of the camera alone keeps the bridge from forwarding it. */
    private sends(kind: Kind): boolean {
        return this.own.sent(kind) !== null || (kind === 'video' && this.own.sent('desktop') !== null);
    }

    /** Who was muted by order tells the focus of the end of that, and it may say no. */
    private end(kind: Kind, room: Room | null): void {
        this.standing.delete(kind);
        room?.unmute(kind).catch(() => {
            void this.own.set(kind, true);
            if (kind === 'video') this.own.screen.unshare();
        });
    }
}
