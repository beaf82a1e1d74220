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
        session.video = Session(
            session.nick + VIDEO_SUFFIX,
            session.sid,
            session.bridge_session,
            video,
            owner=session.nick,
            capabilities=session.capabilities,
            ice_controlling=session.ice_controlling,
        )


def take(session: Session, contents: Iterable[Content]) -> None:
    """Note what the participant has accepted: its payload types, and the transport of its video."""
    for part in session.parts:
        if CAPABILITIES[0] not in part.capabilities:
            continue
        kinds = {media.type for media in part.media}
        own = [one for one in contents if one.description is not None and one.description.media in kinds]
        part.accepted_media = tuple(
            Media(one.description.media, one.description.payload_types, one.description.header_extensions)
            for one in own
            if one.description is not None
        )


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
