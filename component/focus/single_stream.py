"""Participants that stand for callers of other kinds of clients (component/calls).

They say so by their features. The bridge sends such a participant one stream of each medium for ever,
so it is told of no sources but these. It began the session: it controls ICE, its payload types have its
own numbers, and without BUNDLE each of its contents has a transport, hence an endpoint, of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from component.focus import features
from component.focus.session import Session
from jingle.colibri2 import Endpoint, Media
from jingle.content import Content
from jingle.ice import IceTransport
from jingle.source_map import Owned, tidy
from jingle.sources import MediaSources

CAPABILITIES = ("single-stream", "unsignalled-sources")
"""What the bridge is asked for, beyond what every endpoint has."""
VIDEO_SUFFIX = "-video"
"""Ends the name of the endpoint that has the video of a participant without BUNDLE."""


def prepare(session: Session, supported: frozenset[str]) -> None:
    """Make a new session what these features ask for: nothing for most participants."""
    if features.SINGLE_STREAM not in supported:
        return
    session.capabilities += CAPABILITIES
    session.ice_controlling = features.ICE_CONTROLLED not in supported
    if features.UNBUNDLED in supported and len(session.media) > 1:
        video = tuple(media for media in session.media if media.type == "video")
        session.media = tuple(media for media in session.media if media not in video)
        session.video = video_part(session, video)


def video_part(session: Session, video: tuple[Media, ...]) -> Session:
    """What has the video of a participant without BUNDLE."""
    return Session(
        session.nick + VIDEO_SUFFIX,
        session.sid,
        session.bridge_session,
        video,
        owner=session.nick,
        capabilities=session.capabilities,
        ice_controlling=session.ice_controlling,
    )


def is_single(session: Session) -> bool:
    """Whether an endpoint is that of a caller."""
    return CAPABILITIES[0] in session.capabilities


def take(session: Session, contents: Iterable[Content]) -> None:
    """Note what the participant has accepted: its payload types."""
    for part in session.parts:
        if is_single(part):
            kinds = {media.type for media in part.media}
            part.accepted_media = tuple(media for media in own_media(contents) if media.type in kinds)


def own_media(contents: Iterable[Content]) -> tuple[Media, ...]:
    """The participant's own payload types, as the bridge is told them."""
    return tuple(
        Media(one.description.media, one.description.payload_types, one.description.header_extensions)
        for one in contents
        if one.description is not None
    )


def carried(session: Session) -> tuple[Media, ...]:
    """What the bridge is told of the media of an endpoint. One without payload types goes nowhere."""
    if not session.accepted_media:
        return ()
    known = {
        media.type: media
        for media in session.accepted_media
        if session.senders.get(media.type, "both") != "none"
    }
    return tuple(known.get(media.type, Media(media.type)) for media in session.media)


def last_n(session: Session) -> int | None:
    """How many pictures a caller is sent: one, or none while only it sends; None for everybody else."""
    if not is_single(session):
        return None
    return 0 if session.senders.get("video", "both") in ("none", "responder") else 1


def transport_of(session: Session, contents: Iterable[Content]) -> tuple[Content, ...]:
    """The accepted contents whose transport is that of this endpoint."""
    kinds = {media.type for media in session.media}
    return tuple(one for one in contents if one.description is not None and one.description.media in kinds)


def downlink(session: Session) -> Owned:
    """The streams that the bridge will send, as the offer tells them."""
    return tidy(
        MediaSources(source.type, source.sources, source.groups)
        for part in session.parts
        for source in (part.endpoint.sources if part.endpoint is not None else None) or ()
        if source.type in {media.type for media in part.media}
    )


def ice_of(endpoint: Endpoint | None) -> IceTransport | None:
    """The bridge's side of an endpoint's transport."""
    return endpoint.transport.ice if endpoint is not None and endpoint.transport is not None else None
