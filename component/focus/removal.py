"""Taking people out of a room on behalf of an administrator, and ending it (XEP-0045 §8.2, §9.8, §10.9).

A MUC lets nobody remove an owner or an admin: who is one loses that first, and where the room is there to
stay gets it back afterwards. A room that the MUC would forget anyway is ended by destroying it, one that is
there to stay by removing everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Protocol
from xml.etree.ElementTree import Element, SubElement

from component.focus.effects import AnswerRequest, PeerAnswer
from component.focus.features import DISCO_INFO, features_of
from component.focus.outbox import Outbox
from component.focus.own_presence import MUC_OWNER
from component.focus.participant import Participant
from component.focus.records import RemovalRecord
from component.focus.roles import MUC_ADMIN
from component.stanza import bare, iq
from component.stanza_error import StanzaError

TEMPORARY = "muc_temporary"
"""What a room says of itself that ends with its last occupant (XEP-0045 §15.3)."""
PROTECTED = {"owner", "admin"}
"""Affiliations that a MUC lets nobody remove."""

NOBODY = 0
"""The ticket of a removal that nobody waits for."""

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
        self.under_way: dict[str, RemovalRecord] = {}
        """Removals that the MUC has not confirmed, by nick."""
        self.ending: str | None = None
        """The reason for which everybody is being removed."""

    def remove(self, ticket: int, participant: Participant, reason: str) -> None:
        """Remove one participant, who is shown `reason`."""
        self._tickets.add(ticket)

        def done(error: StanzaError | None, now: float) -> None:
            self._settle(ticket, error)

        if participant.occupant.affiliation in PROTECTED:
            self._ask_kind(lambda temporary, now: self._demote(participant, reason, temporary, done))
        else:
            self._kick(participant, _removal(participant, reason), done)

    def end(self, ticket: int, reason: str) -> None:
        """End the meeting; everybody is shown `reason`."""
        self._tickets.add(ticket)
        self.ending = reason

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

    def go_on(self, removals: Iterable[RemovalRecord], ending: str | None) -> None:
        """A process before this one has begun it, and nobody waits for the answer any more.

        Whoever has left gets back what it had: it was taken from it only to remove it.
        """
        for one in removals:
            participant = self._room.participants.get(one.nick)
            if participant is not None and bare(participant.occupant.real_jid) == one.jid:
                take_out = self._demote_for if participant.occupant.affiliation in PROTECTED else self._kick
                take_out(participant, one, _ignored)
            elif one.restored:
                self._set_affiliation(one.jid, one.restored, lambda answer, now: None)
        if ending is not None:
            self.end(NOBODY, ending)

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
            self._ended(ticket, _error(answer))

        self._outbox.ask(iq("set", self._room.jid, self._room.own_jid, query), destroyed)

    def _remove_all(self, ticket: int, reason: str) -> None:
        """Everybody; the first refusal is what the administrator is told, when all are answered."""
        waiting = set(self._room.participants)
        errors: list[StanzaError] = []

        def gone(nick: str, error: StanzaError | None, now: float) -> None:
            waiting.discard(nick)
            if error is not None and error.condition != "item-not-found":
                errors.append(error)
            if not waiting:
                self._ended(ticket, errors[0] if errors else None)

        for participant in list(self._room.participants.values()):
            done = partial(gone, participant.nick)
            if participant.occupant.affiliation in PROTECTED:
                self._demote(participant, reason, temporary=False, done=done)
            else:
                self._kick(participant, _removal(participant, reason), done)

    def _ended(self, ticket: int, error: StanzaError | None) -> None:
        self.ending = None
        if error is None:
            self._room.over()
        self._settle(ticket, error)

    # One participant

    def _demote(self, participant: Participant, reason: str, temporary: bool, done: _Done) -> None:
        restored = "" if temporary else participant.occupant.affiliation
        self._demote_for(participant, _removal(participant, reason, restored), done)

    def _demote_for(self, participant: Participant, removal: RemovalRecord, done: _Done) -> None:
        participant.leaving = True
        self.under_way[removal.nick] = removal

        def demoted(answer: PeerAnswer, now: float) -> None:
            error = _error(answer)
            if error is None:
                self._kick(participant, removal, done)
            else:
                self._over(participant)
                done(error, now)

        self._set_affiliation(removal.jid, "none", demoted)

    def _kick(self, participant: Participant, removal: RemovalRecord, done: _Done) -> None:
        participant.leaving = True
        self.under_way[removal.nick] = removal
        query = Element(f"{{{MUC_ADMIN}}}query")
        item = SubElement(query, f"{{{MUC_ADMIN}}}item", {"nick": participant.nick, "role": "none"})
        if removal.reason:
            SubElement(item, f"{{{MUC_ADMIN}}}reason").text = removal.reason

        def kicked(answer: PeerAnswer, now: float) -> None:
            self._over(participant)
            done(_error(answer), now)

        self._outbox.ask(iq("set", self._room.jid, self._room.own_jid, query), kicked)
        if (
            removal.restored
        ):  # at once: with the last participant the conference may be over before the answer
            self._set_affiliation(removal.jid, removal.restored, lambda answer, now: None)

    def _over(self, participant: Participant) -> None:
        participant.leaving = False
        self.under_way.pop(participant.nick, None)

    def _set_affiliation(self, jid: str, affiliation: str, done: Callable[[PeerAnswer, float], None]) -> None:
        query = Element(f"{{{MUC_ADMIN}}}query")
        SubElement(query, f"{{{MUC_ADMIN}}}item", {"affiliation": affiliation, "jid": jid})
        self._outbox.ask(iq("set", self._room.jid, self._room.own_jid, query), done)


def _removal(participant: Participant, reason: str, restored: str = "") -> RemovalRecord:
    return RemovalRecord(participant.nick, bare(participant.occupant.real_jid), reason, restored)


def _ignored(error: StanzaError | None, now: float) -> None:
    """Nobody waits for it."""


def _error(answer: PeerAnswer) -> StanzaError | None:
    """What the MUC's answer means for who waits; no answer is an error too."""
    if isinstance(answer, Element):
        return None
    if isinstance(answer, StanzaError):
        return answer
    return StanzaError("remote-server-timeout", "the XMPP server does not answer")
