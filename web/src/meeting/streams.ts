// Whose streams there are: a stream may come before or after the presence of its owner.

import type { Kind } from './offer';
import type { RemoteSource } from './sources';

export type Streams = Record<Kind, MediaStreamTrack | null>;

export const NO_STREAMS: Streams = { audio: null, video: null };

export class RemoteStreams {
    private readonly known = new Map<number, { source: RemoteSource; track: MediaStreamTrack }>();

    /** Whether this changes what is to be seen or heard of its owner. */
    add(source: RemoteSource, track: MediaStreamTrack): boolean {
        const before = this.known.get(source.ssrc);
        if (before?.track === track && before.source.owner === source.owner) return false;
        this.known.set(source.ssrc, { source, track });
        return true;
    }

    remove(ssrc: number): void {
        this.known.delete(ssrc);
    }

    /** One track of each kind: the newest, so that a shared screen comes before the camera. */
    of(owner: string): Streams {
        const streams = { ...NO_STREAMS };
        for (const { source, track } of this.known.values()) {
            if (source.owner === owner) streams[source.kind] = track;
        }
        return streams;
    }

    clear(): void {
        this.known.clear();
    }
}
