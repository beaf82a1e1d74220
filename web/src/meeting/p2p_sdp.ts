// A direct session's descriptions between SDP (RFC 8866, 8829) and data.

import type { Candidate, Kind, PayloadType } from './offer';
import type { DirectDescription, DirectMedia } from './p2p_jingle';
import { candidateLine, payloadLines, sourceLines } from './sdp';
import type { RemoteSource } from './sources';

/** Write what the other side told as SDP. */
export function writeSdp({ transport, media }: DirectDescription, version: number): string {
    const sections = media.flatMap((one, index) => [
        `m=${one.kind} 9 UDP/TLS/RTP/SAVPF ${one.payloadTypes.map((type) => type.id).join(' ')}`,
        'c=IN IP4 0.0.0.0',
        'a=rtcp:9 IN IP4 0.0.0.0',
        ...(index === 0 ? transport.candidates.map(candidateLine) : []),
        `a=ice-ufrag:${transport.ufrag}`,
        `a=ice-pwd:${transport.pwd}`,
        'a=ice-options:trickle',
        `a=fingerprint:${transport.hash} ${transport.fingerprint}`,
        `a=setup:${transport.setup}`,
        `a=mid:${one.name}`,
        ...one.headerExtensions.map(([id, uri]) => `a=extmap:${id} ${uri}`),
        ...(one.allowMixed ? ['a=extmap-allow-mixed'] : []),
        `a=${one.direction}`,
        'a=rtcp-mux',
        ...payloadLines(one),
        ...one.sources.flatMap(sourceLines),
    ]);
    return [
        'v=0',
        `o=- 1 ${version} IN IP4 0.0.0.0`,
        's=-',
        't=0 0',
        `a=group:BUNDLE ${media.map((one) => one.name).join(' ')}`,
        'a=msid-semantic: WMS *',
        ...sections,
        '',
    ].join('\r\n');
}

type Lines = string[];

function values(lines: Lines, prefix: string): string[] {
    return lines.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length));
}

function value(lines: Lines, prefix: string): string {
    return values(lines, prefix)[0] ?? '';
}

/** Split at the first separator: what is before, what is after. */
function cut(text: string, separator: string): [string, string] {
    const at = text.indexOf(separator);
    return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)];
}

/** A parameter without a name is its value alone (RED, DTMF). */
function parameters(text: string): [string, string][] {
    return text
        .split(';')
        .map((one) => one.trim())
        .filter(Boolean)
        .map((one) => (one.includes('=') ? cut(one, '=') : ['', one]));
}

function payloadTypes(lines: Lines, ids: string[]): PayloadType[] {
    return ids.flatMap((id) => {
        const [name, clockrate, channels = ''] = value(lines, `a=rtpmap:${id} `).split('/');
        if (!name || !clockrate) return [];
        const feedback = values(lines, `a=rtcp-fb:${id} `).map((one) => cut(one, ' '));
        return [
            { id, name, clockrate, channels, parameters: parameters(value(lines, `a=fmtp:${id} `)), feedback },
        ];
    });
}

const DIRECTIONS = ['sendrecv', 'recvonly', 'sendonly', 'inactive'] as const;

/** The stream of ours in an m-line: `name` and `endpoint` name it; none where the browser tells no SSRC. */
function source(lines: Lines, kind: Kind, name: string, endpoint: string): RemoteSource[] {
    const [ssrc] = values(lines, 'a=ssrc:').map((line) => parseInt(line, 10));
    const [first, rtx] = value(lines, 'a=ssrc-group:FID ').split(' ').map(Number);
    if (!ssrc) return [];
    const msid = `${name}-direct ${value(lines, 'a=msid:').split(' ')[1] || 'track'}`;
    return [{ kind, owner: endpoint, name, msid, ssrc: first || ssrc, rtx: rtx || null }];
}

/**
 * Read our own local description; `endpoint` is our id, `told` says which m-lines' streams the other one is told of.
 * Candidates are not in it: they trickle.
 */
export function readSdp(sdp: string, endpoint: string, told: (mid: string) => boolean): DirectDescription {
    const [session = '', ...sections] = sdp.split(/\r\n(?=m=)/);
    const common = session.split('\r\n');
    const numbers: Record<Kind, number> = { audio: 0, video: 0 };
    const media = sections.map((section): DirectMedia => {
        const lines = section.split('\r\n');
        const [kind, , , ...ids] = (lines[0] ?? '').slice(2).split(' ') as [Kind, ...string[]];
        const mid = value(lines, 'a=mid:');
        const direction = DIRECTIONS.find((one) => lines.includes(`a=${one}`)) ?? 'sendrecv';
        const name = `${endpoint}-${kind === 'audio' ? 'a' : 'v'}${numbers[kind]++}`;
        const sends = direction === 'sendrecv' || direction === 'sendonly';
        return {
            kind,
            name: mid,
            direction,
            payloadTypes: payloadTypes(lines, ids),
            headerExtensions: values(lines, 'a=extmap:').map((one) => extension(one)),
            allowMixed: [...lines, ...common].includes('a=extmap-allow-mixed'),
            sources: sends && told(mid) ? source(lines, kind, name, endpoint) : [],
        };
    });
    const first = [...(sections[0] ?? '').split('\r\n'), ...common];
    const [hash, fingerprint] = cut(value(first, 'a=fingerprint:'), ' ');
    const transport = {
        ufrag: value(first, 'a=ice-ufrag:'),
        pwd: value(first, 'a=ice-pwd:'),
        hash,
        fingerprint,
        setup: value(first, 'a=setup:'),
        candidates: [],
        webSocket: '',
    };
    return { transport, media };
}

/** A direction after the id (RFC 8285 §5) says nothing where both sides send. */
function extension(text: string): [string, string] {
    const [id, uri = ''] = text.split(' ');
    return [id?.split('/')[0] ?? '', uri];
}

/** Read a candidate of ours (RFC 8839 §5.1); null where it says nothing, as at the end of them. */
export function readCandidate(line: string): Candidate | null {
    const [foundation, component, protocol, priority, ip, port, , type, ...rest] = line
        .replace(/^(a=)?candidate:/, '')
        .split(' ');
    if (!foundation || !component || !protocol || !priority || !ip || !port || !type) return null;
    const after = (name: string) => rest[rest.indexOf(name) + 1] ?? '';
    const extra = (name: string) => (rest.includes(name) ? after(name) : '');
    return {
        foundation,
        component,
        protocol: protocol.toLowerCase(),
        priority,
        ip,
        port,
        type,
        relatedAddress: extra('raddr'),
        relatedPort: extra('rport'),
        tcpType: extra('tcptype'),
    };
}
