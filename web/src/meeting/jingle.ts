// Jingle as the focus speaks it (XEP-0166, 0167, 0176, 0320, 0338, 0339): elements to data and back.

import { NS } from './namespaces';
import { attribute, child, children, x } from './xml';

export type Kind = 'audio' | 'video';

export interface PayloadType {
    id: string;
    name: string;
    clockrate: string;
    channels: string;
    parameters: [string, string][];
    feedback: [string, string][];
}

export interface Candidate {
    foundation: string;
    component: string;
    protocol: string;
    priority: string;
    ip: string;
    port: string;
    type: string;
    relatedAddress: string;
    relatedPort: string;
    tcpType: string;
}

export interface Transport {
    ufrag: string;
    pwd: string;
    hash: string;
    fingerprint: string;
    setup: string;
    candidates: Candidate[];
    webSocket: string;
}

export interface OfferedMedia {
    kind: Kind;
    payloadTypes: PayloadType[];
    headerExtensions: [string, string][];
    allowMixed: boolean;
}

/** One stream of somebody else: an SSRC, its retransmissions, and whose it is. */
export interface RemoteSource {
    kind: Kind;
    owner: string;
    name: string;
    msid: string;
    ssrc: number;
    rtx: number | null;
}

export interface Offer {
    sid: string;
    initiator: string;
    bridgeSession: string;
    media: OfferedMedia[];
    transport: Transport;
    sources: RemoteSource[];
}

/** A stream of our own, as the answer tells the focus. */
export interface LocalSource {
    kind: Kind;
    name: string;
    msid: string;
    ssrcs: number[];
    groups: [string, number[]][];
}

export interface LocalAnswer {
    ufrag: string;
    pwd: string;
    hash: string;
    fingerprint: string;
    sources: LocalSource[];
}

function payloadType(element: Element): PayloadType {
    return {
        id: attribute(element, 'id'),
        name: attribute(element, 'name'),
        clockrate: attribute(element, 'clockrate'),
        channels: attribute(element, 'channels'),
        parameters: children(element, 'parameter').map(p => [attribute(p, 'name'), attribute(p, 'value')]),
        feedback: children(element, 'rtcp-fb').map(f => [attribute(f, 'type'), attribute(f, 'subtype')]),
    };
}

function candidate(element: Element): Candidate {
    return {
        foundation: attribute(element, 'foundation'),
        component: attribute(element, 'component'),
        protocol: attribute(element, 'protocol'),
        priority: attribute(element, 'priority'),
        ip: attribute(element, 'ip'),
        port: attribute(element, 'port'),
        type: attribute(element, 'type'),
        relatedAddress: attribute(element, 'rel-addr'),
        relatedPort: attribute(element, 'rel-port'),
        tcpType: attribute(element, 'tcptype'),
    };
}

function transport(element: Element): Transport {
    const fingerprint = child(element, 'fingerprint', NS.dtls);
    return {
        ufrag: attribute(element, 'ufrag'),
        pwd: attribute(element, 'pwd'),
        hash: attribute(fingerprint, 'hash'),
        fingerprint: fingerprint?.textContent?.trim() ?? '',
        setup: attribute(fingerprint, 'setup') || 'actpass',
        candidates: children(element, 'candidate').map(candidate),
        webSocket: attribute(child(element, 'web-socket', NS.colibri), 'url'),
    };
}

/** Read a session-initiate. Throws when it has no transport or no media. */
export function parseOffer(jingle: Element): Offer {
    const contents = children(jingle, 'content');
    const transports = contents.flatMap(content => children(content, 'transport', NS.ice));
    const media = contents.flatMap(content => children(content, 'description', NS.rtp))
        .filter(description => ['audio', 'video'].includes(attribute(description, 'media')))
        .map(description => ({
            kind: attribute(description, 'media') as Kind,
            payloadTypes: children(description, 'payload-type').map(payloadType),
            headerExtensions: children(description, 'rtp-hdrext')
                .map((e): [string, string] => [attribute(e, 'id'), attribute(e, 'uri')]),
            allowMixed: child(description, 'extmap-allow-mixed') !== null,
        }));
    if (!transports[0] || media.length === 0) throw new Error('an offer without transport or media');
    return {
        sid: attribute(jingle, 'sid'),
        initiator: attribute(jingle, 'initiator'),
        bridgeSession: attribute(child(jingle, 'bridge-session', NS.focus), 'id'),
        media,
        transport: transport(transports[0]),
        sources: parseSources(jingle),
    };
}

interface JsonSource { s: number; n?: string; m?: string }
type JsonGroup = [string, ...number[]];
type JsonOwner = [JsonSource[]?, JsonGroup[]?, JsonSource[]?, JsonGroup[]?];

/** The sources of others in a session-initiate, source-add or source-remove, in XML or in Jitsi's JSON form. */
export function parseSources(jingle: Element): RemoteSource[] {
    const json = child(jingle, 'json-message', NS.jitmeet)?.textContent;
    const found = json ? jsonSources(json) : [];
    for (const content of children(jingle, 'content')) {
        const description = child(content, 'description', NS.rtp);
        const kind = attribute(description, 'media');
        if (description && (kind === 'audio' || kind === 'video')) found.push(...xmlSources(description, kind));
    }
    return found;
}

