// A network, media and devices without a browser.

import type { LocalAnswer } from '../src/meeting/accept';
import { type Link, StanzaError, type StanzaName } from '../src/meeting/link';
import type { Credentials, FreshTransport, Kind, Offer } from '../src/meeting/offer';
import type { Outside } from '../src/meeting/outside';
import type { Session, SessionEvents } from '../src/meeting/session';
import type { RemoteSource } from '../src/meeting/sources';
import { attribute, child } from '../src/meeting/xml';
import { stanza } from './stanza';

type Answer = (to: string, payload: Element) => Element | Promise<Element>;

export class FakeLink implements Link {
    readonly jid = 'me@guest.example/r';
    onLost = () => {};
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
    closed = false;

    constructor(
        readonly offer: Offer,
        readonly servers: RTCIceServer[],
        readonly events: SessionEvents,
    ) {}

    accept(): Promise<LocalAnswer> {
        return Promise.resolve({ ufrag: 'u', pwd: 'p', hash: 'sha-256', fingerprint: 'AA', sources: [] });
    }

    async add(sources: RemoteSource[]): Promise<void> {
        this.added.push(...sources);
        for (const source of sources) this.events.track(source, track(source.kind));
    }

    async remove(): Promise<void> {}

    async restartIce({ generation }: FreshTransport): Promise<Credentials> {
        return { ufrag: `own${generation}`, pwd: 'p' };
    }

    async send(kind: Kind): Promise<void> {
        this.sends.push(kind);
    }

    close(): void {
        this.closed = true;
    }
}

export function track(kind: Kind): MediaStreamTrack {
    const made = { kind, readyState: 'live', enabled: true, onended: null, stop: () => {} };
    made.stop = () => {
        made.readyState = 'ended';
    };
    return made as unknown as MediaStreamTrack;
}

/** An outside whose links are set up by `prepare`; what was made is kept for the test. */
export class FakeOutside implements Outside {
    readonly links: FakeLink[] = [];
    readonly sessions: FakeSession[] = [];
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

    devices = async (kinds: Kind[]): Promise<MediaStreamTrack[]> => kinds.map(track);
    openDevices = (kinds: Kind[]) => this.devices(kinds);

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
