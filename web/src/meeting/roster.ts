// Who is in the meeting, with what is to be seen and heard of each.

import { signal } from '@preact/signals';
import type { Occupant } from './presence';
import type { RemoteSource } from './sources';
import { RemoteStreams, type Streams } from './streams';

export interface Participant extends Occupant, Streams {}

/** A room that says it has more shows these; far beyond what a bridge carries. */
const MAX_PARTICIPANTS = 500;

export class Roster {
    readonly participants = signal<Participant[]>([]);
    private readonly streams = new RemoteStreams();
    /** What presences say of screens, by whom. */
    private readonly told = new Map<string, Occupant['screens']>();

    /** Somebody came, or said something new of themselves. */
    update(occupant: Occupant): void {
        const others = this.participants.value;
        this.told.set(occupant.id, occupant.screens);
        const next = { ...occupant, ...this.seen(occupant.id) };
        if (others.some((participant) => participant.id === occupant.id)) {
            this.participants.value = others.map((old) => (old.id === occupant.id ? next : old));
        } else if (others.length < MAX_PARTICIPANTS) {
            this.participants.value = [...others, next];
        } else {
            this.told.delete(occupant.id);
        }
    }

    remove(id: string): void {
        this.told.delete(id);
        this.participants.value = this.participants.value.filter((participant) => participant.id !== id);
    }

    clear(): void {
        this.told.clear();
        this.participants.value = [];
    }

    nameOf(id: string): string {
        return this.participants.value.find((participant) => participant.id === id)?.name ?? '';
    }

    /** A stream came; its owner's presence may come later. */
    addStream(source: RemoteSource, track: MediaStreamTrack): void {
        if (this.streams.add(source, track)) this.refresh();
    }

    endStreams(ssrcs: number[] | 'all'): void {
        if (ssrcs === 'all') this.streams.clear();
        else for (const ssrc of ssrcs) this.streams.remove(ssrc);
        this.refresh();
    }

    private refresh(): void {
        this.participants.value = this.participants.value.map((old) => ({ ...old, ...this.seen(old.id) }));
    }

    /** A screen that its owner mutes is none; of a muted camera the rest of the page takes care. */
    private seen(id: string): Streams & Pick<Occupant, 'screens'> {
        const further = this.streams.further(id).map((name): [string, boolean] => [name, false]);
        const screens = { ...Object.fromEntries(further), ...this.told.get(id) };
        const streams = this.streams.of(id, screens);
        return { ...streams, desktop: Object.values(screens).includes(false) ? streams.desktop : null, screens };
    }
}