function xmlSources(description: Element, kind: Kind): RemoteSource[] {
    const groups = children(description, 'ssrc-group', NS.sources).map((group): [string, number[]] => [
        attribute(group, 'semantics'), children(group, 'source').map(s => Number(attribute(s, 'ssrc'))),
    ]);
    const entries = children(description, 'source', NS.sources).map(source => ({
        ssrc: Number(attribute(source, 'ssrc')),
        name: attribute(source, 'name'),
        msid: attribute(children(source, 'parameter').find(p => attribute(p, 'name') === 'msid') ?? null, 'value'),
        owner: attribute(child(source, 'ssrc-info', NS.jitmeet), 'owner').split('/').pop() ?? '',
    }));
    return primaries(kind, entries, groups);
}

function jsonSources(text: string): RemoteSource[] {
    const owners = (JSON.parse(text) as { sources: Record<string, JsonOwner> }).sources;
    return Object.entries(owners).flatMap(([owner, [video = [], videoGroups = [], audio = [], audioGroups = []]]) => {
        const entries = (list: JsonSource[]) =>
            list.map(({ s, n = '', m = '' }) => ({ ssrc: s, name: n, msid: m, owner }));
        const groups = (list: JsonGroup[]) => list.map(([letter, ...ssrcs]): [string, number[]] => [
            letter === 'f' ? 'FID' : 'SIM', ssrcs,
        ]);
        return [
            ...primaries('video', entries(video), groups(videoGroups)),
            ...primaries('audio', entries(audio), groups(audioGroups)),
        ];
    });
}

type Entry = Pick<RemoteSource, 'ssrc' | 'name' | 'msid' | 'owner'>;

/** Retransmission SSRCs belong to their primary; everything else is a stream. The bridge's own have no owner here. */
function primaries(kind: Kind, entries: Entry[], groups: [string, number[]][]): RemoteSource[] {
    const pairs = groups.filter(([semantics, ssrcs]) => semantics === 'FID' && ssrcs.length === 2);
    const rtxOf = new Map(pairs.map(([, [primary, rtx]]) => [primary, rtx]));
    const rtx = new Set(rtxOf.values());
    return entries
        .filter(entry => entry.owner && entry.owner !== 'jvb' && !rtx.has(entry.ssrc))
        .map(entry => ({ kind, ...entry, rtx: rtxOf.get(entry.ssrc) ?? null }));
}

function sourceElements(source: LocalSource): Element[] {
    return [
        ...source.ssrcs.map(ssrc =>
            x('source', {
                xmlns: NS.sources, ssrc, name: source.name,
                videoType: source.kind === 'video' ? 'camera' : undefined,
            }, x('parameter', { name: 'msid', value: source.msid }))),
        ...source.groups.map(([semantics, ssrcs]) =>
            x('ssrc-group', { xmlns: NS.sources, semantics }, ...ssrcs.map(ssrc => x('source', { ssrc })))),
    ];
}

function acceptedMedia(media: OfferedMedia, answer: LocalAnswer): Element {
    const types = media.payloadTypes.map(type =>
        x('payload-type', {
            id: type.id, name: type.name, clockrate: type.clockrate, channels: type.channels || undefined,
        },
        ...type.parameters.map(([name, value]) => x('parameter', { name, value })),
        ...type.feedback.map(([kind, subtype]) =>
            x('rtcp-fb', { xmlns: NS.feedback, type: kind, subtype: subtype || undefined }))));
    return x('description', { xmlns: NS.rtp, media: media.kind },
        ...types,
        ...media.headerExtensions.map(([id, uri]) => x('rtp-hdrext', { xmlns: NS.headerExtension, id, uri })),
        media.allowMixed ? x('extmap-allow-mixed', { xmlns: NS.headerExtension }) : null,
        ...answer.sources.filter(source => source.kind === media.kind).flatMap(sourceElements),
        x('rtcp-mux'));
}

/** Build the session-accept that answers `offer`. */
export function sessionAccept(offer: Offer, responder: string, answer: LocalAnswer): Element {
    const contents = offer.media.map(media =>
        x('content', { creator: 'responder', name: media.kind, senders: 'both' },
            acceptedMedia(media, answer),
            x('transport', { xmlns: NS.ice, ufrag: answer.ufrag, pwd: answer.pwd },
                x('fingerprint', { xmlns: NS.dtls, hash: answer.hash, setup: 'active' }, answer.fingerprint))));
    return x('jingle',
        { xmlns: NS.jingle, action: 'session-accept', sid: offer.sid, initiator: offer.initiator, responder },
        x('group', { xmlns: NS.grouping, semantics: 'BUNDLE' },
            ...offer.media.map(media => x('content', { name: media.kind }))),
        ...contents);
}

/** Build a session-terminate; with `restart` it asks the focus for a new session after a failure of ICE. */
export function sessionTerminate(offer: Offer, reason: string, text: string, restart: boolean): Element {
    return x('jingle', { xmlns: NS.jingle, action: 'session-terminate', sid: offer.sid, initiator: offer.initiator },
        x('reason', {}, x(reason), x('text', {}, text)),
        x('bridge-session', { xmlns: NS.focus, id: offer.bridgeSession, restart }));
}
