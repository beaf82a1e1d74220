"""Contents that come, go and are directed otherwise in the session of a caller (XEP-0166 §7.2.2 to §7.2.8).

Participants of the Jitsi family add and remove sources instead; only those that stand for callers
(see component.focus.single_stream) have contents that change.
"""

from __future__ import annotations

from collections.abc import Iterable

from component.focus import features, single_stream
from component.focus.offer import offered_media
from component.focus.participant import Participant
from component.focus.session import Session, SessionEvent
from component.focus.sessions import Sessions
from component.stanza_error import StanzaError
from jingle.content import Content
from jingle.ice import IceTransport
from jingle.source_rules import sources_of

_EVERYTHING = frozenset({features.AUDIO, features.VIDEO})


def add(
    sessions: Sessions,
    participant: Participant,
    session: Session,
    *,
    contents: tuple[Content, ...],
    transport: IceTransport,
    now: float,
) -> None:
    """The caller adds one content. Raises StanzaError or SourceError; a content-accept follows."""
    own = single_stream.own_media(contents)
    _must_be_a_caller(participant)
    if len(contents) != 1 or len(own) != 1:
        raise StanzaError("bad-request", "one content at a time")
    media = own[0].type
    offered = tuple(
        one
        for one in offered_media((participant.supported or frozenset()) | _EVERYTHING)
        if one.type == media
    )
    if not offered or any(one.type == media for part in session.parts for one in part.accepted_media):
        raise StanzaError("not-acceptable", "there is such a content, or cannot be one")
    apart = features.UNBUNDLED in (participant.supported or ())
    if apart and (media != "video" or session.video is not None):
        raise StanzaError("feature-not-implemented", "without BUNDLE only video is added")
    sessions.sources.add(participant.nick, sources_of(contents))
    part = session
    if apart:
        part = session.video = single_stream.video_part(session, offered)
        part.transport = transport
    elif offered[0].type not in {one.type for one in session.media}:
        session.media += offered
    part.accepted_media += own
    part.senders = {one: who for one, who in part.senders.items() if one != media}
    if apart:
        part.move(SessionEvent.ALLOCATE)
        sessions.bridge.allocate(part, participant.occupant.stats_id, now)
    else:
        sessions.content_added(participant, part, offered, now)


def remove(
    sessions: Sessions, participant: Participant, session: Session, contents: Iterable[Content], now: float
) -> None:
    """The caller takes contents back. Raises StanzaError."""
    _must_be_a_caller(participant)
    for content in contents:
        part = _part(session, content.name)
        owned = [one for one in sessions.sources.of(participant.nick) if one.media == content.name]
        sessions.sources.remove(participant.nick, owned)
        if part is session.video:
            sessions.drop_video(participant, session)
        else:
            part.accepted_media = tuple(one for one in part.accepted_media if one.type != content.name)
    sessions.sources_changed(participant, now)


def modify(
    sessions: Sessions, participant: Participant, session: Session, contents: Iterable[Content]
) -> None:
    """The caller says who sends from now on. Raises StanzaError."""
    _must_be_a_caller(participant)
    for content in contents:
        part = _part(session, content.name)
        part.senders = {**part.senders, content.name: content.senders or "both"}
    sessions.muting_changed(participant)


def _must_be_a_caller(participant: Participant) -> None:
    if not participant.single_stream:
        raise StanzaError("feature-not-implemented", "contents of a meeting do not change")


def _part(session: Session, media: str) -> Session:
    for part in session.parts:
        if any(one.type == media for one in part.accepted_media):
            return part
    raise StanzaError("item-not-found", "no such content")
