// The direct session with the only other participant, between our two occupants in the room: carries out what `p2p`
// decides.

import { asks, type Link, refuse, reply, StanzaError } from './link';
import { NS } from './namespaces';
import { type Action, Decisions, type Event } from './p2p';
import { Exchange } from './p2p_exchange';
import { type DirectDescription, type Parties, type Reason, readDescription } from './p2p_jingle';
import type { DirectSession, MakeDirect } from './p2p_session';
import type { Relays } from './relays';
import type { Room } from './room';
import type { SentTrack } from './session';
import type { RemoteSource } from './sources';
import type { Medium } from './streams';
import { attribute, child, children, x } from './xml';

export interface PairEvents {
    track(source: RemoteSource, track: MediaStreamTrack): void;
    /** The session ended, and with it all its streams. */
    ended(): void;
    /** Media take the direct way to and from that participant from now on; null = the way over the bridge. */
    carry(partner: string | null): void;
}

/** Each offer that is taken costs a connection. */
const OFFER_INTERVAL_MS = 1_000;
const SID_BYTES = 8;

export class Pair {
    private readonly decisions = new Decisions();
    private exchange: Exchange | null = null;
    private offered: Exchange | null = null;
    /** null = we are not in the room ourselves. */
    private others: readonly string[] | null = null;
    private enabled = false;
    /** Whether it was switched on while we were alone with our partner: then the offer is ours. */
    private begins = false;
    private takenAt = Number.NEGATIVE_INFINITY;
    private timer: ReturnType<typeof setTimeout> | undefined;
    /** With whom a session has no m-line for a screen; "" = with nobody, as far as we know. */
    private screenless = '';
    private closed = false;

    constructor(
        private readonly link: Link,
        private readonly room: Room,
        private readonly relays: Relays,
        private readonly sent: SentTrack,
        private readonly make: MakeDirect,
        private readonly events: PairEvents,
    ) {
        link.on('iq', NS.jingle, (iq) => this.jingle(iq));
    }

    /** Who else is in the room (null = not even we), and whether we want to be direct at all. */
    update(others: readonly string[] | null, enabled: boolean): void {
        const before = (this.others?.length ?? 0) > 1;
        this.begins = enabled && this.others !== null && (this.begins || !this.enabled);
        if (others?.length !== 1) this.begins = false;
        this.others = others;
        this.enabled = enabled;
        this.choose(before);
    }

    /** What is sent of that has changed. */
    send(medium: Medium): void {
        if (medium === 'desktop') {
            this.choose(false);
            if (this.sent('desktop')) this.exchange?.share();
        }
        const { exchange } = this;
        exchange?.change((direct) => direct.send(medium, this.wanted(exchange)));
    }

    /** Statistics of the direct connection; null = there is none. */
    async statistics(): Promise<RTCStatsReport | null> {
        return (await this.exchange?.direct?.statistics()) ?? null;
    }

    close(): void {
        this.closed = true;
        clearTimeout(this.timer);
        this.exchange?.terminate('success', 'gone');
        this.drop();
    }

    /** Choose our partner; `before`: there were more of us before. */
    private choose(before: boolean): void {
        const others = this.others ?? [];
        const [other] = others;
        // A session without an m-line for it: by the bridge while our screen is shown.
        const tooMuch = this.screenless === other && this.sent('desktop') !== null;
        const alone = this.enabled && others.length === 1 && other !== undefined && !tooMuch;
        // As in lib-jitsi-meet the one with the smaller id offers; or who switches it on, which the other cannot know.
        const partner = alone ? { id: other, mine: this.begins || this.room.id < other } : null;
        const stillHere = others.includes(this.decisions.partner?.id ?? '');
        const actions = this.decisions.choose(partner, stillHere, before, Date.now());
        this.do(actions, stillHere ? 'parted' : 'gone');
        if (this.exchange && !others.includes(this.exchange.partner)) this.happened('gone');
        this.wake();
    }

    private happened(event: Event): void {
        if (this.closed) return;
        const before = this.decisions.state;
        this.do(this.decisions.happened(event, Date.now()), event);
        if (before !== this.decisions.state) console.debug(`direct: ${before} -> ${this.decisions.state} (${event})`);
        this.wake();
    }

    private wake(): void {
        clearTimeout(this.timer);
        const { deadline } = this.decisions;
        if (deadline !== null) this.timer = setTimeout(() => this.happened('due'), deadline - Date.now());
    }

    private do(actions: Action[], event: Event): void {
        for (const action of actions) this.act(action, event);
    }

    private act(action: Action, event: Event): void {
        switch (action) {
            case 'offer':
                this.offer();
                break;
            case 'answer':
                this.answer();
                break;
            case 'direct':
                this.events.carry(this.exchange?.partner ?? null);
                break;
            case 'bridge':
                if (event === 'parted') this.exchange?.goBack();
                this.events.carry(null);
                break;
            case 'close':
                this.exchange?.terminate(...reasonOf(event));
                this.drop();
                break;
            case 'drop':
                this.drop();
                break;
        }
    }

    private offer(): void {
        const { partner } = this.decisions;
        if (!partner) return;
        const initiator = this.room.occupant(this.room.id);
        const exchange = this.begin(partner.id, { sid: freshSid(), initiator, mine: true }, null);
        this.exchange = exchange;
        this.carryOut(exchange, async () => {
            const screen = await this.abilities(exchange.partner);
            if (this.exchange !== exchange) return;
            if (screen === null) {
                this.happened('ended');
                return;
            }
            const direct = await this.open(exchange);
            if (!direct) return;
            const own = await direct.offer(this.wanted(exchange), screen);
            await this.tell(exchange, 'session-initiate', own);
        });
    }

