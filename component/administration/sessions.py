"""Sessions of ad-hoc commands (XEP-0050 §3): who is at which stage of what. No I/O."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from component.administration import data_form
from component.administration.command import Action, Answer, Request, refusal
from component.administration.commands import COMMANDS, Answers, Command, Question
from component.administration.data_form import Field
from component.administration.words import in_words
from component.focus.oversight import Oversight, UnknownParticipant, UnknownRoom
from component.stanza import bare
from component.stanza_error import StanzaError

MAX_SESSIONS = 200
MAX_SESSIONS_PER_JID = 10
"""Of one bare JID; with one more its oldest ends."""
LIFETIME_S = 600.0
MAX_ENDED = 200
"""Names of sessions that are over: who goes on with one is told so."""


class Place(Enum):
    """Where in its command a stage stands. No command has more than two."""

    ONLY = "only"
    FIRST = "first"
    LAST = "last"


class Move(Enum):
    """What an action does."""

    FORTH = "forth"
    BACK = "back"
    FINISH = "finish"
    CANCEL = "cancel"


MOVES: dict[tuple[Place, Action], Move] = {
    (Place.ONLY, Action.EXECUTE): Move.FINISH,
    (Place.ONLY, Action.COMPLETE): Move.FINISH,
    (Place.ONLY, Action.CANCEL): Move.CANCEL,
    (Place.FIRST, Action.EXECUTE): Move.FORTH,
    (Place.FIRST, Action.NEXT): Move.FORTH,
    (Place.FIRST, Action.CANCEL): Move.CANCEL,
    (Place.LAST, Action.EXECUTE): Move.FINISH,
    (Place.LAST, Action.COMPLETE): Move.FINISH,
    (Place.LAST, Action.PREV): Move.BACK,
    (Place.LAST, Action.CANCEL): Move.CANCEL,
}
"""Any other action is a bad-action (§4.4)."""

OFFERED = {
    Place.ONLY: (Action.COMPLETE,),
    Place.FIRST: (Action.NEXT,),
    Place.LAST: (Action.COMPLETE, Action.PREV),
}
"""What `<actions/>` says at each place, the default first."""


@dataclass(frozen=True)
class Ready:
    """Everything is known: carry out the command, and answer with `finished`."""

    node: str
    session: str
    answers: Answers


@dataclass(eq=False)
class _Session:
    name: str
    jid: str
    """The full JID: nobody else may go on with it."""
    node: str
    until: float
    stage: int = 0
    answers: dict[str, str] = field(default_factory=dict)

    @property
    def command(self) -> Command:
        return COMMANDS[self.node]

    @property
    def place(self) -> Place:
        if len(self.command.stages) == 1:
            return Place.ONLY
        return Place.LAST if self.stage + 1 == len(self.command.stages) else Place.FIRST


class Sessions:
    """See the module. What can be chosen comes from `oversight`; `new_id` makes unguessable names."""

    def __init__(self, oversight: Oversight, new_id: Callable[[], str]) -> None:
        self._oversight = oversight
        self._new_id = new_id
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        """By name, the oldest first."""
        self._ended: OrderedDict[str, str] = OrderedDict()
        """Name and full JID of those that are over."""

    def __len__(self) -> int:
        return len(self._sessions)

    def step(self, jid: str, request: Request, now: float) -> Answer | Ready:
        """What the full JID `jid` asks. Raises StanzaError."""
        if request.node not in COMMANDS:
            raise StanzaError("item-not-found", "there is no such command")
        self._expire(now)
        if not request.session:
            return self._begin(jid, request, now)
        session = self._of(jid, request)
        move = MOVES.get((session.place, request.action))
        if move is None:
            raise refusal("bad-action", "the action has no place at this stage")
        return self._move(session, move, request)

    def _begin(self, jid: str, request: Request, now: float) -> Answer | Ready:
        if request.action is not Action.EXECUTE:
            raise refusal("bad-action", "a command begins with execute")
        session = _Session(self._new_id(), jid, request.node, now + LIFETIME_S)
        if not session.command.stages:
            self._note_end(session)
            return Ready(session.node, session.name, {})
        self._make_room(jid)
        self._sessions[session.name] = session
        return self._show(session)

    def _of(self, jid: str, request: Request) -> _Session:
        session = self._sessions.get(request.session)
        if session is not None and session.jid == jid and session.node == request.node:
            return session
        if self._ended.get(request.session) == jid:
            raise refusal("session-expired", "the session is over: begin again")
        raise refusal("bad-sessionid", "there is no such session")

    def _move(self, session: _Session, move: Move, request: Request) -> Answer | Ready:
        match move:
            case Move.CANCEL:
                self._end(session)
                return Answer(session.node, session.name, "canceled")
            case Move.BACK:
                session.stage -= 1
                return self._show(session)
            case Move.FORTH | Move.FINISH:
                if (over := self._take(session, request.answers or {})) is not None:
                    return over
        if move is Move.FORTH:
            session.stage += 1
            return self._show(session)
        self._end(session)
        return Ready(session.node, session.name, session.answers)

    def _take(self, session: _Session, given: Answers) -> Answer | None:
        """Note the answers of a stage; what ends the command instead. Raises StanzaError."""
        fields = self._fields(session)
        if isinstance(fields, Answer):
            return fields
        for one in fields:
            if not one.accepts(given.get(one.var, "")):
                raise refusal("bad-payload", f"{one.label}: an answer is missing, or is none of the choices")
        session.answers |= {one.var: given.get(one.var, "") for one in fields}
        return None

    def _show(self, session: _Session) -> Answer:
        fields = self._fields(session)
        if isinstance(fields, Answer):
            return fields
        form = data_form.form(
            session.command.title, session.command.stages[session.stage].instructions, fields
        )
        actions = OFFERED[session.place]
        return Answer(session.node, session.name, "executing", payload=form, actions=actions)

    def _fields(self, session: _Session) -> list[Field] | Answer:
        """What the stage asks now; when there is nothing to choose any more, the command is over."""
        questions: tuple[Question, ...] = session.command.stages[session.stage].questions
        fields: list[Field] = []
        try:
            for question in questions:
                asked = question.field(self._oversight, session.answers)
                if asked is None:
                    return self._over(session, question.nothing, "info")
                fields.append(asked)
        except (UnknownRoom, UnknownParticipant) as error:
            return self._over(session, in_words(error), "error")
        return fields

    # The life of sessions

    def _over(self, session: _Session, note: str, note_type: str) -> Answer:
        self._end(session)
        return Answer(session.node, session.name, "completed", note=note, note_type=note_type)

    def _end(self, session: _Session) -> None:
        del self._sessions[session.name]
        self._note_end(session)

    def _note_end(self, session: _Session) -> None:
        self._ended[session.name] = session.jid
        if len(self._ended) > MAX_ENDED:
            self._ended.popitem(last=False)

    def _expire(self, now: float) -> None:
        for session in [one for one in self._sessions.values() if one.until <= now]:
            self._end(session)

    def _make_room(self, jid: str) -> None:
        """For one more session of `jid`. Raises StanzaError when there are too many of others."""
        own = [one for one in self._sessions.values() if bare(one.jid) == bare(jid)]
        if len(own) >= MAX_SESSIONS_PER_JID:
            self._end(own[0])
        elif len(self._sessions) >= MAX_SESSIONS:
            raise StanzaError("resource-constraint", "too many commands are under way")
