// One side of a direct session as Jingle (XEP-0166, 0167, 0176, 0293, 0294, 0320, 0338, 0339), read and written. What
// comes is of another participant, who may be hostile: it is bounded, and what is no token is left out (see `offer`).

import { NS } from './namespaces';
import {
    type Candidate,
    candidate,
    JingleError,
    type Kind,
    MAX_CANDIDATES,
    type OfferedMedia,
    offeredMedia,
    type Transport,
    transport,
} from './offer';
import { type RemoteSource, xmlSources } from './sources';
import { attribute, child, children, x } from './xml';

/** A content: one m-line, with the streams that its sender has in it. */
export interface DirectMedia extends OfferedMedia {
    /** The content's name, which is the m-line's mid. */
    name: string;
    /** Of its sender, in terms of SDP. */
    direction: 'sendrecv' | 'recvonly' | 'sendonly' | 'inactive';
    sources: RemoteSource[];
}

/** All that one side tells: one transport for all contents (BUNDLE). */
export interface DirectDescription {
    transport: Transport;
    media: DirectMedia[];
}

/** Who speaks in which session. */
export interface Parties {
    sid: string;
    initiator: string;
    /** Whether we are that. */
    mine: boolean;
}

/** Voice, camera, screen; more is nothing that this page or lib-jitsi-meet does. */
const MAX_CONTENTS = 4;
const NAME = /^[\x21-\x7e]{1,32}$/;
const SENDERS = { sendrecv: 'both', sendonly: 'initiator', recvonly: 'responder', inactive: 'none' } as const;

/**
 * Read a session-initiate or session-accept of `owner`. Throws JingleError when it cannot be used.
 *
 * lib-jitsi-meet writes "sendonly" as senders="initiator" on both sides, so only "both" and "none" are sure; what
 * is between goes by whether there are sources.
 */
export function readDescription(jingle: Element, owner: string): DirectDescription {
    const contents = children(jingle, 'content');
    const bundle = children(jingle, 'group', NS.grouping).find((group) => attribute(group, 'semantics') === 'BUNDLE');
    const bundled = children(bundle ?? null, 'content').map((content) => attribute(content, 'name'));
    const names = contents.map((content) => attribute(content, 'name'));
    const all = names.every((name) => NAME.test(name) && bundled.includes(name)) && bundled.length === names.length;
    if (!all || contents.length > MAX_CONTENTS || new Set(names).size !== names.length) {
        throw new JingleError('contents that are not one bundle');
    }
    const first = contents.find((content) => attribute(content, 'name') === bundled[0]);
    const way = child(first ?? null, 'transport', NS.ice);
    const media = contents.flatMap((content) => readContent(content, owner));
    if (!way || media.length !== contents.length) throw new JingleError('a content without transport or media');
    return { transport: transport(way), media };
}

function readContent(content: Element, owner: string): DirectMedia[] {
    const description = child(content, 'description', NS.rtp);
    const [media] = description ? offeredMedia(description) : [];
    if (!description || !media) return [];
    const sources = ownSources(description, media.kind, owner);
    const senders = attribute(content, 'senders') || 'both';
    const between = sources.length > 0 ? 'sendrecv' : 'recvonly';
    const direction = senders === 'both' ? 'sendrecv' : senders === 'none' ? 'inactive' : between;
    return [{ ...media, name: attribute(content, 'name'), direction, sources }];
}

/** The sources of a content, one stream each m-line; a name that is not its owner's is not believed. */
function ownSources(description: Element, kind: Kind, owner: string): RemoteSource[] {
    return xmlSources(description, kind, owner)
        .slice(0, 1)
        .map((source) => ({
            ...source,
            name: source.name.startsWith(`${owner}-`) ? source.name : `${owner}-${kind === 'audio' ? 'a0' : 'v0'}`,
        }));
}

/** Read a source-add or source-remove: the sources by the name of their content, with the kind it has. */
export function readSources(jingle: Element, owner: string, media: DirectMedia[]): Map<string, RemoteSource[]> {
    const found = new Map<string, RemoteSource[]>();
    for (const content of children(jingle, 'content').slice(0, MAX_CONTENTS)) {
        const known = media.find(({ name }) => name === attribute(content, 'name'));
        // lib-jitsi-meet puts them into the description, or beside it.
        const description = child(content, 'description', NS.rtp) ?? content;
        if (known) found.set(known.name, ownSources(description, known.kind, owner));
    }
    return found;
}

/** Read the candidates of a transport-info. */
export function readCandidates(jingle: Element): Candidate[] {
    return children(jingle, 'content')
        .flatMap((content) => children(child(content, 'transport', NS.ice), 'candidate'))
        .slice(0, MAX_CANDIDATES)
        .flatMap(candidate);
}

