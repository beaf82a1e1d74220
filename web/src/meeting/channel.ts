// The bridge channel: JSON over a WebSocket between this page and the media bridge.

export interface ChannelEvents {
    dominantSpeaker(endpoint: string): void;
}

export class BridgeChannel {
    private socket: WebSocket | null = null;
    private constraints: object | null = null;
    private attempts = 0;
    private closed = false;

    constructor(private readonly url: string, private readonly events: ChannelEvents) {
        this.open();
    }

    /** Tell the bridge what is looked at: the largest height wanted of each source (sent again after a reconnect). */
    receive(maxHeights: Record<string, number>, defaultHeight: number, onStage: string[]): void {
        this.constraints = {
            colibriClass: 'ReceiverVideoConstraints',
            lastN: -1,
            selectedSources: [],
            onStageSources: onStage,
            defaultConstraints: { maxHeight: defaultHeight },
            constraints: Object.fromEntries(
                Object.entries(maxHeights).map(([source, maxHeight]) => [source, { maxHeight }])),
        };
        this.send(this.constraints);
    }

    close(): void {
        this.closed = true;
        this.socket?.close(1000);
    }

    private send(message: object): void {
        if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
    }

    private open(): void {
        const socket = new WebSocket(this.url);
        this.socket = socket;
        socket.onopen = () => {
            this.attempts = 0;
            if (this.constraints) this.send(this.constraints);
        };
        socket.onmessage = event => this.read(String(event.data));
        socket.onclose = () => {
            if (this.closed) return;
            const delay = Math.min(60_000, 1000 * 2 ** this.attempts++);
            setTimeout(() => { if (!this.closed) this.open(); }, delay);
        };
    }

    private read(text: string): void {
        const message = JSON.parse(text) as { colibriClass?: string; dominantSpeakerEndpoint?: string };
        if (message.colibriClass === 'DominantSpeakerEndpointChangeEvent') {
            this.events.dominantSpeaker(message.dominantSpeakerEndpoint ?? '');
        }
    }
}
