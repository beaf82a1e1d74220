// The bridge channel: JSON over a WebSocket between this page and the media bridge.

import { backOff } from './back_off';
import { sameHost } from './place';

export interface ChannelEvents {
    dominantSpeaker(endpoint: string): void;
}

/** What the bridge is told of the pictures we look at. */
export interface Wanted {
    /** The largest height of single sources, by name; everybody else gets `other`. */
    maxHeights: Record<string, number>;
    other: number;
    onStage: string[];
}

const FIRST_RETRY_MS = 300;
const RETRY_LIMIT_MS = 30_000;
const MESSAGE_LENGTH = 100_000;

export class BridgeChannel {
    private socket: WebSocket | null = null;
    private wanted: Wanted | null = null;
    private screen = '';
    private attempts = 0;
    private closed = false;
    private timer: ReturnType<typeof setTimeout> | undefined;

    constructor(
        private readonly url: string,
        private readonly events: ChannelEvents,
    ) {
        this.open();
    }

    /** Tell the bridge what is looked at (told again after a reconnect). */
    receive(wanted: Wanted): void {
        this.wanted = wanted;
        if (this.socket?.readyState === WebSocket.OPEN) this.tell(this.socket, wanted);
    }

    /** Tell the bridge that a source of ours shows a screen (told again after a reconnect): those stay readable. */
    showsScreen(source: string): void {
        this.screen = source;
        if (this.socket?.readyState === WebSocket.OPEN) this.tellScreen(this.socket, source);
    }

    /** The way to the front has broken, so this is broken too, or soon will be: open it anew, at once. */
    renew(): void {
        if (!this.socket || this.closed) return;
        clearTimeout(this.timer);
        this.socket.onclose = null;
        this.socket.close();
        this.open();
    }

    close(): void {
        this.closed = true;
        clearTimeout(this.timer);
        this.socket?.close(1000);
    }

    private tell(socket: WebSocket, { maxHeights, other, onStage }: Wanted): void {
        const constraints = Object.entries(maxHeights).map(([source, maxHeight]) => [source, { maxHeight }] as const);
        socket.send(
            JSON.stringify({
                colibriClass: 'ReceiverVideoConstraints',
                lastN: -1,
                selectedSources: [],
                onStageSources: onStage,
                defaultConstraints: { maxHeight: other },
                constraints: Object.fromEntries(constraints),
            }),
        );
    }

    private tellScreen(socket: WebSocket, sourceName: string): void {
        socket.send(JSON.stringify({ colibriClass: 'SourceVideoTypeMessage', sourceName, videoType: 'desktop' }));
    }

    private open(): void {
        let socket: WebSocket;
        try {
            socket = new WebSocket(sameHost(this.url));
        } catch {
            return; // not an address: the meeting works without a channel, only nobody is marked as speaking
        }
        this.socket = socket;
        socket.onopen = () => {
            this.attempts = 0;
            if (this.wanted) this.tell(socket, this.wanted);
            if (this.screen) this.tellScreen(socket, this.screen);
        };
        socket.onmessage = (event) => this.read(event.data as unknown);
        socket.onclose = () => {
            if (this.closed) return;
            this.timer = setTimeout(() => this.open(), backOff(this.attempts++, FIRST_RETRY_MS, RETRY_LIMIT_MS));
        };
    }

    private read(data: unknown): void {
        if (typeof data !== 'string' || data.length > MESSAGE_LENGTH) return;
        try {
            const message = JSON.parse(data) as Record<string, unknown> | null;
            const speaker = message?.dominantSpeakerEndpoint;
            if (message?.colibriClass !== 'DominantSpeakerEndpointChangeEvent' || typeof speaker !== 'string') return;
            this.events.dominantSpeaker(speaker);
        } catch {
            // Endpoint messages of others pass here too; what is no JSON is nothing to us.
        }
    }
}
