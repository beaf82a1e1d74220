"""The proxy occupant that stands for a caller in a room: its presence, and what it says it can do."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element, SubElement

from component.calls.endpoint import source_name
from component.focus import features
from component.focus.features import DISCO_INFO
from component.focus.occupant import NICK
from component.focus.own_presence import MUC
from component.stanza import COMPONENT_NS, presence
from jingle.jitsi.presence import SourceInfo, build_source_info

STATS_ID: Final = "carillon-call"


def _text(name: str, value: str) -> Element:
    child = Element(f"{{{COMPONENT_NS}}}{name}")
    child.text = value
    return child


def shown(
    occupant: str, own_jid: str, name: str, media: tuple[str, ...], muted: frozenset[str], *, join: bool
) -> Element:
    """The presence of the occupant; with `join` the one that enters the room."""
    leg = occupant.rpartition("/")[2]
    nick = Element(NICK)
    nick.text = name
    info = tuple(
        SourceInfo(source_name(leg, one), one, one in muted, "camera" if one == "video" else "")
        for one in media
    )
    payloads = [
        nick,
        _text("stats-id", STATS_ID),
        _text("SourceInfo", build_source_info(info)),
        _text("audiomuted", str("audio" in muted).lower()),
        _text("videomuted", str("video" in muted).lower()),
    ]
    if join:
        entering = Element(f"{{{MUC}}}x")
        SubElement(entering, f"{{{MUC}}}history", {"maxstanzas": "0"})
        payloads.insert(0, entering)
    return presence(occupant, own_jid, *payloads)


def info(media: tuple[str, ...], *, bundled: bool) -> Element:
    """The disco#info of the occupant, by which the focus knows how to invite it."""
    can = {features.SINGLE_STREAM, features.ICE_CONTROLLED, features.TRANSPORT_CC}
    can |= {{"audio": features.AUDIO, "video": features.VIDEO}[one] for one in media}
    if not bundled:
        can.add(features.UNBUNDLED)
    query = Element(f"{{{DISCO_INFO}}}query")
    SubElement(query, f"{{{DISCO_INFO}}}identity", {"category": "client", "type": "bot", "name": "call"})
    for feature in sorted(can):
        SubElement(query, f"{{{DISCO_INFO}}}feature", {"var": feature})
    return query
