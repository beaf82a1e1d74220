"""The Jingle session as a state machine (XEP-0166 §6 and §7.2). It holds no media: requests in, verdicts out.

`RULES` says, by state and action, who may send it and which state follows. What is not in it is out of order.
Three things are no table and stand in `Session`: an answer needs its question, the initiator wins a tie, and
a request about another session is an unknown session.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from jingle.content import Action
from jingle.element import Jingle
from jingle.errors import JingleError, out_of_order, tie_break, unknown_session
from jingle.limits import MAX_CONTENTS


class Role(Enum):
    """The two parties of a session."""

    INITIATOR = "initiator"
    RESPONDER = "responder"

    @property
    def other(self) -> Role:
        """The other party."""
        return Role.RESPONDER if self is Role.INITIATOR else Role.INITIATOR


class State(Enum):
    """The states of a session (XEP-0166 §6.1), and the one before its session-initiate."""

    NEW = "new"
    PENDING = "pending"
    ACTIVE = "active"
    ENDED = "ended"


@dataclass(frozen=True)
class Rule:
    """Who may send an action in a state, and the state after it."""

    by: frozenset[Role]
    then: State


BOTH: Final = frozenset(Role)
INITIATOR: Final = frozenset({Role.INITIATOR})
RESPONDER: Final = frozenset({Role.RESPONDER})

NEGOTIATION: Final = (
    Action.CONTENT_ACCEPT,
    Action.CONTENT_ADD,
    Action.CONTENT_MODIFY,
    Action.CONTENT_REJECT,
    Action.CONTENT_REMOVE,
    Action.DESCRIPTION_INFO,
    Action.SECURITY_INFO,
    Action.SESSION_INFO,
    Action.TRANSPORT_ACCEPT,
    Action.TRANSPORT_INFO,
    Action.TRANSPORT_REJECT,
    Action.TRANSPORT_REPLACE,
)
"""What either party may send from the session-initiate to the end, and what changes no state."""

RULES: Final[dict[tuple[State, Action], Rule]] = {
    (State.NEW, Action.SESSION_INITIATE): Rule(INITIATOR, State.PENDING),
    (State.PENDING, Action.SESSION_ACCEPT): Rule(RESPONDER, State.ACTIVE),
    (State.PENDING, Action.SESSION_TERMINATE): Rule(BOTH, State.ENDED),
    (State.ACTIVE, Action.SESSION_TERMINATE): Rule(BOTH, State.ENDED),
    (State.ACTIVE, Action.SOURCE_ADD): Rule(BOTH, State.ACTIVE),
    (State.ACTIVE, Action.SOURCE_REMOVE): Rule(BOTH, State.ACTIVE),
    **{(State.PENDING, action): Rule(BOTH, State.PENDING) for action in NEGOTIATION},
    **{(State.ACTIVE, action): Rule(BOTH, State.ACTIVE) for action in NEGOTIATION},
}

ANSWERS: Final = {
    Action.CONTENT_ACCEPT: Action.CONTENT_ADD,
    Action.CONTENT_REJECT: Action.CONTENT_ADD,
    Action.TRANSPORT_ACCEPT: Action.TRANSPORT_REPLACE,
    Action.TRANSPORT_REJECT: Action.TRANSPORT_REPLACE,
}
"""Actions that only answer another one, about the contents that it named."""

TIES: Final = frozenset({Action.CONTENT_ADD, Action.CONTENT_MODIFY, Action.TRANSPORT_REPLACE})
"""Actions of which only one may be under way for a content (XEP-0166 §7.2.16)."""


class Session:
    """One session as one of its parties sees it.

    Ask `sent` before sending and `received` for what arrives; both change the state when they return and
    nothing when they raise. `acknowledged` is told when the peer has answered a request of ours.
    """

    def __init__(self, sid: str, role: Role) -> None:
        self.sid = sid
        self.role = role
        """Which party we are."""
        self.state = State.NEW
        self._asked: dict[tuple[Role, Action], frozenset[str]] = {}
        self._unacknowledged: dict[Action, frozenset[str]] = {}

    def sent(self, jingle: Jingle) -> None:
        """We send this request. Raises JingleError (out-of-order) when we may not."""
        self._pass(self.role, jingle)
        if jingle.action in TIES:
            self._unacknowledged[jingle.action] = names(jingle)

    def received(self, jingle: Jingle) -> None:
        """The peer sent this request. Raises JingleError: unknown-session, out-of-order or tie-break."""
        if jingle.sid != self.sid:
            raise unknown_session(jingle.sid)
        if self.state is State.ENDED:
            raise unknown_session(jingle.sid)
        ours = self._unacknowledged.get(jingle.action, frozenset())
        if self.role is Role.INITIATOR and not ours.isdisjoint(names(jingle)):
            raise tie_break(f"{jingle.action.value} crossed ours")
        self._pass(self.role.other, jingle)

    def acknowledged(self, action: Action) -> None:
        """The peer answered our request, with a result or with an error: it crosses nothing any more."""
        self._unacknowledged.pop(action, None)

    def refused(self, action: Action) -> None:
        """The peer answered our request with an error: what it asked for is off."""
        self.acknowledged(action)
        self._asked.pop((self.role, action), None)

    def _pass(self, sender: Role, jingle: Jingle) -> None:
        """Take the request as one of `sender` and go to the next state. Raises JingleError (out-of-order)."""
        rule = RULES.get((self.state, jingle.action))
        if rule is None or sender not in rule.by:
            raise out_of_order(f"{jingle.action.value} by the {sender.value} while {self.state.value}")
        question = ANSWERS.get(jingle.action)
        if question is not None:
            self._answer(sender, question, jingle)
        elif jingle.action in ANSWERS.values():
            asked = self._asked.get((sender, jingle.action), frozenset()) | names(jingle)
            if len(asked) > MAX_CONTENTS:
                raise JingleError(
                    "resource-constraint", f"more than {MAX_CONTENTS} contents wait for an answer"
                )
            self._asked[sender, jingle.action] = asked
        self.state = rule.then

    def _answer(self, sender: Role, question: Action, jingle: Jingle) -> None:
        """Strike out what is answered. Contents go by name: some clients write the wrong creator."""
        asked = self._asked.get((sender.other, question), frozenset())
        answered = names(jingle)
        if not answered or not answered <= asked:
            raise out_of_order(f"{jingle.action.value} without {question.value}")
        self._asked[sender.other, question] = asked - answered


def names(jingle: Jingle) -> frozenset[str]:
    """The names of the contents in a request."""
    return frozenset(content.name for content in jingle.contents)


def initiate_tie_break(ours: Jingle, ours_from: str, theirs: Jingle, theirs_from: str) -> JingleError | None:
    """The answer to a session-initiate that crossed ours for the same (XEP-0166 §7.2.16).

    The session with the lower sid lives, with equal sids the one from the lower JID. None when theirs does.
    """
    if (ours.sid, ours_from) < (theirs.sid, theirs_from):
        return tie_break("session-initiate crossed ours")
    return None
