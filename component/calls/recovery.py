"""Calls that go on after the process that led them: rows of the journal in, calls out. No I/O.

Rows are written before the outside is told, so each deed that a row tells of may have been done or not; it is
done again in a form that does no harm twice.

| in the journal                        | what follows                                                     |
|---------------------------------------|------------------------------------------------------------------|
| a call that waits for its PIN         | waits on                                                         |
| a call that is not accepted yet       | where it leads is begun again, under another name                |
| an accepted call                      | goes on: the room is asked who is there, the bridge whether it   |
|                                       | carries the media, the caller whether it is there                |
| a request that nobody has answered    | sent again, under its id                                         |
| a content that was being added        | refused                                                          |
| ICE being restarted                   | asked for again                                                  |
| a call that is over                   | its end is told again: caller, room, bridge                      |
| a call of another session of the      | ended towards both: caller and room have seen us leave           |
| server                                |                                                                  |
"""

from __future__ import annotations

from enum import Enum
from xml.etree.ElementTree import fromstring

from component.calls import records
from component.calls.addresses import Callee
from component.calls.admission import Admission
from component.calls.legs import Legs
from component.calls.line import Line
from component.calls.offer import Offer
from component.calls.proposals import Proposal, Proposals
from component.calls.reasons import LINK_LOST
from component.calls.records import CallRecord, LegRecord, LineRecord, ProposalRecord, Stage, UnlockedRecord
from component.calls.register import Register
from jingle.content import Action, Reason
from jingle.element import Jingle


class Outcome(Enum):
    """What becomes of a call; the values label the counter."""

    CONTINUED = "continued"
    BEGUN_AGAIN = "begun again"
    """The far side is to be begun anew."""
    WAITS = "waits"
    """For its PIN."""
    ENDED = "ended"


def initiate(record: CallRecord) -> Jingle:
    """What has begun the call, as far as it still matters."""
    return Jingle(Action.SESSION_INITIATE, record.sid)


def offer(record: CallRecord) -> Offer:
    """What the caller has."""
    return Offer(record.contents, record.declined, record.bundled)


def go_on(line: Line, record: LineRecord, legs: Legs, *, session: str, epoch: float, now: float) -> Outcome:
    """Make a new call what `record` says, and do what follows; `session` is the server's of now."""
    call, left = line.call, record.call
    for given_up in record.left:
        _give_up(line, legs, given_up)
    call.restore(left, legs.left(line, left.leg), epoch, now)
    if left.stage is Stage.OVER:
        _ask_again(line, record)
        call.finish(left.reason or Reason("success"))
        return Outcome.ENDED
    if record.session != session or not session:
        call.end(LINK_LOST)
        return Outcome.ENDED
    if left.stage is Stage.ACTIVE:
        _ask_again(line, record)
        call.resume(now)
        return Outcome.ENDED if call.over else Outcome.CONTINUED
    if left.stage is Stage.WAITING and left.until is not None:
        return Outcome.WAITS
    call.start_over()
    line.note_left(left.leg)
    return Outcome.BEGUN_AGAIN


def _give_up(line: Line, legs: Legs, record: LegRecord) -> None:
    """End a leg whose end another process has begun to tell."""
    leg = legs.left(line, record)
    if leg is not None:
        leg(line.call).end()
        line.note_left(record)


def _ask_again(line: Line, record: LineRecord) -> None:
    for text in record.unanswered.values():
        line.call.ask_again(fromstring(text))


def people(register: Register, admission: Admission, proposals: Proposals, epoch: float, now: float) -> None:
    """Take up who has said the PIN, and what was proposed."""
    for sender, unlocked in list(register.load(records.UNLOCKED, UnlockedRecord)):
        if unlocked.until - epoch > now:
            admission.unlock(sender, unlocked.until - epoch)
        else:
            register.note(records.UNLOCKED, sender, None)
    for key, record in list(register.load(records.PROPOSAL, ProposalRecord)):
        proposal = Proposal(Callee(record.called), record.caller, record.state, record.at - epoch)
        proposals.restore(record.caller, key.partition("\n")[2], proposal)


def note_people(register: Register, admission: Admission, proposals: Proposals, epoch: float) -> None:
    """Note who has said the PIN, and what was proposed, as far as it is new."""
    for sender, until in admission.unlocked():
        record = UnlockedRecord(round(epoch + until, 3)) if until is not None else None
        register.note(records.UNLOCKED, sender, record)
    for (who, id), proposal in proposals.changes():
        register.note(
            records.PROPOSAL,
            f"{who}\n{id}",
            ProposalRecord(
                proposal.called.jid, proposal.caller, proposal.state, round(epoch + proposal.at, 3)
            )
            if proposal is not None
            else None,
        )
