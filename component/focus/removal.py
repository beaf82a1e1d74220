"""Taking people out of a room on behalf of an administrator, and ending it (XEP-0045 §8.2, §9.8, §10.9).

A MUC lets nobody remove an owner or an admin: who is one loses that first, and where the room is there to
stay gets it back afterwards. A room that the MUC would forget anyway is ended by destroying it, one that is
there to stay by removing everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol
from xml.etree.ElementTree import Element, SubElement

from component.focus.effects import AnswerRequest, PeerAnswer
from component.focus.features import DISCO_INFO, features_of
from component.focus.outbox import Outbox
from component.focus.own_presence import MUC_OWNER
from component.focus.participant import Participant
from component.focus.roles import MUC_ADMIN
from component.stanza import bare, iq
from component.stanza_error import StanzaError

TEMPORARY = "muc_temporary"
"""What a room says of itself that ends with its last occupant (XEP-0045 §15.3)."""
PROTECTED = {"owner", "admin"}
"""Affiliations that a MUC lets nobody remove."""

_Done = Callable[[StanzaError | None, float], None]


class RemovalRoom(Protocol):
    """The conference, as removals see it."""

    jid: str
    own_jid: str

    @property
    def participants(self) -> Mapping[str, Participant]:
        """By nick."""

    def over(self) -> None:
        """Everybody was removed: leave the room."""


class Removal:
    """Carries out removals; each is named by the ticket of who waits for it."""

    def __init__(self, outbox: Outbox, room: RemovalRoom) -> None:
        self._outbox = outbox
        self._room = room
        self._tickets: set[int] = set()

    def remove(self, ticket: int, participant: Participant, reason: str) -> None:
        """Remove one participant, who is shown `reason`."""
        self._tickets.add(ticket)

        def done(error: StanzaError | None, now: float) -> None:
            self._settle(ticket, error)

        if participant.occupant.affiliation in PROTECTED:
            self._ask_kind(lambda temporary, now: self._demote(participant, reason, temporary, done))
        else:
            self._kick(participant, reason, "", done)

    def end(self, ticket: int, reason: str) -> None:
        """End the meeting; everybody is shown `reason`."""
        self._tickets.add(ticket)

        def known(temporary: bool, now: float) -> None:
            if temporary:
                self._destroy(ticket, reason)
            else:
                self._remove_all(ticket, reason)

        self._ask_kind(known)

    def close(self, error: StanzaError | None = None) -> None:
        """The conference is over: everybody is out of it, unless `error` says why nobody knows."""
        for ticket in list(self._tickets):
            self._settle(ticket, error)

    def _settle(self, ticket: int, error: StanzaError | None) -> None:
        if ticket in self._tickets:
            self._tickets.remove(ticket)
            self._outbox.put(AnswerRequest(ticket, error))

    # The whole room

    def _ask_kind(self, done: Callable[[bool, float], None]) -> None:
        """Ask the MUC whether the room is temporary; without an answer it is taken for one that is not."""

        def answered(answer: PeerAnswer, now: float) -> None:
            query = answer.find(f"{{{DISCO_INFO}}}query") if isinstance(answer, Element) else None
            done(query is not None and TEMPORARY in features_of(query), now)

        query = Element(f"{{{DISCO_INFO}}}query")
        self._outbox.ask(iq("get", self._room.jid, self._room.own_jid, query), answered)

    def _destroy(self, ticket: int, reason: str) -> None:
        query = Element(f"{{{MUC_OWNER}}}query")
        destroy = SubElement(query, f"{{{MUC_OWNER}}}destroy")
        if reason:
            SubElement(destroy, f"{{{MUC_OWNER}}}reason").text = reason

        def destroyed(answer: PeerAnswer, now: float) -> None:
            error = _error(answer)
            if error is None:
                self._room.over()
            self._settle(ticket, error)

        self._outbox.ask(iq("set", self._room.jid, self._room.own_jid, query), destroyed)

    def _remove_all(self, ticket: int, reason: str) -> None:
        """Everybody; the first refusal is what the administrator is told, when all are answered."""
        waiting = set(self._room.participants)
        errors: list[StanzaError] = []

        def gone(nick: str, error: StanzaError | None, now: float) -> None:
            waiting.discard(nick)
            if error is not None and error.condition != "item-not-found":
                errors.append(error)
            if waiting:
                return
            if not errors:
                self._room.over()
            self._settle(ticket, errors[0] if errors else None)

        for participant in list(self._room.participants.values()):
            done = partial(gone, participant.nick)
            if participant.occupant.affiliation in PROTECTED:
                self._demote(participant, reason, temporary=False, done=done)
            else:
                self._kick(participant, reason, "", done)

    # One participant

    def _demote(self, participant: Participant, reason: str, temporary: bool, done: _Done) -> None:
        affiliation = participant.occupant.affiliation
        participant.leaving = True

        def demoted(answer: PeerAnswer, now: float) -> None:
            error = _error(answer)
            if error is None:
                self._kick(participant, reason, "" if temporary else affiliation, done)
            else:
                participant.leaving = False
                done(error, now)

        self._set_affiliation(participant, "none", demoted)

    def _kick(self, participant: Participant, reason: str, restored: str, done: _Done) -> None:
        """Remove it; `restored` is the affiliation that it gets back ("" = none)."""
        participant.leaving = True
        query = Element(f"{{{MUC_ADMIN}}}query")
        item = SubElement(query, f"{{{MUC_ADMIN}}}item", {"nick": participant.nick, "role": "none"})
        if reason:
            SubElement(item, f"{{{MUC_ADMIN}}}reason").text = reason

        def kicked(answer: PeerAnswer, now: float) -> None:
            participant.leaving = False
            done(_error(answer), now)

        self._outbox.ask(iq("set", self._room.jid, self._room.own_jid, query), kicked)
        if restored:  # at once: with the last participant the conference may be over before the answer
            self._set_affiliation(participant, restored, lambda answer, now: None)

    def _set_affiliation(
        self, participant: Participant, affiliation: str, done: Callable[[PeerAnswer, float], None]
    ) -> None:
        query = Element(f"{{{MUC_ADMIN}}}query")
        jid = bare(participant.occupant.real_jid)
        SubElement(query, f"{{{MUC_ADMIN}}}item", {"affiliation": affiliation, "jid": jid})
        self._outbox.ask(iq("set", self._room.jid, self._room.own_jid, query), done)


def _error(answer: PeerAnswer) -> StanzaError | None:
    """What the MUC's answer means for who waits; no answer is an error too."""
    if isinstance(answer, Element):
        return None
    if isinstance(answer, StanzaError):
        return answer
    return StanzaError("remote-server-timeout", "the XMPP server does not answer")
