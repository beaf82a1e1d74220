// A network, media and devices without a browser.

import type { LocalAnswer, LocalSource } from '../src/meeting/accept';
import { type DeviceList, NO_DEVICES } from '../src/meeting/devices';
import { type Link, StanzaError, type StanzaName } from '../src/meeting/link';
import type { Candidate, Credentials, FreshTransport, Kind, Offer } from '../src/meeting/offer';
import type { Outside } from '../src/meeting/outside';
import type { DirectDescription, DirectMedia } from '../src/meeting/p2p_jingle';
import type { DirectEvents, DirectSession } from '../src/meeting/p2p_session';
import type { SentTrack, Session, SessionEvents, SourceChange } from '../src/meeting/session';
import type { RemoteSource } from '../src/meeting/sources';
import type { Medium } from '../src/meeting/streams';
import { attribute, child } from '../src/meeting/xml';
import { stanza } from './stanza';

type Answer = (to: string, payload: Element) => Element | Promise<Element>;

export class FakeLink implements Link {
    readonly jid = 'me@guest.example/r';
    onLost = () => {};
    onAway: (away: boolean) => void = () => {};
    away = false;
    renewable = false;
    closed = false;
    readonly sent: Element[] = [];
    readonly requests: [to: string, payload: Element][] = [];
    private readonly answers = new Map<string, Answer>();
    private readonly handlers: [StanzaName, string | null, (stanza: Element) => void][] = [];

    login(): Promise<void> {
        return Promise.resolve();
    }

    send(sent: Element): void {
        this.sent.push(sent);
    }

    /** How requests with that payload are answered; others are answered with an empty result. */
    answer(payload: string, answer: Answer): void {
        this.answers.set(payload, answer);
    }

    async request(to: string, _: 'get' | 'set', payload: Element): Promise<Element> {
        this.requests.push([to, payload]);
        return (await this.answers.get(payload.localName)?.(to, payload)) ?? stanza("<iq type='result'/>");
    }

    on(name: StanzaName, namespace: string | null, handler: (stanza: Element) => void): void {
        this.handlers.push([name, namespace, handler]);
    }

    /** Let a stanza arrive. What a handler throws comes out here. */
    deliver(xml: string): void {
        const element = stanza(xml);
        for (const [name, namespace, handler] of this.handlers) {
            const fits = !namespace || [...element.children].some((one) => one.namespaceURI === namespace);
            if (element.localName === name && fits) handler(element);
        }
    }

    /** The presences that we sent to our own nick. */
    get presences(): Element[] {
        return this.sent.filter((element) => element.localName === 'presence');
    }

    renew(): boolean {
        return this.renewable;
    }

    close(): void {
        this.closed = true;
    }
}

export function refused(condition: string): Answer {
    return () => Promise.reject(new StanzaError(condition, ''));
}

export class FakeSession implements Session {
    readonly added: RemoteSource[] = [];
    readonly sends: Kind[] = [];
    shared: LocalSource | null = null;
    closed = false;

    constructor(
        readonly offer: Offer,
        readonly servers: RTCIceServer[],
        readonly events: SessionEvents,
    ) {}

    async accept(sent: SentTrack): Promise<LocalAnswer> {
        const { added } = await this.share(sent);
        return { ufrag: 'u', pwd: 'p', hash: 'sha-256', fingerprint: 'AA', sources: added ? [added] : [] };
    }

    async add(sources: RemoteSource[]): Promise<void> {
        this.added.push(...sources);
        for (const source of sources) this.events.track(source, track(source.kind));
    }

    async remove(): Promise<void> {}

    async restartIce({ generation }: FreshTransport): Promise<Credentials> {
        return { ufrag: `own${generation}`, pwd: 'p' };
    }

    async statistics(): Promise<RTCStatsReport> {
        return new Map();
    }

    async send(kind: Kind): Promise<void> {
        this.sends.push(kind);
    }

    async share(sent: SentTrack): Promise<SourceChange> {
        const before = this.shared;
        this.shared = sent('desktop') && screenSource();
        return before && this.shared ? { added: null, removed: null } : { added: this.shared, removed: before };
    }

    close(): void {
        this.closed = true;
    }
}

/** A direct session without media, which notes what it is told. */
export class FakeDirect implements DirectSession {
    readonly done: string[] = [];
    readonly theirs: Candidate[] = [];
    closed = false;

    constructor(
        readonly endpoint: string,
        readonly servers: RTCIceServer[],
        readonly events: DirectEvents,
    ) {}

