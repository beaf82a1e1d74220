"""Presence in a MUC as the focus reads it (XEP-0045 §7): who is who comes from the server's item only."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from component.focus.features import Caps
from jingle.errors import JingleError
from jingle.jitsi.presence import ParticipantPresence, parse_participant

MUC_USER = "http://jabber.org/protocol/muc#user"
CAPS = "http://jabber.org/protocol/caps"
NICK = "{http://jabber.org/protocol/nick}nick"
"""What people call themselves (XEP-0172)."""
MAX_NAME_CHARS = 100
SELF_PRESENCE = 110
BANNED = 301


@dataclass(frozen=True)
class RoomPresence:
    """One presence stanza from a room. `kind` is "available", "unavailable" or "error"."""

    room: str
    nick: str
    kind: str
    real_jid: str = ""
    affiliation: str = "none"
    role: str = "none"
    codes: frozenset[int] = frozenset()
    destroyed: bool = False
    error: str = ""
    """Condition of an error presence."""
    caps: Caps | None = None
    stats_id: str = ""
    unmuted: frozenset[str] = frozenset()
    """Media ("audio", "video") of which it says that it sends them, shared screens aside."""
    screen: bool = False
    """Whether it says that it shares a screen."""
    name: str = ""
    """What it calls itself."""

    @property
    def moderator(self) -> bool:
        """Whether the MUC gives this occupant a moderator's rights."""
        return self.role == "moderator" or self.affiliation in {"owner", "admin"}


def local_name(element: Element) -> str:
    """The element's name without its namespace: a server may leave children of a stanza in jabber:client."""
    return element.tag.rpartition("}")[2]


def parse_room_presence(presence: Element) -> RoomPresence:
    """Read a presence whose `from` is an occupant JID. Whatever is missing keeps its default."""
    room, _, nick = presence.get("from", "").partition("/")
    kind = presence.get("type") or "available"
    told = _told_by_the_server(presence)
    said = _said(presence)
    item = told.find(f"{{{MUC_USER}}}item")
    attributes = item.attrib if item is not None else {}
    return RoomPresence(
        room=room,
        nick=nick,
        kind=kind,
        real_jid=attributes.get("jid", ""),
        affiliation=attributes.get("affiliation", "none"),
        role=attributes.get("role", "none"),
        codes=_codes(told),
        destroyed=told.find(f"{{{MUC_USER}}}destroy") is not None,
        error=_error_condition(presence) if kind == "error" else "",
        caps=_caps(presence),
        stats_id=said.stats_id,
        unmuted=_unmuted(said),
        screen=any(one.video_type == "desktop" and not one.muted for one in said.sources),
        name=own_name(presence),
    )


def own_name(stanza: Element) -> str:
    """The name that somebody gives himself in a stanza; "" = none."""
    return " ".join((stanza.findtext(NICK) or "").split())[:MAX_NAME_CHARS]


def _told_by_the_server(presence: Element) -> Element:
    """The MUC puts its own element behind what the participant sent, should that hold one like it."""
    found = presence.findall(f"{{{MUC_USER}}}x")
    return found[-1] if found else Element(f"{{{MUC_USER}}}x")


def _codes(told: Element) -> frozenset[int]:
    codes = (status.get("code", "") for status in told.iterfind(f"{{{MUC_USER}}}status"))
    return frozenset(int(code) for code in codes if code.isascii() and code.isdigit() and len(code) == 3)


def _error_condition(presence: Element) -> str:
    for child in presence:
        if local_name(child) == "error":
            return next((local_name(condition) for condition in child), "undefined-condition")
    return "undefined-condition"


def _caps(presence: Element) -> Caps | None:
    element = presence.find(f"{{{CAPS}}}c")
    if element is None:
        return None
    return Caps(element.get("hash", ""), element.get("node", ""), element.get("ver", ""))


def _said(presence: Element) -> ParticipantPresence:
    try:
        return parse_participant(presence)
    except JingleError:
        # What participants say of themselves may be anything; no right depends on it.
        return ParticipantPresence()


def _unmuted(said: ParticipantPresence) -> frozenset[str]:
    media = {one.media for one in said.sources if not one.muted and one.video_type != "desktop"}
    by_flag = {"audio": said.audio_muted, "video": said.video_muted}
    return frozenset(media | {name for name, muted in by_flag.items() if muted is False})
