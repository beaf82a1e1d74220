// What RTCPeerConnection.getStats tells (W3C webrtc-stats), as figures for each stream: what happened between two
// reports. Browsers leave out members that they do not count: what cannot be said is null.

import type { Kind } from './offer';

/** One dictionary of webrtc-stats; its other members are read with care. */
export interface StatsEntry {
    id: string;
    type: string;
}

/** One stream of RTP in the time between two reports. */
export interface StreamSample {
    /** The same from sample to sample. */
    key: string;
    direction: 'sent' | 'received';
    kind: Kind;
    /** The id of the track that it carries; "" where the browser does not say. */
    track: string;
    bitrateBps: number;
    /** Share of the packets, 0 to 1. */
    loss: number | null;
    rttMs: number | null;
    jitterMs: number | null;
    /** Of the picture; 0 = none. */
    width: number;
    height: number;
    framesPerSecond: number | null;
    /** Share of the time in which the picture stood still, 0 to 1. */
    frozen: number | null;
}

export interface Sample {
    /** Milliseconds, of the clock that its caller uses. */
    at: number;
    streams: StreamSample[];
    /** Of the connection as a whole. */
    rttMs: number | null;
    /** What the browser believes that it could send. */
    availableBps: number | null;
}

/** A share of fewer packets says nothing. */
const JUDGED_PACKETS = 10;
/** More than a room of 500 comes to; what is beyond is not looked at. */
const MAX_ENTRIES = 20_000;

/** Counters of a stream at the time of a report. */
interface Counters {
    bytes: number;
    packets: number;
    lost: number | null;
    frames: number | null;
    freezesS: number | null;
    /** Whether pictures came in the time before. */
    moved: boolean;
}

/** Numbers and texts of an entry: null and "" for what is missing or something else. */
class Fields {
    private readonly members: Record<string, unknown>;

    constructor(readonly entry: StatsEntry) {
        this.members = entry as unknown as Record<string, unknown>;
    }

    number(name: string): number | null {
        const value = this.members[name];
        return typeof value === 'number' && Number.isFinite(value) ? value : null;
    }

    text(name: string): string {
        const value = this.members[name];
        return typeof value === 'string' ? value : '';
    }

    is(name: string): boolean {
        return this.members[name] === true;
    }

    /** Seconds as milliseconds. */
    milliseconds(name: string): number | null {
        const seconds = this.number(name);
        return seconds === null ? null : seconds * 1000;
    }

    get kind(): Kind | null {
        const kind = this.text('kind');
        return kind === 'audio' || kind === 'video' ? kind : null;
    }
}

/** The entries of one report, found by what they are. */
class Report {
    private readonly entries: Fields[] = [];
    private readonly byId = new Map<string, Fields>();
    private readonly toldOf = new Map<string, Fields>();

    constructor(entries: Iterable<StatsEntry>) {
        for (const entry of entries) {
            if (this.entries.length === MAX_ENTRIES) break;
            const fields = new Fields(entry);
            this.entries.push(fields);
            this.byId.set(entry.id, fields);
            if (entry.type.startsWith('remote-')) this.toldOf.set(fields.text('localId'), fields);
        }
    }

    of(type: string): Fields[] {
        return this.entries.filter(({ entry }) => entry.type === type);
    }

    get(id: string): Fields | undefined {
        return this.byId.get(id);
    }

    /** What the other side reports of a stream. */
    told(stream: Fields): Fields | undefined {
        return this.toldOf.get(stream.entry.id);
    }

    /** What is sent in a stream; Firefox does not say which: it is clear where there is but one of the kind. */
    sourceOf(stream: Fields): Fields | undefined {
        const named = this.get(stream.text('mediaSourceId'));
        const alike = this.of('media-source').filter(({ kind }) => kind === stream.kind);
        return named ?? (alike.length === 1 ? alike[0] : undefined);
    }

    /** The pair of candidates in use: said by the transport, else by the pair (Firefox). */
    pair(): Fields | undefined {
        for (const transport of this.of('transport')) {
            const pair = this.get(transport.text('selectedCandidatePairId'));
            if (pair) return pair;
        }
        const pairs = this.of('candidate-pair');
        const nominated = (pair: Fields) => pair.is('nominated') && pair.text('state') === 'succeeded';
        return pairs.find((pair) => pair.is('selected')) ?? pairs.find(nominated);
    }
}

/** Makes samples of reports that follow each other. */
export class Sampler {
    private before = new Map<string, Counters>();
    private at = Number.NaN;

