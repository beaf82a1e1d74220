"""What Jitsi adds inside standard elements: to sources, RTP descriptions, payloads of transports."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from jingle.limits import MAX_WEB_SOCKETS, VALUE_CHARS
from jingle.reading import Node, element, first, named, number, number_or_none, required, text

JITMEET: Final = "http://jitsi.org/jitmeet"
COLIBRI: Final = "http://jitsi.org/protocol/colibri"
COLIBRI2: Final = "jitsi:colibri2"

SSRC_INFO: Final = f"{{{JITMEET}}}ssrc-info"
WEB_SOCKET: Final = f"{{{COLIBRI}}}web-socket"
INITIAL_LAST_N: Final = f"{{{COLIBRI2}}}initial-last-n"

ICE_GENERATION: Final = "ice-generation"
VIDEO_TYPE: Final = "videoType"


def source_owner(source: Node) -> str:
    """The owner that `<ssrc-info/>` names, "" without one. Raises JingleError."""
    info = first(source, SSRC_INFO)
    return "" if info is None else text(info, "owner", VALUE_CHARS)


def source_video_type(source: Node) -> str:
    """The `videoType` of a source: camera, desktop or "". Raises JingleError."""
    return text(source, VIDEO_TYPE)


def ssrc_info(owner: str) -> Element:
    """`<ssrc-info/>`, the child of a source that says whose it is (an endpoint id or an occupant JID)."""
    return element(JITMEET, "ssrc-info", {"owner": owner})


def web_sockets(transport: Node) -> tuple[str, ...]:
    """The addresses of the bridge channel in a transport. Raises JingleError."""
    return tuple(
        required(child, "url", VALUE_CHARS) for child in named(transport, WEB_SOCKET, MAX_WEB_SOCKETS)
    )


def web_socket(url: str) -> Element:
    """`<web-socket/>`, one address of the bridge channel."""
    return element(COLIBRI, "web-socket", {"url": url})


def ice_generation(transport: Node) -> int | None:
    """The generation tag of an in-place ICE restart. Raises JingleError."""
    return number_or_none(transport, ICE_GENERATION, 0, 2**31 - 1)


def initial_last_n(parent: Node) -> int | None:
    """The value of `<initial-last-n/>`, None without one. Raises JingleError."""
    node = first(parent, INITIAL_LAST_N)
    return None if node is None else number(node, "value", 0, 2**31 - 1)


def initial_last_n_element(value: int) -> Element:
    """`<initial-last-n/>`: how many video sources the endpoint wants at first."""
    return element(COLIBRI2, "initial-last-n", {"value": value})