    async offer(sent: SentTrack, screen: boolean): Promise<DirectDescription> {
        this.done.push(screen ? 'offer with screen' : 'offer');
        return this.description(screen, sent('desktop') !== null);
    }

    async answer(offer: DirectDescription, sent: SentTrack): Promise<DirectDescription> {
        this.done.push('answer');
        return this.description(offer.media.length > 2, sent('desktop') !== null);
    }

    async accepted(): Promise<void> {
        this.done.push('accepted');
    }

    async candidates(found: Candidate[]): Promise<void> {
        this.theirs.push(...found);
    }

    async change(sources: Map<string, RemoteSource[]>): Promise<void> {
        this.done.push(`change ${[...sources.keys()].join()}`);
    }

    async send(medium: Medium, sent: SentTrack): Promise<void> {
        this.done.push(`send ${medium} ${sent(medium) ? 'on' : 'off'}`);
    }

    screen(): DirectMedia | null {
        return this.description(true, true).media[2] ?? null;
    }

    async statistics(): Promise<RTCStatsReport> {
        return new Map();
    }

    close(): void {
        this.closed = true;
    }

    private description(screen: boolean, shown: boolean): DirectDescription {
        const media = (screen ? ['audio', 'video', 'video'] : ['audio', 'video']).map((kind, index): DirectMedia => {
            const source = { owner: this.endpoint, name: `${this.endpoint}-${index}`, msid: 's t', rtx: null };
            return {
                kind: kind as Kind,
                name: String(index),
                direction: 'sendrecv',
                payloadTypes: [],
                headerExtensions: [],
                allowMixed: false,
                sources: index < 2 || shown ? [{ ...source, kind: kind as Kind, ssrc: index + 1 }] : [],
            };
        });
        const secrets = { ufrag: 'u', pwd: 'p', hash: 'sha-256', fingerprint: 'AA', setup: 'actpass' };
        return { transport: { ...secrets, candidates: [], webSocket: '' }, media };
    }
}

/** Our screen, as a session tells of it. */
function screenSource(): LocalSource {
    return { kind: 'video', name: 'me-v1', msid: 'me-video-1 t', videoType: 'desktop', ssrcs: [7], groups: [] };
}

export function track(kind: Kind): MediaStreamTrack {
    return deviceTrack(kind, '');
}

export function deviceTrack(kind: Kind, deviceId: string): MediaStreamTrack {
    const getSettings = () => ({ deviceId });
    const made = { kind, readyState: 'live', enabled: true, onended: null, stop: () => {}, getSettings };
    made.stop = () => {
        made.readyState = 'ended';
    };
    return made as unknown as MediaStreamTrack;
}

/** An outside whose links are set up by `prepare`; what was made is kept for the test. */
export class FakeOutside implements Outside {
    readonly links: FakeLink[] = [];
    readonly sessions: FakeSession[] = [];
    readonly directs: FakeDirect[] = [];
    prepare: (link: FakeLink) => void = () => {};

    connect = (): Link => {
        const link = new FakeLink();
        link.answer('conference', () =>
            stanza(`<iq type='result'><conference xmlns='http://jitsi.org/protocol/focus' ready='true'
                focusjid='focus@focus.example'/></iq>`),
        );
        this.prepare(link);
        this.links.push(link);
        return link;
    };

    session = (offer: Offer, servers: RTCIceServer[], events: SessionEvents): Session => {
        const session = new FakeSession(offer, servers, events);
        this.sessions.push(session);
        return session;
    };

    direct = (endpoint: string, servers: RTCIceServer[], events: DirectEvents): DirectSession => {
        const direct = new FakeDirect(endpoint, servers, events);
        this.directs.push(direct);
        return direct;
    };

    devices = async (kinds: Kind[]): Promise<MediaStreamTrack[]> => kinds.map(track);
    openDevices = (kinds: Kind[]) => this.devices(kinds);
    screen: () => Promise<MediaStreamTrack | null> = async () => track('video');
    openScreen = () => this.screen();
    plugged: DeviceList = NO_DEVICES;
    listDevices = async () => this.plugged;

    get link(): FakeLink {
        return this.links.at(-1) as FakeLink;
    }

    /** Our nick in the room, from the last presence that we sent. */
    get nick(): string {
        return attribute(this.link.presences.at(-1) ?? null, 'to').split('/')[1] ?? '';
    }
}

/** The muted flags of the last presence. */
export function toldMuted(link: FakeLink): { audio: boolean; video: boolean } {
    const last = link.presences.at(-1) ?? null;
    return {
        audio: child(last, 'audiomuted')?.textContent === 'true',
        video: child(last, 'videomuted')?.textContent === 'true',
    };
}
