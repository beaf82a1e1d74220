"""What a caller is at the bridge: names of its endpoints and the sources announced for it.

What really arrives is bound to the announced sources by the bridge: callers signal SSRCs or do not, and some
send with others than they signal.
"""

from __future__ import annotations

from typing import Final

from component.calls.answer import Downlink
from component.focus import single_stream
from jingle.colibri2 import Endpoint, MediaSource
from jingle.ice import IceTransport
from jingle.sources import Source

CAPABILITIES: Final = ("source-names", *single_stream.CAPABILITIES)


def endpoint_id(leg: str, media: str, *, bundled: bool) -> str:
    """The endpoint that carries one medium."""
    return f"{leg}{single_stream.VIDEO_SUFFIX}" if media == "video" and not bundled else leg


def source_name(leg: str, media: str) -> str:
    """The name of the caller's own source, as Jitsi clients name theirs."""
    return f"{leg}-{media[0]}0"


def announced(leg: str, media: str, ssrc: int) -> MediaSource:
    """The caller's own source."""
    name = source_name(leg, media)
    return MediaSource(name, media, (Source(ssrc, name=name),))


def downlink(media: str, transport: IceTransport, endpoint: Endpoint) -> Downlink:
    """The bridge's side of one medium: its answer names the streams that it will send."""
    for source in endpoint.sources or ():
        if source.type == media:
            return Downlink(transport, source.sources, source.groups)
    return Downlink(transport)