    /** What happened since the report before; a stream that was not in it is not in the sample either. */
    sample(entries: Iterable<StatsEntry>, now: number): Sample {
        const report = new Report(entries);
        const elapsedS = (now - this.at) / 1000;
        const counted = new Map<string, Counters>();
        const streams = [
            ...report.of('inbound-rtp').map((entry) => this.received(entry, report, elapsedS, counted)),
            ...report.of('outbound-rtp').map((entry) => this.sent(entry, report, elapsedS, counted)),
        ].filter((stream) => stream !== null);
        this.before = counted;
        this.at = now;
        const pair = report.pair();
        return {
            at: now,
            streams,
            rttMs: pair?.milliseconds('currentRoundTripTime') ?? least(streams.map(({ rttMs }) => rttMs)),
            availableBps: pair?.number('availableOutgoingBitrate') ?? null,
        };
    }

    private received(
        entry: Fields,
        report: Report,
        elapsedS: number,
        counted: Map<string, Counters>,
    ): StreamSample | null {
        const counters: Counters = {
            bytes: entry.number('bytesReceived') ?? 0,
            packets: entry.number('packetsReceived') ?? 0,
            lost: entry.number('packetsLost'),
            frames: entry.number('framesDecoded'),
            freezesS: entry.number('totalFreezesDuration'),
            moved: false,
        };
        const stream = this.step('received', entry, counters, elapsedS, counted);
        if (!stream) return null;
        const { before, sample } = stream;
        const lost = Math.max(0, (counters.lost ?? 0) - (before.lost ?? counters.lost ?? 0));
        return {
            ...sample,
            track: entry.text('trackIdentifier'),
            loss: counters.lost === null ? null : share(lost, lost + counters.packets - before.packets),
            rttMs: report.told(entry)?.milliseconds('roundTripTime') ?? null,
            jitterMs: entry.milliseconds('jitter'),
            frozen: entry.kind === 'video' ? frozen(before, counters, elapsedS) : null,
        };
    }

    private sent(
        entry: Fields,
        report: Report,
        elapsedS: number,
        counted: Map<string, Counters>,
    ): StreamSample | null {
        const told = report.told(entry);
        const counters: Counters = {
            bytes: entry.number('bytesSent') ?? 0,
            packets: entry.number('packetsSent') ?? 0,
            lost: told?.number('packetsLost') ?? null,
            frames: entry.number('framesEncoded'),
            freezesS: null,
            moved: false,
        };
        const stream = this.step('sent', entry, counters, elapsedS, counted);
        if (!stream) return null;
        const { before, sample } = stream;
        const lost = Math.max(0, (counters.lost ?? 0) - (before.lost ?? counters.lost ?? 0));
        const losses = counters.lost === null ? null : share(lost, counters.packets - before.packets);
        return {
            ...sample,
            track: report.sourceOf(entry)?.text('trackIdentifier') ?? '',
            loss: told?.number('fractionLost') ?? losses,
            rttMs: told?.milliseconds('roundTripTime') ?? null,
            jitterMs: told?.milliseconds('jitter') ?? null,
            frozen: null,
        };
    }

    /** What both directions have; null when there is nothing to compare with. Counters may start anew. */
    private step(
        direction: StreamSample['direction'],
        entry: Fields,
        counters: Counters,
        elapsedS: number,
        counted: Map<string, Counters>,
    ): { before: Counters; sample: Pick<StreamSample, SharedMember> } | null {
        const { kind } = entry;
        if (!kind) return null;
        const key = `${direction} ${kind} ${entry.number('ssrc') ?? entry.entry.id}`;
        counted.set(key, counters);
        const before = this.before.get(key);
        const anew = !before || counters.bytes < before.bytes || counters.packets < before.packets;
        if (anew || !(elapsedS > 0)) return null;
        const frames = counters.frames === null ? null : counters.frames - (before.frames ?? 0);
        counters.moved = frames !== null && frames > 0;
        const sample = {
            key,
            direction,
            kind,
            bitrateBps: ((counters.bytes - before.bytes) * 8) / elapsedS,
            width: entry.number('frameWidth') ?? 0,
            height: entry.number('frameHeight') ?? 0,
            framesPerSecond: frames === null ? null : Math.max(0, frames) / elapsedS,
        };
        return { before, sample };
    }
}

type SharedMember = 'key' | 'direction' | 'kind' | 'bitrateBps' | 'width' | 'height' | 'framesPerSecond';

function share(part: number, whole: number): number | null {
    return whole < JUDGED_PACKETS ? null : Math.min(1, part / whole);
}

function least(values: (number | null)[]): number | null {
    const told = values.filter((value) => value !== null);
    return told.length > 0 ? Math.min(...told) : null;
}

/** A freeze is counted when it ends: without any picture it still goes on, and after a pause it counts the pause. */
function frozen(before: Counters, counters: Counters, elapsedS: number): number | null {
    if (counters.frames === null) return null;
    if (!counters.moved) return 1;
    if (!before.moved || counters.freezesS === null || before.freezesS === null) return 0;
    return Math.min(1, Math.max(0, counters.freezesS - before.freezesS) / elapsedS);
}
