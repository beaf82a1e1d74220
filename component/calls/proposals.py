"""Calls proposed by message (XEP-0353): each is answered exactly once. No I/O.

Some clients send a session-initiate for each `proceed` that they get, and the call dies of the second: what
was answered is remembered, however often the proposal comes again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final
from xml.etree.ElementTree import Element

from component.calls import metrics
from component.calls.addresses import Callee
from component.stanza import bare, message
from jingle.content import Reason
from jingle.jmi import Invitation, Step, build_invitation

MAX_REMEMBERED: Final = 2000
MAX_REMEMBERED_EACH: Final = 40
"""Of one account. Older ones are answered anew should they come again, which takes a token each."""
MAX_RINGING_S: Final = 60.0
"""A proposal that waits longer for its PIN is refused when it comes."""
HINTS_STORE: Final = "{urn:xmpp:hints}store"


class ProposalState(Enum):
    """Where a proposal is."""

    RINGING = "ringing"
    """Its caller has to say the PIN."""
    PROCEEDED = "proceeded"
    """The session-initiate may come."""
    TAKEN = "taken"
    """It has become a call."""
    OVER = "over"
    """Refused, retracted or ended."""


@dataclass(eq=False)
class Proposal:
    """One of them."""

    called: Callee
    caller: str
    """The full JID that proposed it."""
    state: ProposalState
    at: float


class Proposals:
    """All proposals, by the caller's bare JID and id."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Proposal] = OrderedDict()
        self._changed: set[tuple[str, str]] = set()

    # The journal

    def changes(self) -> Iterator[tuple[tuple[str, str], Proposal | None]]:
        """Those that have changed since the last time; None for what is over or forgotten."""
        for key in self._changed:
            proposal = self._known.get(key)
            goes_on = proposal is not None and proposal.state is not ProposalState.OVER
            yield key, proposal if goes_on else None
        self._changed.clear()

    def restore(self, caller: str, id: str, proposal: Proposal) -> None:
        """One that another process has answered."""
        self._known[bare(caller), id] = proposal

    def _set(self, key: tuple[str, str], state: ProposalState) -> None:
        self._known[key].state = state
        self._changed.add(key)

    # What callers and calls do

    def propose(
        self,
        caller: str,
        called: Callee,
        id: str,
        now: float,
        *,
        refusal: Reason | None,
        wants_pin: bool,
    ) -> list[Element]:
        """The answers to a new proposal."""
        proposal = Proposal(called, caller, ProposalState.PROCEEDED, now)
        who = bare(caller)
        own = [known for known in self._known if known[0] == who]
        if len(own) >= MAX_REMEMBERED_EACH:  # who proposes without end makes only his own forgotten
            self._forget(own[0])
        self._known[who, id] = proposal
        self._changed.add((who, id))
        if len(self._known) > MAX_REMEMBERED:
            self._forget(next(iter(self._known)))
        if refusal is not None:
            proposal.state = ProposalState.OVER
            metrics.PROPOSALS.labels("refused").inc()
            return [_answer(proposal, Invitation(Step.REJECT, id, reason=refusal))]
        ringing = _answer(proposal, Invitation(Step.RINGING, id))
        if wants_pin:
            proposal.state = ProposalState.RINGING
            metrics.PROPOSALS.labels("ringing").inc()
            return [ringing]
        metrics.PROPOSALS.labels("proceeded").inc()
        return [ringing, _answer(proposal, Invitation(Step.PROCEED, id))]

    def _forget(self, key: tuple[str, str]) -> None:
        del self._known[key]
        self._changed.add(key)

    def knows(self, caller: str, id: str) -> bool:
        """Whether this proposal was answered before."""
        return (bare(caller), id) in self._known

    def unlocked(self, caller: str, now: float) -> list[Element]:
        """The caller has said the PIN: what rings goes on."""
        answers: list[Element] = []
        for id, proposal in self._ringing(caller):
            if now - proposal.at < MAX_RINGING_S:
                self._set((bare(caller), id), ProposalState.PROCEEDED)
                metrics.PROPOSALS.labels("proceeded").inc()
                answers.append(_answer(proposal, Invitation(Step.PROCEED, id)))
        return answers

    def locked(self, caller: str, reason: Reason) -> list[Element]:
        """The caller does not know the PIN: what rings is refused."""
        answers: list[Element] = []
        for id, proposal in self._ringing(caller):
            self._set((bare(caller), id), ProposalState.OVER)
            metrics.PROPOSALS.labels("refused").inc()
            answers.append(_answer(proposal, Invitation(Step.REJECT, id, reason=reason)))
        return answers

    def _ringing(self, caller: str) -> list[tuple[str, Proposal]]:
        return [
            (id, proposal)
            for (who, id), proposal in self._known.items()
            if who == bare(caller) and proposal.state is ProposalState.RINGING
        ]

    def retract(self, caller: str, id: str) -> None:
        """The caller has thought better of it."""
        proposal = self._known.get((bare(caller), id))
        if proposal is not None and proposal.state is not ProposalState.TAKEN:
            self._set((bare(caller), id), ProposalState.OVER)

    def take(self, caller: str, sid: str) -> None:
        """The session of a proposal begins."""
        proposal = self._known.get((bare(caller), sid))
        if proposal is not None:
            self._set((bare(caller), sid), ProposalState.TAKEN)

    def finish(self, caller: str, sid: str, reason: Reason) -> list[Element]:
        """The session is over: what is told to a caller that had proposed it."""
        proposal = self._known.get((bare(caller), sid))
        if proposal is None or proposal.state is not ProposalState.TAKEN:
            return []
        self._set((bare(caller), sid), ProposalState.OVER)
        return [_answer(proposal, Invitation(Step.FINISH, sid, reason=Reason(reason.condition)))]


def _answer(proposal: Proposal, invitation: Invitation) -> Element:
    hint = Element(HINTS_STORE)
    return message("chat", proposal.caller, proposal.called.full, build_invitation(invitation), hint)
