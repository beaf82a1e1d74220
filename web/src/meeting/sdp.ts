// The remote description of the bridge: what the focus offered, written as SDP (RFC 8866, 8829),
// with one m-line for each stream of somebody else. And our own answer read back from SDP.

import type { LocalAnswer, LocalSource } from './accept';
import type { Candidate, Kind, Offer, OfferedMedia } from './offer';
import { screenOf } from './room';
import type { RemoteSource } from './sources';
import type { Medium } from './streams';

/**
 * An m-line: the first of each kind carries what we send (microphone, camera), one more the screen while we share
 * one ("share"; at rest when we do no more), the others each one stream of somebody else.
 */
export interface Slot {
    mid: string;
    kind: Kind;
    role: 'send' | 'share' | 'rest' | 'receive';
    source: RemoteSource | null;
    /** The SSRC it carried before it was free. */
    carried?: number;
}

export function candidateLine(c: Candidate): string {
    let line = `a=candidate:${c.foundation} ${c.component} ${c.protocol} ${c.priority} ${c.ip} ${c.port} typ ${c.type}`;
    if (c.relatedAddress && c.relatedPort) line += ` raddr ${c.relatedAddress} rport ${c.relatedPort}`;
    return c.tcpType ? `${line} tcptype ${c.tcpType}` : line;
}

export function payloadLines(media: OfferedMedia): string[] {
    return media.payloadTypes.flatMap((type) => {
        const channels = Number(type.channels) > 1 ? `/${type.channels}` : '';
        const parameters = type.parameters.map(([name, value]) => (name ? `${name}=${value}` : value)).join(';');
        return [
            `a=rtpmap:${type.id} ${type.name}/${type.clockrate}${channels}`,
            ...(parameters ? [`a=fmtp:${type.id} ${parameters}`] : []),
            ...type.feedback.map(([kind, subtype]) => `a=rtcp-fb:${type.id} ${kind}${subtype ? ` ${subtype}` : ''}`),
        ];
    });
}

export function sourceLines(source: RemoteSource): string[] {
    const ssrcs = source.rtx === null ? [source.ssrc] : [source.ssrc, source.rtx];
    const msid = source.msid || `${source.owner} ${source.ssrc}`;
    return [
        `a=msid:${msid}`,
        ...(source.rtx === null ? [] : [`a=ssrc-group:FID ${source.ssrc} ${source.rtx}`]),
        ...ssrcs.flatMap((ssrc) => [`a=ssrc:${ssrc} cname:${source.owner}`, `a=ssrc:${ssrc} msid:${msid}`]),
    ];
}

/** Simulcast by name (RFC 8853), lowest layer first: Firefox is asked so, and tells the SSRCs in this order. */
const LAYERS = ['low', 'middle', 'high'];
const SIMULCAST = [...LAYERS.map((name) => `a=rid:${name} recv`), `a=simulcast:recv ${LAYERS.join(';')}`];

function direction(slot: Slot): string {
    if (slot.role === 'send' || slot.role === 'share') return 'recvonly';
    return slot.source ? 'sendonly' : 'inactive';
}

function mediaSection(offer: Offer, media: OfferedMedia, slot: Slot, byName: boolean): string[] {
    const { transport } = offer;
    return [
        `m=${media.kind} 9 UDP/TLS/RTP/SAVPF ${media.payloadTypes.map((type) => type.id).join(' ')}`,
        'c=IN IP4 0.0.0.0',
        'a=rtcp:9 IN IP4 0.0.0.0',
        ...(slot.mid === '0' ? transport.candidates.map(candidateLine) : []),
        `a=ice-ufrag:${transport.ufrag}`,
        `a=ice-pwd:${transport.pwd}`,
        `a=fingerprint:${transport.hash} ${transport.fingerprint}`,
        `a=setup:${transport.setup}`,
        `a=mid:${slot.mid}`,
        ...media.headerExtensions.map(([id, uri]) => `a=extmap:${id} ${uri}`),
        ...(media.allowMixed ? ['a=extmap-allow-mixed'] : []),
        `a=${direction(slot)}`,
        'a=rtcp-mux',
        ...payloadLines(media),
        ...(byName && slot.role === 'send' && slot.kind === 'video' ? SIMULCAST : []),
        ...(slot.source ? sourceLines(slot.source) : []),
    ];
}

/** The bridge's side as an SDP offer with these m-lines; `byName`: it asks for layers of video by name. */
export function remoteDescription(offer: Offer, slots: Slot[], version: number, byName: boolean): string {
    const sections = slots.flatMap((slot) => {
        const media = offer.media.find((candidate) => candidate.kind === slot.kind);
        return media ? mediaSection(offer, media, slot, byName) : [];
    });
    return [
        'v=0',
        `o=- 1 ${version} IN IP4 0.0.0.0`,
        's=-',
        't=0 0',
        `a=group:BUNDLE ${slots.map((slot) => slot.mid).join(' ')}`,
        'a=msid-semantic: WMS *',
        ...sections,
        '',
    ].join('\r\n');
}