    private answer(): void {
        const exchange = this.offered;
        this.offered = null;
        this.exchange = exchange;
        if (!exchange) return;
        this.carryOut(exchange, async () => {
            const direct = await this.open(exchange);
            if (!direct || !exchange.remote) return;
            const own = await direct.answer(exchange.remote, this.wanted(exchange));
            await this.tell(exchange, 'session-accept', own);
        });
    }

    private begin(partner: string, parties: Parties, remote: DirectDescription | null): Exchange {
        const exchange: Exchange = new Exchange(this.link, this.room, partner, parties, remote, {
            happened: (event) => this.happened(event),
            videoWanted: () => this.send('video'),
            failed: (error) => this.failed(exchange, error),
        });
        return exchange;
    }

    /** Whether the other one can be offered a session, and one with a screen in it; null = none at all. */
    private async abilities(partner: string): Promise<boolean | null> {
        const query = x('query', { xmlns: NS.discoInfo });
        const result = await this.link.request(this.room.occupant(partner), 'get', query);
        const features = children(child(result, 'query', NS.discoInfo), 'feature').map((one) => attribute(one, 'var'));
        if (features.includes(NS.direct)) return true;
        // Clients of Jitsi do not say whether they take it: those that do not, decline. Their gateways never do.
        const jitsi = features.includes('http://jitsi.org/json-encoded-sources') && features.includes(NS.jingle);
        return jitsi && !features.includes('http://jitsi.org/protocol/jigasi') ? false : null;
    }

    private async open(exchange: Exchange): Promise<DirectSession | null> {
        const servers = await this.relays.current();
        if (this.exchange !== exchange) return null;
        exchange.direct = this.make(this.room.id, servers, {
            track: (source, track) => {
                if (this.exchange === exchange) this.events.track(source, track);
            },
            state: (state) => {
                if (this.exchange !== exchange) return;
                if (state === 'connected') this.happened('up');
                else if (state === 'disconnected' || state === 'failed') this.happened('down');
            },
            candidate: (candidate) => exchange.trickle(candidate),
        });
        return exchange.direct;
    }

    private async tell(
        exchange: Exchange,
        action: 'session-initiate' | 'session-accept',
        own: DirectDescription,
    ): Promise<void> {
        if (this.exchange !== exchange) return;
        const told = exchange.tell(action, own);
        this.screenless = exchange.carriesScreen ? '' : exchange.partner;
        this.choose(false);
        await told;
    }

    /** What we send of what we want to send. */
    private wanted({ wantsVideo }: Exchange): SentTrack {
        return (medium) => (medium === 'video' && !wantsVideo ? null : this.sent(medium));
    }

    private drop(): void {
        const { exchange } = this;
        if (!exchange) return;
        this.exchange = null;
        exchange.close();
        this.events.ended();
    }

    private carryOut(exchange: Exchange, steps: () => Promise<void>): void {
        steps().catch((error: unknown) => this.failed(exchange, error));
    }

    private failed(exchange: Exchange, error: unknown): void {
        if (this.exchange !== exchange) return;
        console.debug('direct: no session', error);
        this.happened(error instanceof StanzaError ? 'ended' : 'down');
    }

    private jingle(iq: Element): void {
        const jingle = child(iq, 'jingle', NS.jingle);
        if (!jingle || !asks(iq) || this.room.isFromFocus(iq)) return;
        const action = attribute(jingle, 'action');
        const from = this.others?.find((id) => attribute(iq, 'from') === this.room.occupant(id));
        if (action === 'session-initiate' && from !== undefined) {
            this.initiated(iq, jingle, from);
            return;
        }
        const { exchange } = this;
        if (!exchange || from !== exchange.partner || attribute(jingle, 'sid') !== exchange.parties.sid) {
            refuse(this.link, iq, 'cancel', 'item-not-found');
            return;
        }
        const act = exchange.read(action, jingle);
        if (!act) {
            refuse(this.link, iq, 'cancel', 'feature-not-implemented');
            return;
        }
        reply(this.link, iq);
        act();
    }

    /** An offer. One that we do not want is declined by Jingle: an error leaves lib-jitsi-meet waiting. */
    private initiated(iq: Element, jingle: Element, from: string): void {
        const sid = attribute(jingle, 'sid');
        const parties = { sid, initiator: attribute(iq, 'from'), mine: false };
        const offered = this.begin(from, parties, readDescription(jingle, from));
        reply(this.link, iq);
        const { state, partner } = this.decisions;
        const soon = Date.now() - this.takenAt < OFFER_INTERVAL_MS;
        if (from !== partner?.id || !sid || soon || state === 'offering' || state === 'returning') {
            offered.terminate('decline', 'not now');
            return;
        }
        this.takenAt = Date.now();
        this.offered = offered;
        this.happened('offered');
    }
}

function freshSid(): string {
    const bytes = [...crypto.getRandomValues(new Uint8Array(SID_BYTES))];
    return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function reasonOf(event: Event): [Reason, string] {
    return event === 'down' ? ['connectivity-error', 'ICE FAILED'] : ['success', event];
}
