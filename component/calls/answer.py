"""What the caller is answered: the bridge's transports under the names of the caller's own contents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from component.calls.offer import Offer, OfferedContent
from jingle.content import Action, Content, Group
from jingle.element import Jingle
from jingle.ice import IceTransport
from jingle.rtp import MediaStream
from jingle.sources import Source, SsrcGroup

STREAM = "carillon"
"""The MediaStream that everything the bridge sends belongs to."""


@dataclass(frozen=True)
class Downlink:
    """The bridge's side of one content: where it is reached, and the SSRCs that it sends with for ever."""

    transport: IceTransport
    sources: tuple[Source, ...] = ()
    groups: tuple[SsrcGroup, ...] = ()


Downlinks = Mapping[str, Downlink]
"""By media."""


def session_accept(offer: Offer, downlinks: Downlinks, sid: str, responder: str) -> Jingle:
    """The session-accept. Inside a bundle what cannot be carried is kept idle: browsers count contents."""
    contents = [accepted(content, downlinks[content.kind]) for content in offer.contents]
    if offer.bundled:
        shared = contents[0].transport
        contents += [
            Content(one.name, one.creator, "none", description=one.description, transport=shared)
            for one in map(_idle, offer.declined)
        ]
    names = tuple(content.name for content in contents)
    return Jingle(
        Action.SESSION_ACCEPT,
        sid,
        responder=responder,
        contents=tuple(contents),
        groups=(Group("BUNDLE", names),) if offer.bundled else (),
    )


def accepted(content: OfferedContent, downlink: Downlink) -> Content:
    """One content of a session-accept or content-accept."""
    rtx = any(one.name.lower() == "rtx" for one in content.media.payload_types)
    described = tuple(
        replace(one, name="", cname=STREAM, msid=f"{STREAM} {content.kind}") for one in downlink.sources
    )
    description = replace(
        content.description,
        sources=described if rtx else described[:1],
        groups=downlink.groups if rtx else (),
        streams=(MediaStream(STREAM, content.kind),),
    )
    return Content(
        content.name,
        content.creator,
        content.senders,
        description=description,
        transport=own_side(downlink.transport, content.transport),
    )


def own_side(transport: IceTransport, caller: IceTransport) -> IceTransport:
    """The bridge's transport as an answer, with the DTLS role that the caller leaves (RFC 5763 §5).

    The bridge channel is for Jitsi clients.
    Of its candidates those of XEP-0176 (UDP): the other ones are for clients that know RFC 6544 as well.
    """
    setup = "passive" if any(one.setup == "active" for one in caller.fingerprints) else "active"
    return IceTransport(
        transport.ufrag,
        transport.pwd,
        tuple(replace(one, setup=setup) for one in transport.fingerprints),
        tuple(one for one in transport.candidates if one.protocol == "udp"),
    )


def _idle(content: Content) -> Content:
    """A content of which nothing is used; SDES keys and sources of the offer are not repeated."""
    description = content.description
    if description is not None:
        description = replace(
            description, payload_types=description.payload_types[:1], header_extensions=(), feedback=(),
            sources=(), groups=(), streams=(), ssrc="", encryption=(),
        )  # fmt: skip
    return replace(content, description=description)
