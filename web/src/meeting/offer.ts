// The focus's offer (XEP-0166, 0167, 0176, 0293, 0294, 0320) read as data. All of it ends up in SDP, where a line
// break or a space in the wrong place would mean something else: what is no token is left out here.

import { NS } from './namespaces';
import { parseSources, type RemoteSource } from './sources';
import { attribute, child, children } from './xml';

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

/** Of one side of ICE. */
export interface Credentials {
    ufrag: string;
    pwd: string;
}

/** The bridge's side of ICE after a restart; `generation` counts them. */
export interface FreshTransport extends Credentials {
    candidates: Candidate[];
    generation: number;
}

export interface Offer {
    sid: string;
    initiator: string;
    bridgeSession: string;
    media: OfferedMedia[];
    transport: Transport;
    sources: RemoteSource[];
}

/** Jingle that cannot be used: refused with bad-request. */
export class JingleError extends Error {}

export const MAX_CANDIDATES = 50;
const MAX_PAYLOAD_TYPES = 64;
const TOKEN = /^[\x21-\x7e]{1,256}$/;
const NUMBER = /^\d{1,10}$/;
/** A format parameter's value may hold spaces. */
const PRINTABLE = /^[\x20-\x7e]{0,512}$/;

function tokens(...texts: string[]): boolean {
    return texts.every((text) => TOKEN.test(text));
}

function optional(...texts: string[]): boolean {
    return texts.every((text) => text === '' || TOKEN.test(text));
}

function numbers(...texts: string[]): boolean {
    return texts.every((text) => NUMBER.test(text));
}

function payloadType(element: Element): PayloadType[] {
    const parameters = children(element, 'parameter')
        .map((p): [string, string] => [attribute(p, 'name'), attribute(p, 'value')])
        .filter(([name, value]) => optional(name) && PRINTABLE.test(value));
    const feedback = children(element, 'rtcp-fb')
        .map((f): [string, string] => [attribute(f, 'type'), attribute(f, 'subtype')])
        .filter(([type, subtype]) => tokens(type) && optional(subtype));
    const [id, name, clockrate, channels] = ['id', 'name', 'clockrate', 'channels'].map((key) =>
        attribute(element, key),
    ) as [string, string, string, string];
    const valid = numbers(id, clockrate) && Number(id) < 128 && tokens(name) && (!channels || numbers(channels));
    return valid ? [{ id, name, clockrate, channels, parameters, feedback }] : [];
}

/** Read a candidate (XEP-0176); none when it is not fit for SDP. */
export function candidate(element: Element): Candidate[] {
    const found: Candidate = {
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
    const { foundation, component, protocol, priority, ip, port, type, relatedAddress, relatedPort, tcpType } = found;
    const valid =
        tokens(foundation, protocol, ip, type) &&
        numbers(component, priority, port) &&
        optional(relatedAddress, relatedPort, tcpType);
    return valid ? [found] : [];
}

/** Read one side of ICE and DTLS (XEP-0176, 0320). Throws JingleError without credentials or fingerprint. */
export function transport(element: Element): Transport {
    const fingerprint = child(element, 'fingerprint', NS.dtls);
    const setup = attribute(fingerprint, 'setup');
    const found = {
        ufrag: attribute(element, 'ufrag'),
        pwd: attribute(element, 'pwd'),
        hash: attribute(fingerprint, 'hash'),
        fingerprint: fingerprint?.textContent?.trim() ?? '',
    };
    if (!tokens(...Object.values(found))) throw new JingleError('a transport without credentials or fingerprint');
    return {
        ...found,
        setup: ['active', 'passive', 'actpass'].includes(setup) ? setup : 'actpass',
        candidates: children(element, 'candidate').slice(0, MAX_CANDIDATES).flatMap(candidate),
        webSocket: attribute(child(element, 'web-socket', NS.colibri), 'url'),
    };
}

/** Read the bridge's side of a restart of ICE. Throws JingleError without credentials. */
export function freshTransport(element: Element, generation: number): FreshTransport {
    const { ufrag, pwd, candidates } = transport(element);
    return { ufrag, pwd, candidates, generation };
}

/** Read what RTP is spoken (XEP-0167, 0293, 0294); none when that is nothing we know. */
export function offeredMedia(description: Element): OfferedMedia[] {
    const kind = attribute(description, 'media');
    if (kind !== 'audio' && kind !== 'video') return [];
    const payloadTypes = children(description, 'payload-type').slice(0, MAX_PAYLOAD_TYPES).flatMap(payloadType);
    if (payloadTypes.length === 0) return [];
    const headerExtensions = children(description, 'rtp-hdrext')
        .map((element): [string, string] => [attribute(element, 'id'), attribute(element, 'uri')])
        .filter(([id, uri]) => numbers(id) && tokens(uri));
    return [{ kind, payloadTypes, headerExtensions, allowMixed: child(description, 'extmap-allow-mixed') !== null }];
}

/** Read a session-initiate. Throws JingleError when there is nothing to answer to. */
export function parseOffer(jingle: Element): Offer {
    const contents = children(jingle, 'content');
    const first = contents.flatMap((content) => children(content, 'transport', NS.ice))[0];
    const described = contents.flatMap((content) => children(content, 'description', NS.rtp)).flatMap(offeredMedia);
    // One of each kind is all that this page speaks of.
    const media = described.filter((one, index) => described.findIndex((other) => other.kind === one.kind) === index);
    const sid = attribute(jingle, 'sid');
    if (!first || media.length === 0 || !sid) throw new JingleError('an offer without sid, transport or media');
    return {
        sid,
        initiator: attribute(jingle, 'initiator'),
        bridgeSession: attribute(child(jingle, 'bridge-session', NS.focus), 'id'),
        media,
        transport: transport(first),
        sources: parseSources(jingle),
    };
}
