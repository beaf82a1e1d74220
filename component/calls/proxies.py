"""The callers that are in rooms, as the rooms see them: stanzas for their proxy occupants."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from component.calls.line import Line
from component.calls.room_leg import RoomLeg
from component.calls.words import body_of
from component.focus.occupant import parse_room_presence
from component.stanza import bare, resource
from component.stanza_error import StanzaError
from jingle.element import Jingle
from jingle.errors import unknown_session
from jingle.jitsi.mute import parse_mute

DELAY: Final = "{urn:xmpp:delay}delay"


class Proxies:
    """By the real JID of the occupant. What comes is believed only when it comes out of the caller's room."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Line, RoomLeg]] = {}

    def put(self, line: Line, leg: RoomLeg) -> None:
        """A caller enters a room."""
        self._known[leg.own_jid] = (line, leg)

    def drop(self, line: Line) -> None:
        """The call is over."""
        for jid in [jid for jid, (other, _) in self._known.items() if other is line]:
            del self._known[jid]

    def info(self, iq: Element) -> Element | None:
        """The disco#info of an occupant; None when it is no question out of a room."""
        found = self._of(iq)
        return found[1].info() if found is not None else None

    def presence(self, stanza: Element, now: float) -> None:
        """A presence out of a room."""
        found = self._of(stanza)
        if found is not None:
            line, leg = found
            leg.presence(parse_room_presence(stanza), now)
            line.run()

    def message(self, stanza: Element, now: float) -> None:
        """A message out of a room: what is said to all, or to the caller alone. Nothing of the past."""
        found, type_ = self._of(stanza), stanza.get("type", "normal")
        if found is None or type_ == "error" or stanza.find(DELAY) is not None:
            return
        line, leg = found
        if line.is_repeat(stanza):
            return
        private = type_ != "groupchat"
        leg.heard(resource(stanza.get("from", "")), body_of(stanza), now, private=private)
        line.run()

    def jingle(self, iq: Element, jingle: Jingle, now: float) -> Line:
        """A Jingle request out of a room; returns whose it is. Raises JingleError or StanzaError."""
        found = self._of(iq)
        if found is None:
            raise unknown_session(jingle.sid)
        line, leg = found
        if not line.is_repeat(iq):
            leg.jingle(resource(iq.get("from", "")), jingle, now)
        return line

    def mute(self, iq: Element) -> Line:
        """An order to mute; returns for whom. Raises JingleError or StanzaError."""
        found = self._of(iq)
        if found is None:
            raise StanzaError("item-not-found", "no such call")
        line, leg = found
        leg.order_mute(resource(iq.get("from", "")), parse_mute(iq[0]))
        return line

    def _of(self, stanza: Element) -> tuple[Line, RoomLeg] | None:
        found = self._known.get(stanza.get("to", ""))
        return found if found is not None and bare(stanza.get("from", "")) == found[1].room else None