/** What a content-modify says of our video; null = nothing. */
export function readWantsVideo(jingle: Element): boolean | null {
    const senders = attribute(children(jingle, 'content')[0] ?? null, 'senders');
    return senders ? senders === 'both' : null;
}

/** Build a session-initiate or session-accept. */
export function session(
    action: 'session-initiate' | 'session-accept',
    parties: Parties,
    responder: string,
    { transport: way, media }: DirectDescription,
): Element {
    const bundled = media.map(({ name }) => x('content', { name }));
    return jingleElement(
        action,
        parties,
        action === 'session-accept' ? responder : undefined,
        x('group', { xmlns: NS.grouping, semantics: 'BUNDLE' }, ...bundled),
        ...media.map((one) =>
            x(
                'content',
                { creator: parties.mine ? 'initiator' : 'responder', name: one.name, senders: SENDERS[one.direction] },
                description(one),
                x(
                    'transport',
                    { xmlns: NS.ice, ufrag: way.ufrag, pwd: way.pwd },
                    x('fingerprint', { xmlns: NS.dtls, hash: way.hash, setup: way.setup }, way.fingerprint),
                ),
            ),
        ),
    );
}

/** Build a transport-info with candidates of ours. */
export function transportInfo(parties: Parties, content: string, way: Transport, candidates: Candidate[]): Element {
    const found = candidates.map((one) =>
        x('candidate', {
            component: one.component,
            foundation: one.foundation,
            generation: 0,
            id: `${one.foundation}${one.port}`,
            ip: one.ip,
            network: 1,
            port: one.port,
            priority: one.priority,
            protocol: one.protocol,
            type: one.type,
            'rel-addr': one.relatedAddress || undefined,
            'rel-port': one.relatedPort || undefined,
            tcptype: one.tcpType || undefined,
        }),
    );
    const { ufrag, pwd } = way;
    return jingleElement(
        'transport-info',
        parties,
        undefined,
        x(
            'content',
            { creator: parties.mine ? 'initiator' : 'responder', name: content },
            x('transport', { xmlns: NS.ice, ufrag, pwd }, ...found),
        ),
    );
}

/** Build the session-info that tells another page that we go back to the bridge: it follows, and then we end this. */
export function goingBack(parties: Parties): Element {
    return jingleElement('session-info', parties, undefined, x('returning', { xmlns: NS.direct }));
}

/** Build the source-add of a stream that came later. */
export function sourceAdd(parties: Parties, media: DirectMedia): Element {
    const added = x('description', { xmlns: NS.rtp, media: media.kind }, ...sourceElements(media.sources));
    return jingleElement('source-add', parties, undefined, x('content', { name: media.name }, added));
}

export type Reason = 'success' | 'decline' | 'timeout' | 'connectivity-error' | 'failed-application';

/** Build a session-terminate. */
export function terminate(parties: Parties, reason: Reason, text: string): Element {
    return jingleElement('session-terminate', parties, undefined, x('reason', {}, x(reason), x('text', {}, text)));
}

function jingleElement(
    action: string,
    { sid, initiator }: Parties,
    responder: string | undefined,
    ...inside: Element[]
): Element {
    return x('jingle', { xmlns: NS.jingle, action, sid, initiator, responder }, ...inside);
}

function description(media: DirectMedia): Element {
    const types = media.payloadTypes.map(({ id, name, clockrate, channels, parameters, feedback }) =>
        x(
            'payload-type',
            { id, name, clockrate, channels: channels || undefined },
            ...parameters.map(([key, value]) => x('parameter', { name: key, value })),
            ...feedback.map(([type, subtype]) =>
                x('rtcp-fb', { xmlns: NS.feedback, type, subtype: subtype || undefined }),
            ),
        ),
    );
    return x(
        'description',
        { xmlns: NS.rtp, media: media.kind },
        ...types,
        ...sourceElements(media.sources),
        x('rtcp-mux'),
        ...media.headerExtensions.map(([id, uri]) => x('rtp-hdrext', { xmlns: NS.headerExtension, id, uri })),
        media.allowMixed ? x('extmap-allow-mixed', { xmlns: NS.headerExtension }) : null,
    );
}

function sourceElements(sources: RemoteSource[]): Element[] {
    return sources.flatMap(({ ssrc, rtx, name, msid }) => {
        const ssrcs = rtx === null ? [ssrc] : [ssrc, rtx];
        const grouped = x(
            'ssrc-group',
            { xmlns: NS.sources, semantics: 'FID' },
            ...ssrcs.map((one) => x('source', { ssrc: one })),
        );
        return [
            ...ssrcs.map((one) =>
                x('source', { xmlns: NS.sources, ssrc: one, name }, x('parameter', { name: 'msid', value: msid })),
            ),
            ...(rtx === null ? [] : [grouped]),
        ];
    });
}
