"""The focus as an occupant: its name, its presence, the room's configuration (XEP-0045 §7.2, §10.2)."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

import carillon
from component.focus.offer import VIDEO_CODECS
from component.stanza import presence
from jingle.jitsi.presence import bridge_not_available, conference_properties

NICK = "focus"
"""Clients take nobody else for the focus."""
MUC = "http://jabber.org/protocol/muc"
MUC_OWNER = "http://jabber.org/protocol/muc#owner"
DATA_FORM = "jabber:x:data"
JITMEET = "http://jitsi.org/jitmeet"


@dataclass(frozen=True)
class Shown:
    """What the presence of the focus says about the conference."""

    bridges: int = 0
    bridge_trouble: str = ""
    """Why no bridge takes the conference (component.focus.bridge_pool.Trouble); "" = one does."""
    full: bool = False
    """Somebody in the room is not invited because there are too many participants."""


def join_presence(room: str, own_jid: str, nick: str = NICK, shown: Shown | None = None) -> Element:
    """Enter the room. Who was there before shows what it has shown: others may see this presence too."""
    join = Element(f"{{{MUC}}}x")
    SubElement(join, f"{{{MUC}}}history", {"maxstanzas": "0"})
    return presence(f"{room}/{nick}", own_jid, join, *(_payloads(shown) if shown is not None else ()))


def leave_presence(room: str, own_jid: str, nick: str = NICK) -> Element:
    """Leave the room."""
    return presence(f"{room}/{nick}", own_jid, type="unavailable")


def shown_presence(room: str, own_jid: str, shown: Shown) -> Element:
    """The presence of a focus that is in the room. Never with `<x xmlns=muc/>`: that would join anew."""
    return presence(f"{room}/{NICK}", own_jid, *_payloads(shown))


def _payloads(shown: Shown) -> list[Element]:
    versions = Element(f"{{{JITMEET}}}versions")
    SubElement(versions, f"{{{JITMEET}}}component", {"name": "focus"}).text = carillon.__version__
    properties = {
        "support-terminate-restart": "true",
        "bridge-count": str(shown.bridges),
        # lib-jitsi-meet sends with no codec that is not named here; it does not look at the offer.
        "visitor-codecs": ",".join(VIDEO_CODECS),
    }
    if shown.full:
        properties["participant-limit-reached"] = "true"
    if shown.bridge_trouble:
        properties["bridge-trouble"] = shown.bridge_trouble
    payloads = [versions, conference_properties(properties)]
    if shown.bridge_trouble:
        payloads.append(bridge_not_available())
    return payloads


def room_form() -> Element:
    """The payload that shows real JIDs to all (clients know the focus by its own) and unlocks a new room."""
    query = Element(f"{{{MUC_OWNER}}}query")
    form = SubElement(query, f"{{{DATA_FORM}}}x", {"type": "submit"})
    for var, value in (
        ("FORM_TYPE", "http://jabber.org/protocol/muc#roomconfig"),
        ("muc#roomconfig_whois", "anyone"),
    ):
        field = SubElement(form, f"{{{DATA_FORM}}}field", {"var": var})
        SubElement(field, f"{{{DATA_FORM}}}value").text = value
    return query
