"""What Jitsi puts beside the contents of `<jingle/>`: bridge-session, ice-state, startmuted, JSON sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element

from jingle.jitsi.additions import JITMEET
from jingle.jitsi.json_sources import OwnedSources, build_json_sources, parse_json_sources
from jingle.limits import JSON_CHARS, NAME_CHARS
from jingle.reading import Node, boolean, content_text, element, first, text

FOCUS: Final = "http://jitsi.org/protocol/focus"
START_MUTED_NS: Final = "http://jitsi.org/jitmeet/start-muted"

BRIDGE_SESSION: Final = f"{{{FOCUS}}}bridge-session"
ICE_STATE: Final = f"{{{FOCUS}}}ice-state"
START_MUTED: Final = f"{{{START_MUTED_NS}}}startmuted"
JSON_MESSAGE: Final = f"{{{JITMEET}}}json-message"


@dataclass(frozen=True)
class BridgeSession:
    """`<bridge-session/>`: which allocation on which bridge the session uses.

    A client sends it back with `restart` (give me a new session) or `ice_restart` (restart ICE in place).
    """

    id: str = ""
    region: str = ""
    restart: bool = False
    ice_restart: bool = False


@dataclass(frozen=True)
class StartMuted:
    """`<startmuted/>`: with which media the receiver begins muted."""

    audio: bool = False
    video: bool = False


@dataclass(frozen=True, kw_only=True)
class JitsiParts:
    """Everything of Jitsi that one `<jingle/>` may hold beside its contents."""

    bridge_session: BridgeSession | None = None
    ice_state: str = ""
    """The client's ICE state, "failed" in practice."""
    start_muted: StartMuted | None = None
    json_sources: OwnedSources | None = None
    """Sources by owner; they replace those in the contents."""


def parse_parts(jingle: Node) -> JitsiParts:
    """The Jitsi parts of a `<jingle/>`. Raises JingleError."""
    bridge = first(jingle, BRIDGE_SESSION)
    state = first(jingle, ICE_STATE)
    muted = first(jingle, START_MUTED)
    message = first(jingle, JSON_MESSAGE)
    return JitsiParts(
        bridge_session=None if bridge is None else parse_bridge_session(bridge),
        ice_state="" if state is None else content_text(state, NAME_CHARS),
        start_muted=None
        if muted is None
        else StartMuted(boolean(muted, "audio") or False, boolean(muted, "video") or False),
        json_sources=None if message is None else parse_json_sources(content_text(message, JSON_CHARS)),
    )


def build_parts(parts: JitsiParts) -> list[Element]:
    """The Jitsi parts as children for a `<jingle/>`."""
    made: list[Element] = []
    if parts.start_muted is not None:
        made.append(
            element(
                START_MUTED_NS,
                "startmuted",
                {"audio": parts.start_muted.audio, "video": parts.start_muted.video},
            )
        )
    if parts.bridge_session is not None:
        made.append(build_bridge_session(parts.bridge_session))
    if parts.ice_state:
        state = element(FOCUS, "ice-state")
        state.text = parts.ice_state
        made.append(state)
    if parts.json_sources is not None:
        message = element(JITMEET, "json-message")
        message.text = build_json_sources(parts.json_sources)
        made.append(message)
    return made


def parse_bridge_session(node: Node) -> BridgeSession:
    """`<bridge-session/>`. Raises JingleError."""
    return BridgeSession(
        id=text(node, "id"),
        region=text(node, "region"),
        restart=boolean(node, "restart") or False,
        ice_restart=boolean(node, "ice-restart") or False,
    )


def build_bridge_session(session: BridgeSession) -> Element:
    """`<bridge-session/>`."""
    return element(
        FOCUS,
        "bridge-session",
        {
            "id": session.id,
            "region": session.region,
            "restart": session.restart or None,
            "ice-restart": session.ice_restart or None,
        },
    )
