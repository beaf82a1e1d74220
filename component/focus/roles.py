"""Auto-owner: a room never lacks a moderator while someone is in it (XEP-0045 §10)."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement

from component.focus.occupant import RoomPresence
from component.stanza import bare

MUC_ADMIN = "http://jabber.org/protocol/muc#admin"


class AutoOwner:
    """Chooses the participant who is made owner: the one who joined first, unless an owner is there."""

    def __init__(self) -> None:
        self._asked = ""
        """Real JID of the one the MUC was asked to make owner."""

    def elect(self, present: Iterable[RoomPresence]) -> RoomPresence | None:
        """Whom to make owner now, or None. Asks the MUC only once for the same participant."""
        candidates = [one for one in present if one.role != "visitor" and one.real_jid]
        if any(occupant.affiliation == "owner" for occupant in candidates):
            self._asked = ""
            return None
        if any(occupant.real_jid == self._asked for occupant in candidates):
            return None
        chosen = next(iter(candidates), None)
        self._asked = chosen.real_jid if chosen else ""
        return chosen

    def refused(self) -> None:
        """The MUC refused: the next change in the room is a new occasion."""
        self._asked = ""


def owner_query(occupant: RoomPresence) -> Element:
    """The payload that makes `occupant` an owner."""
    query = Element(f"{{{MUC_ADMIN}}}query")
    SubElement(query, f"{{{MUC_ADMIN}}}item", {"affiliation": "owner", "jid": bare(occupant.real_jid)})
    return query
