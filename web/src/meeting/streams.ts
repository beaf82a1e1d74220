// Whose streams there are: a stream may come before or after the presence of its owner.

import type { Kind } from './offer';
import type { RemoteSource } from './sources';

/** What one person may send: voice, camera, and beside the camera a screen, which is video too. */
export type Medium = Kind | 'desktop';

export type Streams = Record<Medium, MediaStreamTrack | null>;

export const NO_STREAMS: Streams = { audio: null, video: null, desktop: null };

/** The camera is number 0. */
const FURTHER_VIDEO = /-v[1-9]\d*$/;

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

    /** One track of each medium, the newest; `screens` are the names of the sources that show one. */
    of(owner: string, screens: object): Streams {
        const streams = { ...NO_STREAMS };
        for (const { source, track } of this.known.values()) {
            if (source.owner !== owner) continue;
            const medium = source.kind === 'video' && Object.hasOwn(screens, source.name) ? 'desktop' : source.kind;
            streams[medium] = track;
        }
        return streams;
    }

    /** Names of the videos beside the camera: some clients share a screen by one and say so in no presence. */
    further(owner: string): string[] {
        const sources = [...this.known.values()].map(({ source }) => source);
        return sources.filter((one) => one.owner === owner && FURTHER_VIDEO.test(one.name)).map(({ name }) => name);
    }

    clear(): void {
        this.known.clear();
    }
}
