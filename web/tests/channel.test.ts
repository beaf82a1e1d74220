import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BridgeChannel } from '../src/meeting/channel';

class FakeSocket {
    static readonly OPEN = 1;
    static all: FakeSocket[] = [];
    static refusing = false;
    readyState = 1;
    closed = false;
    readonly sent: string[] = [];
    onopen: (() => void) | null = null;
    onclose: (() => void) | null = null;

    constructor(readonly url: string) {
        FakeSocket.all.push(this);
        queueMicrotask(() => (FakeSocket.refusing ? this.onclose : this.onopen)?.());
    }

    send(text: string): void {
        this.sent.push((JSON.parse(text) as { colibriClass: string }).colibriClass);
    }

    close(): void {
        this.closed = true;
    }
}

let channel: BridgeChannel;

beforeEach(async () => {
    vi.useFakeTimers();
    FakeSocket.all = [];
    FakeSocket.refusing = false;
    vi.stubGlobal('WebSocket', FakeSocket);
    channel = new BridgeChannel('ws://elsewhere/colibri-ws/a/b/c?pwd=x', { dominantSpeaker: () => {} });
    channel.receive({ maxHeights: {}, other: 180, onStage: [] });
    channel.showsScreen('a-v1');
    await vi.advanceTimersByTimeAsync(0);
});
afterEach(() => {
    channel.close();
    vi.unstubAllGlobals();
    vi.useRealTimers();
});

const told = ['ReceiverVideoConstraints', 'SourceVideoTypeMessage'];
const last = () => FakeSocket.all.at(-1);

describe('the bridge channel', () => {
    it('comes back by itself at once, and says again what is looked at', async () => {
        last()?.onclose?.();
        await vi.advanceTimersByTimeAsync(300);
        expect(FakeSocket.all).toHaveLength(2);
        expect(last()?.sent).toEqual(told);
    });

    it('is renewed with the way that it shares', async () => {
        const first = last();
        channel.renew();
        await vi.advanceTimersByTimeAsync(0);
        expect(first?.closed).toBe(true);
        expect(FakeSocket.all).toHaveLength(2);
        expect(last()?.sent).toEqual(told);
        first?.onclose?.();
        await vi.advanceTimersByTimeAsync(60_000);
        expect(FakeSocket.all).toHaveLength(2);
    });

    it('tries less and less often', async () => {
        FakeSocket.refusing = true;
        last()?.onclose?.();
        await vi.advanceTimersByTimeAsync(120_000);
        expect(FakeSocket.all.length).toBeGreaterThan(6);
        expect(FakeSocket.all.length).toBeLessThan(20);
    });

    it('stays closed', async () => {
        channel.close();
        channel.renew();
        await vi.advanceTimersByTimeAsync(60_000);
        expect(FakeSocket.all).toHaveLength(1);
    });
});
