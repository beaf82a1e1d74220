// The call with the focus: it offers a session, we answer; it tells what comes and goes; what breaks is asked for anew.

import { type LocalSource, restartRequest, sessionAccept, sourceChange } from './accept';
import { BridgeChannel, type Wanted } from './channel';
import { IceRestarts, iceRestartAnswer, iceRestartRequest, parseIceRestart } from './ice_restart';
import { asks, type Link, refuse, reply } from './link';
import { NS } from './namespaces';
import { type FreshTransport, type Offer, parseOffer } from './offer';
import type { Relays } from './relays';
import type { Room } from './room';
import type { SentTrack, Session, SessionEvents } from './session';
import { parseSources, type RemoteSource } from './sources';
import type { Medium } from './streams';
import { attribute, child } from './xml';

/** How media stand: there is no session, it is being made or works, it is interrupted, or has to be made anew. */
export type MediaState = 'none' | 'well' | 'interrupted' | 'failed';

export interface CallEvents {
    track(source: RemoteSource, track: MediaStreamTrack): void;
    /** These streams ended; all of them when the session did. */
    ended(ssrcs: number[] | 'all'): void;
    speaker(endpoint: string): void;
    state(state: MediaState): void;
    /** Our screen does not get into the meeting: the browser or the focus does not take it. */
    screenRefused(): void;
    /** The focus does not help us on: only a new entry into the room can. */
    lost(): void;
}

export type MakeSession = (offer: Offer, servers: RTCIceServer[], events: SessionEvents) => Session;

/** Time before each next restart request; the focus grants five in a minute, at least five seconds apart. */
const RESTART_DELAYS_MS = [2_000, 8_000, 16_000, 32_000, 60_000];
/** So long may the focus take to offer a new session. */
const OFFER_TIMEOUT_MS = 20_000;

interface Current {
    offer: Offer;
    session: Promise<Session | null>;
    channel: BridgeChannel | null;
    iceRestarts: IceRestarts;
    /** Of the newest restart of ICE. */
    generation: number;
}

export class Call {
    private current: Current | null = null;
    private wanted: Wanted | null = null;
    private restarts = 0;
    private timer: ReturnType<typeof setTimeout> | undefined;

    constructor(
        private readonly link: Link,
        private readonly room: Room,
        private readonly relays: Relays,
        private readonly sent: SentTrack,
        private readonly make: MakeSession,
        private readonly events: CallEvents,
    ) {
        link.on('iq', NS.jingle, (iq) => this.jingle(iq));
    }

    /** What is sent of that has changed. A screen is a stream more or less, which the focus has to know. */
    send(medium: Medium): void {
        if (medium === 'desktop') this.change((session) => this.share(session));
        else this.change((session) => session.send(medium, this.sent));
    }

    /** Somebody left: the focus tells of no stream that ends by that. */
    forget(owner: string): void {
        this.change((session) => session.remove((source) => source.owner === owner));
    }

    receive(wanted: Wanted): void {
        this.wanted = wanted;
        this.current?.channel?.receive(wanted);
    }

    /** The connection to the server was broken: so is what leads to the bridge on the same way. */
    renewChannel(): void {
        this.current?.channel?.renew();
    }

    /** What the browser counts of the session; null = there is none. */
    async statistics(): Promise<RTCStatsReport | null> {
        const session = await this.current?.session;
        return session ? session.statistics() : null;
    }

    close(): void {
        clearTimeout(this.timer);
        const { current } = this;
        if (!current) return;
        this.current = null;
        current.channel?.close();
        current.iceRestarts.stop();
        void current.session.then((session) => session?.close());
        this.events.ended('all');
    }

    private jingle(iq: Element): void {
        const jingle = child(iq, 'jingle', NS.jingle);
        if (!jingle || !asks(iq) || !this.room.isFromFocus(iq)) return; // others': see p2p_pair
        const action = attribute(jingle, 'action');
        const known = attribute(jingle, 'sid') === this.current?.offer.sid;
        if (action !== 'session-initiate' && !known) {
            refuse(this.link, iq, 'cancel', 'item-not-found');
            return;
        }
        const act = this.action(action, jingle);
        if (!act) {
            refuse(this.link, iq, 'cancel', 'feature-not-implemented');
            return;
        }
        reply(this.link, iq);
        act();
    }

    /** What to do about it, read completely before it is acknowledged; null = nothing we know. */
    private action(action: string, jingle: Element): (() => void) | null {
        switch (action) {
            case 'session-initiate': {
                const offer = parseOffer(jingle);
                return () => this.begin(offer);
            }
            case 'source-add': {
                const sources = parseSources(jingle);
                return () => this.change((session) => session.add(sources));
            }
            case 'source-remove': {
                const gone = parseSources(jingle).map((source) => source.ssrc);
                return () => this.withdraw(gone);
            }
            case 'session-terminate':
                return () => {
                    this.close();
                    this.events.state('none');
                };
            case 'transport-info': {
                const fresh = parseIceRestart(jingle);
                return () => fresh && this.restartIce(fresh);
            }
            case 'session-info':
                return () => {};
            default:
                return null;
        }
    }

