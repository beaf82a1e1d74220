// One direct session over Jingle: what we tell our partner of it, and what we are told.

import type { Link } from './link';
import { NS } from './namespaces';
import type { Candidate } from './offer';
import type { Event } from './p2p';
import {
    type DirectDescription,
    goingBack,
    type Parties,
    type Reason,
    readCandidates,
    readDescription,
    readSources,
    readWantsVideo,
    session,
    sourceAdd,
    terminate,
    transportInfo,
} from './p2p_jingle';
import type { DirectSession } from './p2p_session';
import type { Room } from './room';
import { attribute, child } from './xml';

export interface ExchangeEvents {
    happened(event: Event): void;
    /** Our partner wants our picture, or does not any more. */
    videoWanted(): void;
    /** Something of the session cannot be done. */
    failed(error: unknown): void;
}

/** Candidates are collected for so long before they are told. */
const TRICKLE_MS = 50;
/** Of one session: far more than a host with many networks and relays has. */
const MAX_CANDIDATES = 200;
/** Streams that come later, and what is wanted of ours: so many times in one session. */
const MAX_CHANGES = 100;

export class Exchange {
    /** The media; null = not yet. */
    direct: DirectSession | null = null;
    wantsVideo = true;
    /** What we told; our candidates go behind it. */
    private own: DirectDescription | null = null;
    private readonly candidates: Candidate[] = [];
    private theirCandidates = 0;
    private changes = 0;
    private toldScreen = false;
    private over = false;

    /** `remote`: the offer that this answers; null when the offer is ours. */
    constructor(
        private readonly link: Link,
        private readonly room: Room,
        readonly partner: string,
        readonly parties: Parties,
        public remote: DirectDescription | null,
        private readonly events: ExchangeEvents,
    ) {}

    /** Whether the session has an m-line for a screen, as those between two of our pages have. */
    get carriesScreen(): boolean {
        return this.own?.media[2] !== undefined;
    }

    /** Send the offer or the answer; rejects with a StanzaError when it is refused. */
    async tell(action: 'session-initiate' | 'session-accept', own: DirectDescription): Promise<void> {
        this.own = own;
        this.toldScreen = (own.media[2]?.sources.length ?? 0) > 0;
        const told = session(action, this.parties, this.room.occupant(this.room.id), own);
        const answered = this.link.request(this.room.occupant(this.partner), 'set', told);
        this.tellCandidates(); // behind it: our partner cannot place them before
        await answered;
    }

    /** A candidate of ours. */
    trickle(candidate: Candidate): void {
        this.candidates.push(candidate);
        if (this.candidates.length === 1) setTimeout(() => this.tellCandidates(), TRICKLE_MS);
    }

    /** We have a screen: tell of its stream, once. */
    share(): void {
        const screen = this.direct?.screen();
        if (!this.own || !screen || this.toldScreen) return;
        this.toldScreen = true;
        this.say(sourceAdd(this.parties, screen));
    }

    /** Tell another page that we go back to the bridge. lib-jitsi-meet goes back when the session ends. */
    goBack(): void {
        if (this.carriesScreen) this.say(goingBack(this.parties));
    }

    /** End the session by Jingle. */
    terminate(reason: Reason, text: string): void {
        this.say(terminate(this.parties, reason, text));
    }

    /** Nothing more is said or done. */
    close(): void {
        this.over = true;
        this.direct?.close();
    }

    /** Do something with the media, if they are there. */
    change(step: (direct: DirectSession) => Promise<void>): void {
        if (!this.direct) return;
        step(this.direct).catch((error: unknown) => {
            if (!this.over) console.warn('direct: a change failed', error);
        });
    }

    /** What to do about a stanza of our partner, read completely before it is acknowledged; null = nothing we know. */
    read(action: string, jingle: Element): (() => void) | null {
        switch (action) {
            case 'session-accept': {
                if (!this.parties.mine || this.remote) return null;
                const remote = readDescription(jingle, this.partner);
                return () => this.accepted(remote);
            }
            case 'transport-info': {
                const found = readCandidates(jingle).slice(0, MAX_CANDIDATES - this.theirCandidates);
                this.theirCandidates += found.length;
                return () => this.change((direct) => direct.candidates(found));
            }
            case 'source-add': {
                if (++this.changes > MAX_CHANGES) return null;
                const sources = readSources(jingle, this.partner, this.remote?.media ?? []);
                return () => this.change((direct) => direct.change(sources));
            }
            case 'source-remove': // the stream may come again: its presence says that it is muted
                return () => {};
            case 'session-info':
                return () => child(jingle, 'returning', NS.direct) && this.events.happened('returning');
            case 'content-modify': {
                if (++this.changes > MAX_CHANGES) return null;
                this.wantsVideo = readWantsVideo(jingle) ?? this.wantsVideo;
                return () => this.events.videoWanted();
            }
            case 'session-terminate': {
                // Once there was an answer, a session ends for other reasons, whatever is said.
                const declined = !this.remote && child(child(jingle, 'reason'), 'decline') !== null;
                return () => this.events.happened(declined ? 'declined' : 'ended');
            }
            default:
                return null;
        }
    }

    private accepted(remote: DirectDescription): void {
        this.remote = remote;
        this.direct?.accepted(remote).catch((error: unknown) => {
            if (!this.over) this.events.failed(error);
        });
    }

    private tellCandidates(): void {
        if (!this.own || this.over || this.candidates.length === 0) return;
        const name = this.own.media[0]?.name ?? '';
        this.say(transportInfo(this.parties, name, this.own.transport, this.candidates.splice(0)));
    }

    /** Nothing hangs on the result. */
    private say(jingle: Element): void {
        this.link.request(this.room.occupant(this.partner), 'set', jingle).catch((error: unknown) => {
            console.debug(`direct: ${attribute(jingle, 'action')} is refused`, error);
        });
    }
}
