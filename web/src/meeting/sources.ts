// The streams of others, as the focus tells them: in XML (XEP-0339) or in Jitsi's JSON form.

import { NS } from './namespaces';
import type { Kind } from './offer';
import { attribute, child, children, textOf } from './xml';

/** One stream of somebody else: an SSRC, its retransmissions, and whose it is. */
export interface RemoteSource {
    kind: Kind;
    owner: string;
    name: string;
    msid: string;
    ssrc: number;
    rtx: number | null;
}

type Entry = Pick<RemoteSource, 'ssrc' | 'name' | 'msid' | 'owner'>;
type Group = [semantics: string, ssrcs: number[]];

/** More than any room has; what comes beyond is not looked at. */
const MAX_SOURCES = 1000;
const JSON_LENGTH = 500_000;
const BRIDGE = 'jvb';

/** Read the sources of a session-initiate, source-add or source-remove; what makes no sense is left out. */
export function parseSources(jingle: Element): RemoteSource[] {
    const json = textOf(jingle, 'json-message', NS.jitmeet);
    const found = json ? jsonSources(json) : [];
    for (const content of children(jingle, 'content')) {
        const description = child(content, 'description', NS.rtp);
        const kind = attribute(description, 'media');
        if (description && (kind === 'audio' || kind === 'video')) found.push(...xmlSources(description, kind));
    }
    return found.slice(0, MAX_SOURCES);
}

/** Read the sources of one description; `owner` = all of them are theirs, whatever is said; "" = as is said. */
export function xmlSources(description: Element, kind: Kind, owner = ''): RemoteSource[] {
    const groups = children(description, 'ssrc-group', NS.sources).map(
        (group): Group => [
            attribute(group, 'semantics'),
            children(group, 'source').map((source) => Number(attribute(source, 'ssrc'))),
        ],
    );
    const entries = children(description, 'source', NS.sources).map((source) => {
        const msid = children(source, 'parameter').find((parameter) => attribute(parameter, 'name') === 'msid');
        return {
            ssrc: Number(attribute(source, 'ssrc')),
            name: attribute(source, 'name'),
            msid: attribute(msid ?? null, 'value'),
            owner:
                owner ||
                (attribute(child(source, 'ssrc-info', NS.jitmeet), 'owner')
                    .split('/')
                    .pop() ??
                    ''),
        };
    });
    return primaries(kind, entries, groups);
}

function list(value: unknown): unknown[] {
    return Array.isArray(value) ? value.slice(0, MAX_SOURCES) : [];
}

function record(value: unknown): Record<string, unknown> {
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string {
    return typeof value === 'string' ? value : '';
}

/** `{"sources": {OWNER: [video, video groups, audio, audio groups]}}`, empty lists at the end left out. */
function jsonSources(json: string): RemoteSource[] {
    const owners = Object.entries(record(record(parsed(json)).sources)).slice(0, MAX_SOURCES);
    return owners.flatMap(([owner, lists]) => {
        const [video, videoGroups, audio, audioGroups] = list(lists);
        const entries = (of: unknown) =>
            list(of)
                .map(record)
                .map(({ s, n, m }) => ({ ssrc: Number(s), name: text(n), msid: text(m), owner }));
        const groups = (of: unknown) =>
            list(of).map((group): Group => {
                const [letter, ...ssrcs] = list(group);
                return [letter === 'f' ? 'FID' : 'SIM', ssrcs.map(Number)];
            });
        return [
            ...primaries('video', entries(video), groups(videoGroups)),
            ...primaries('audio', entries(audio), groups(audioGroups)),
        ];
    });
}

function parsed(json: string): unknown {
    if (json.length > JSON_LENGTH) return null;
    try {
        return JSON.parse(json);
    } catch {
        return null;
    }
}

function isSsrc(value: number): boolean {
    return Number.isInteger(value) && value > 0 && value < 2 ** 32;
}

/** Both go into SDP lines (RFC 8830 §2, RFC 7022): tokens only. A source may come without msid (for removal). */
const MSID = /^([\x21-\x7e]{1,128}( [\x21-\x7e]{1,128})?)?$/;
const OWNER = /^[\x21-\x7e]{1,128}$/;

function usable(entry: Entry): boolean {
    return isSsrc(entry.ssrc) && OWNER.test(entry.owner) && entry.owner !== BRIDGE && MSID.test(entry.msid);
}

/** Retransmission SSRCs belong to their primary; everything else is a stream. */
function primaries(kind: Kind, entries: Entry[], groups: Group[]): RemoteSource[] {
    const pairs = groups.filter(
        ([semantics, ssrcs]) => semantics === 'FID' && ssrcs.length === 2 && ssrcs.every(isSsrc),
    );
    const rtxOf = new Map(pairs.map(([, [primary, rtx]]) => [primary, rtx]));
    const rtx = new Set(rtxOf.values());
    return entries
        .filter((entry) => usable(entry) && !rtx.has(entry.ssrc))
        .map((entry) => ({ kind, ...entry, rtx: rtxOf.get(entry.ssrc) ?? null }));
}