    private begin(offer: Offer): void {
        this.close();
        const iceRestarts = new IceRestarts(
            () => this.link.request(this.room.focus, 'set', iceRestartRequest(offer)),
            () => this.recover(current, this.restarts === 0 ? 'interrupted' : 'failed'),
        );
        const current: Current = {
            offer,
            session: Promise.resolve(null),
            channel: null,
            iceRestarts,
            generation: 0,
        };
        this.current = current;
        current.session = this.open(current).catch((error: unknown) => {
            console.warn('no session', error);
            this.recover(current, 'failed');
            return null;
        });
    }

    private async open(current: Current): Promise<Session | null> {
        const servers = await this.relays.current();
        if (this.current !== current) return null;
        const session = this.make(current.offer, servers, {
            track: (source, track) => {
                if (this.current === current) this.events.track(source, track);
            },
            state: (state) => this.changed(current, state),
        });
        if (current.offer.transport.webSocket) {
            current.channel = new BridgeChannel(current.offer.transport.webSocket, {
                dominantSpeaker: (endpoint) => this.events.speaker(endpoint),
            });
            if (this.wanted) current.channel.receive(this.wanted);
        }
        void this.accept(current, session);
        return session;
    }

    private async accept(current: Current, session: Session): Promise<void> {
        try {
            const answer = await session.accept(this.sent, this.room.id);
            if (this.current !== current) return;
            const accept = sessionAccept(current.offer, this.link.jid, answer);
            await this.link.request(this.room.focus, 'set', accept);
            const screen = answer.sources.find(({ videoType }) => videoType === 'desktop');
            if (screen) current.channel?.showsScreen(screen.name);
        } catch (error) {
            if (this.current !== current) return;
            console.warn('the answer failed', error);
            this.recover(current, 'failed');
        }
    }

    /** Do something with the session, when it is there and still the same. */
    private change(step: (session: Session) => Promise<void>): void {
        const { current } = this;
        void current?.session
            .then((session) => (session && this.current === current ? step(session) : undefined))
            .catch((error: unknown) => {
                if (this.current === current) console.warn('a change of the session failed', error);
            });
    }

    private async share(session: Session): Promise<void> {
        const { current } = this;
        try {
            const { added, removed } = await session.share(this.sent);
            if (removed) await this.tell(current, 'source-remove', removed);
            if (added) await this.tell(current, 'source-add', added);
        } catch (error) {
            if (this.current !== current) return;
            console.warn('no screen', error);
            this.events.screenRefused();
        }
    }

    private async tell(current: Current | null, action: 'source-add' | 'source-remove', source: LocalSource) {
        if (!current || this.current !== current) return;
        await this.link.request(this.room.focus, 'set', sourceChange(current.offer, action, source));
        if (action === 'source-add') current.channel?.showsScreen(source.name);
    }

    private withdraw(ssrcs: number[]): void {
        const gone = new Set(ssrcs);
        this.events.ended(ssrcs);
        this.change((session) => session.remove((source) => gone.has(source.ssrc)));
    }

    private changed(current: Current, state: RTCPeerConnectionState): void {
        if (this.current !== current) return;
        if (state === 'connected') {
            this.restarts = 0;
            clearTimeout(this.timer);
            this.events.state('well');
        } else if (state === 'disconnected' || state === 'failed') {
            this.events.state(this.restarts === 0 ? 'interrupted' : 'failed');
        }
        current.iceRestarts.state(state);
    }

    private restartIce(fresh: FreshTransport): void {
        const { current } = this;
        if (!current || fresh.generation <= current.generation) return;
        current.generation = fresh.generation;
        this.change(async (session) => {
            const own = await session.restartIce(fresh);
            const answer = iceRestartAnswer(current.offer, own, fresh.generation);
            await this.link.request(this.room.focus, 'set', answer);
        });
    }

    /** Ask for a new session after a while that grows; without an offer after that, enter the room anew. */
    private recover(current: Current, state: MediaState): void {
        if (this.current !== current) return;
        this.events.state(state);
        const delay = RESTART_DELAYS_MS[Math.min(this.restarts++, RESTART_DELAYS_MS.length - 1)];
        clearTimeout(this.timer);
        this.timer = setTimeout(() => void this.restart(current), delay);
    }

    private async restart(current: Current): Promise<void> {
        if (this.current !== current) return;
        this.timer = setTimeout(() => this.events.lost(), OFFER_TIMEOUT_MS);
        try {
            await this.link.request(this.room.focus, 'set', restartRequest(current.offer));
        } catch (error) {
            if (this.current !== current) return;
            console.warn('no new session', error);
            clearTimeout(this.timer);
            this.events.lost();
        }
    }
}
