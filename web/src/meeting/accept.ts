// Our side of Jingle: the session-accept that answers the focus's offer, and the session-terminate.

import { NS } from './namespaces';
import type { Kind, Offer, OfferedMedia } from './offer';
import { x } from './xml';

/** A stream of our own, as the answer tells the focus. */
export interface LocalSource {
    kind: Kind;
    name: string;
    msid: string;
    /** What a video shows; "" = it is none. */
    videoType: '' | 'camera' | 'desktop';
    ssrcs: number[];
    groups: [semantics: string, ssrcs: number[]][];
}

export interface LocalAnswer {
    ufrag: string;
    pwd: string;
    hash: string;
    fingerprint: string;
    sources: LocalSource[];
}

function sourceElements({ name, msid, videoType, ssrcs, groups }: LocalSource): Element[] {
    const shows = videoType || undefined;
    const sources = ssrcs.map((ssrc) =>
        x('source', { xmlns: NS.sources, ssrc, name, videoType: shows }, x('parameter', { name: 'msid', value: msid })),
    );
    const grouped = groups.map(([semantics, members]) =>
        x('ssrc-group', { xmlns: NS.sources, semantics }, ...members.map((ssrc) => x('source', { ssrc }))),
    );
    return [...sources, ...grouped];
}

function payloadTypes(media: OfferedMedia): Element[] {
    return media.payloadTypes.map(({ id, name, clockrate, channels, parameters, feedback }) =>
        x(
            'payload-type',
            { id, name, clockrate, channels: channels || undefined },
            ...parameters.map(([key, value]) => x('parameter', { name: key, value })),
            ...feedback.map(([type, subtype]) =>
                x('rtcp-fb', { xmlns: NS.feedback, type, subtype: subtype || undefined }),
            ),
        ),
    );
}

function acceptedMedia(media: OfferedMedia, answer: LocalAnswer): Element {
    return x(
        'description',
        { xmlns: NS.rtp, media: media.kind },
        ...payloadTypes(media),
        ...media.headerExtensions.map(([id, uri]) => x('rtp-hdrext', { xmlns: NS.headerExtension, id, uri })),
        media.allowMixed ? x('extmap-allow-mixed', { xmlns: NS.headerExtension }) : null,
        ...answer.sources.filter((source) => source.kind === media.kind).flatMap(sourceElements),
        x('rtcp-mux'),
    );
}

/** Build the session-accept that answers `offer`. No candidates: the bridge learns our address from our checks. */
export function sessionAccept(offer: Offer, responder: string, answer: LocalAnswer): Element {
    const { ufrag, pwd, hash, fingerprint } = answer;
    const contents = offer.media.map((media) =>
        x(
            'content',
            { creator: 'responder', name: media.kind, senders: 'both' },
            acceptedMedia(media, answer),
            x(
                'transport',
                { xmlns: NS.ice, ufrag, pwd },
                x('fingerprint', { xmlns: NS.dtls, hash, setup: 'active' }, fingerprint),
            ),
        ),
    );
    const bundled = offer.media.map((media) => x('content', { name: media.kind }));
    return x(
        'jingle',
        { xmlns: NS.jingle, action: 'session-accept', sid: offer.sid, initiator: offer.initiator, responder },
        x('group', { xmlns: NS.grouping, semantics: 'BUNDLE' }, ...bundled),
        ...contents,
    );
}

/** Build the source-add or source-remove that tells the focus of a stream of ours that came or went. */
export function sourceChange(offer: Offer, action: 'source-add' | 'source-remove', source: LocalSource): Element {
    const description = x('description', { xmlns: NS.rtp, media: source.kind }, ...sourceElements(source));
    return x(
        'jingle',
        { xmlns: NS.jingle, action, sid: offer.sid, initiator: offer.initiator },
        x('content', { creator: 'initiator', name: source.kind, senders: 'both' }, description),
    );
}

/** Build the session-terminate that asks the focus for a new session after ICE has failed. */
export function restartRequest(offer: Offer): Element {
    return x(
        'jingle',
        { xmlns: NS.jingle, action: 'session-terminate', sid: offer.sid, initiator: offer.initiator },
        x('reason', {}, x('connectivity-error'), x('text', {}, 'ICE FAILED')),
        x('bridge-session', { xmlns: NS.focus, id: offer.bridgeSession, restart: true }),
    );
}
