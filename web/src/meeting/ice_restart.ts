// ICE restarted in place: when the way to the bridge breaks, new credentials and addresses on both sides lead to
// another one; the session, its keys and its streams stay. And when to ask for that.

import { NS } from './namespaces';
import { type Credentials, type FreshTransport, freshTransport, type Offer } from './offer';
import { attribute, child, children, x } from './xml';

/** Build the session-info that asks the focus for it. */
export function iceRestartRequest(offer: Offer): Element {
    return x(
        'jingle',
        { xmlns: NS.jingle, action: 'session-info', sid: offer.sid, initiator: offer.initiator },
        x('bridge-session', { xmlns: NS.focus, id: offer.bridgeSession, 'ice-restart': true }),
    );
}

/** Read a transport-info that carries it out; null = another one. */
export function parseIceRestart(jingle: Element): FreshTransport | null {
    const [content] = children(jingle, 'content');
    const transport = content && child(content, 'transport', NS.ice);
    const generation = Number(attribute(transport ?? null, 'ice-generation'));
    return transport && Number.isInteger(generation) && generation > 0 ? freshTransport(transport, generation) : null;
}

/** Build the transport-info that answers it. */
export function iceRestartAnswer(offer: Offer, { ufrag, pwd }: Credentials, generation: number): Element {
    const contents = offer.media.map((media) =>
        x(
            'content',
            { creator: 'initiator', name: media.kind },
            x('transport', { xmlns: NS.ice, ufrag, pwd, 'ice-generation': generation }),
        ),
    );
    return x(
        'jingle',
        { xmlns: NS.jingle, action: 'transport-info', sid: offer.sid, initiator: offer.initiator },
        ...contents,
    );
}

/** An interruption may pass by itself; and a relay that has died needs a moment until it is there again. */
const WAIT_MS = 2_000;
/** So long may the new way take. */
const PATIENCE_MS = 6_000;
/** The same where all ways ended at once, as those by TCP do: then it is not the network that is slow. */
const SHORT_PATIENCE_MS = 4_000;

/** Watches over one session: asks for a restart when its connection breaks, and gives up when that does not help. */
export class IceRestarts {
    private timer: ReturnType<typeof setTimeout> | undefined;
    private asked = false;
    private broken = false;
    private sudden = false;

    constructor(
        private readonly ask: () => Promise<unknown>,
        private readonly giveUp: () => void,
    ) {
        addEventListener('online', this.hurry);
    }

    /** The connection has a new state. */
    state(state: RTCPeerConnectionState): void {
        if (state === 'connected') {
            clearTimeout(this.timer);
            this.asked = this.broken = false;
        } else if (state === 'disconnected' || state === 'failed') {
            if (!this.broken) {
                this.broken = true;
                this.sudden = state === 'failed';
                this.timer = setTimeout(() => void this.restart(), WAIT_MS);
            } else if (state === 'failed' && !this.sudden) void this.restart();
        }
    }

    stop(): void {
        clearTimeout(this.timer);
        removeEventListener('online', this.hurry);
        this.asked = true;
    }

    private readonly hurry = () => void (this.broken && this.restart());

    private async restart(): Promise<void> {
        if (this.asked) return;
        this.asked = true;
        clearTimeout(this.timer);
        this.timer = setTimeout(this.giveUp, this.sudden ? SHORT_PATIENCE_MS : PATIENCE_MS);
        try {
            await this.ask();
        } catch (error) {
            if (!this.broken) return;
            console.warn('no restart of ICE', error);
            clearTimeout(this.timer);
            this.giveUp();
        }
    }
}