function sectionOf(sdp: string, mid: string): string[] {
    const sections = sdp.split(/\r\n(?=m=)/);
    const found = sections.find((section) => section.split('\r\n').includes(`a=mid:${mid}`));
    return found?.split('\r\n') ?? [];
}

function value(lines: string[], prefix: string): string {
    return lines.find((line) => line.startsWith(prefix))?.slice(prefix.length) ?? '';
}

/** SSRCs of an m-line in order, and their groups; layers that go by name are a group too, as Jitsi clients have it. */
function ssrcs(lines: string[]): { ssrcs: number[]; groups: [string, number[]][] } {
    const all = lines.filter((line) => line.startsWith('a=ssrc:')).map((line) => parseInt(line.slice(7), 10));
    const groups = lines
        .filter((line) => line.startsWith('a=ssrc-group:'))
        .map((line): [string, number[]] => {
            const [semantics = '', ...members] = line.slice(13).split(' ');
            return [semantics, members.map(Number)];
        });
    const layers = groups.filter(([semantics]) => semantics === 'FID').map(([, [primary]]) => primary ?? 0);
    if (value(lines, 'a=simulcast:send ') && layers.length > 1) groups.unshift(['SIM', layers]);
    return { ssrcs: [...new Set(all)], groups };
}

/**
 * Ask Chromium for simulcast the way Jitsi clients do: one SIM group with one SSRC for each layer, lowest first,
 * each with its own retransmission SSRC. `extra` holds [ssrc, rtx] of the layers beyond the first. Browsers that
 * do not write SSRCs into their SDP are left alone.
 */
export function withSimulcast(sdp: string, mid: string, extra: number[][]): string {
    const lines = sectionOf(sdp, mid);
    const { groups } = ssrcs(lines);
    const fid = groups.find(([semantics]) => semantics === 'FID')?.[1];
    if (!fid || groups.length !== 1) return sdp;
    const prefix = `a=ssrc:${fid[0]} `;
    const attributes = lines.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length));
    const pairs = [fid, ...extra];
    const written = [
        `a=ssrc-group:SIM ${pairs.map((pair) => pair[0]).join(' ')}`,
        ...pairs.map((pair) => `a=ssrc-group:FID ${pair.join(' ')}`),
        ...pairs.flat().flatMap((ssrc) => attributes.map((attribute) => `a=ssrc:${ssrc} ${attribute}`)),
    ];
    const kept = lines.filter((line) => line && !line.startsWith('a=ssrc'));
    return sdp.replace(lines.filter(Boolean).join('\r\n'), () => [...kept, ...written].join('\r\n'));
}

/** What of ours a slot carries. */
function mediumOf({ role, kind }: Slot): Medium | null {
    if (role === 'send') return kind;
    return role === 'share' ? 'desktop' : null;
}

/** How Jitsi clients name sources and streams: a screen is the second video. */
function named(medium: Medium, endpoint: string, track: string): Pick<LocalSource, 'name' | 'msid' | 'videoType'> {
    switch (medium) {
        case 'audio':
            return { name: `${endpoint}-a0`, msid: `${endpoint}-audio-0 ${track}`, videoType: '' };
        case 'video':
            return { name: `${endpoint}-v0`, msid: `${endpoint}-video-0 ${track}`, videoType: 'camera' };
        case 'desktop':
            return { name: screenOf(endpoint), msid: `${endpoint}-video-1 ${track}`, videoType: 'desktop' };
    }
}

/** Read from our own answer what a session-accept tells. `endpoint` names the sources (`<endpoint>-a0`). */
export function localAnswer(sdp: string, slots: Slot[], endpoint: string): LocalAnswer {
    // What holds for all m-lines may stand before the first (RFC 8122 §5): there Firefox writes its fingerprint.
    const session = sdp.split(/\r\n(?=m=)/)[0]?.split('\r\n') ?? [];
    const first = [...sectionOf(sdp, slots[0]?.mid ?? '0'), ...session];
    const [hash = '', fingerprint = ''] = value(first, 'a=fingerprint:').split(' ');
    const sources: LocalSource[] = [];
    for (const slot of slots) {
        const medium = mediumOf(slot);
        const lines = sectionOf(sdp, slot.mid);
        const found = ssrcs(lines);
        if (!medium || found.ssrcs.length === 0) continue;
        const track = value(lines, 'a=msid:').split(' ')[1] || `${medium}-track`;
        sources.push({ ...named(medium, endpoint, track), kind: slot.kind, ...found });
    }
    return { ufrag: value(first, 'a=ice-ufrag:'), pwd: value(first, 'a=ice-pwd:'), hash, fingerprint, sources };
}
