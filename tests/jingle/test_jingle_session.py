"""The state machine of a session against XEP-0166 §6, and the recorded sessions through it."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from jingle.content import Action, Content
from jingle.element import Jingle, parse_jingle
from jingle.errors import JingleError
from jingle.session import RULES, Role, Session, State, initiate_tie_break

INITIATOR, RESPONDER = Role.INITIATOR, Role.RESPONDER


def request(action: Action, *names: str, sid: str = "s") -> Jingle:
    return Jingle(action, sid, contents=tuple(Content(name) for name in names))


def session_in(state: State, role: Role) -> Session:
    session = Session("s", role)
    path = {
        State.NEW: [],
        State.PENDING: [Action.SESSION_INITIATE],
        State.ACTIVE: [Action.SESSION_INITIATE, Action.SESSION_ACCEPT],
        State.ENDED: [Action.SESSION_INITIATE, Action.SESSION_TERMINATE],
    }[state]
    for action in path:
        by = RESPONDER if action is Action.SESSION_ACCEPT else INITIATOR
        (session.sent if by is role else session.received)(request(action))
    assert session.state is state
    return session


QUESTION = {
    Action.CONTENT_ACCEPT: Action.CONTENT_ADD,
    Action.CONTENT_REJECT: Action.CONTENT_ADD,
    Action.TRANSPORT_ACCEPT: Action.TRANSPORT_REPLACE,
    Action.TRANSPORT_REJECT: Action.TRANSPORT_REPLACE,
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("sender", Role)
@pytest.mark.parametrize("action", Action)
def test_exactly_what_the_table_allows_passes(action: Action, sender: Role, state: State) -> None:
    for role in Role:
        session = session_in(state, role)
        rule = RULES.get((state, action))
        if rule and action in QUESTION:
            ask = session.received if sender is role else session.sent
            ask(request(QUESTION[action], "a"))
        take = session.sent if sender is role else session.received
        if rule and sender in rule.by:
            take(request(action, "a"))
            assert session.state is rule.then
        else:
            with pytest.raises(JingleError) as caught:
                take(request(action, "a"))
            gone = state is State.ENDED and sender is not role
            assert caught.value.app == ("unknown-session" if gone else "out-of-order")
            assert session.state is state


def test_what_the_standard_says_is_in_the_table() -> None:
    assert RULES[State.PENDING, Action.SESSION_ACCEPT].by == {RESPONDER}
    assert RULES[State.PENDING, Action.TRANSPORT_INFO].then is State.PENDING
    assert (State.PENDING, Action.SESSION_INITIATE) not in RULES
    assert (State.ACTIVE, Action.SESSION_ACCEPT) not in RULES
    assert (State.PENDING, Action.SOURCE_ADD) not in RULES
    assert not [key for key in RULES if key[0] is State.ENDED]


def test_another_sid_is_an_unknown_session() -> None:
    with pytest.raises(JingleError) as caught:
        session_in(State.ACTIVE, INITIATOR).received(request(Action.SESSION_INFO, sid="t"))
    assert (caught.value.condition, caught.value.app) == ("item-not-found", "unknown-session")
    element = caught.value.app_element()
    assert element is not None
    assert element.tag == "{urn:xmpp:jingle:errors:1}unknown-session"
    assert caught.value.type == "cancel"


@pytest.mark.parametrize("action", [Action.CONTENT_ACCEPT, Action.TRANSPORT_ACCEPT])
def test_an_answer_needs_its_question(action: Action) -> None:
    session = session_in(State.ACTIVE, INITIATOR)
    with pytest.raises(JingleError) as caught:
        session.received(request(action, "a"))
    assert caught.value.app == "out-of-order"
    session.sent(request(QUESTION[action], "a", "b"))
    session.acknowledged(QUESTION[action])
    session.received(request(action, "b"))
    with pytest.raises(JingleError):
        session.received(request(action, "b"))
    session.received(request(action, "a"))


def test_a_refused_question_has_no_answer() -> None:
    session = session_in(State.ACTIVE, INITIATOR)
    session.sent(request(Action.CONTENT_ADD, "a"))
    session.refused(Action.CONTENT_ADD)
    with pytest.raises(JingleError):
        session.received(request(Action.CONTENT_ACCEPT, "a"))


def test_unanswered_questions_are_limited() -> None:
    session = session_in(State.ACTIVE, INITIATOR)
    for n in range(16):
        session.received(request(Action.CONTENT_ADD, str(n)))
    with pytest.raises(JingleError) as caught:
        session.received(request(Action.CONTENT_ADD, "17"))
    assert caught.value.condition == "resource-constraint"


def test_the_initiator_wins_a_tie() -> None:
    ours = session_in(State.ACTIVE, INITIATOR)
    ours.sent(request(Action.CONTENT_MODIFY, "a"))
    ours.received(request(Action.CONTENT_MODIFY, "b"))
    with pytest.raises(JingleError) as caught:
        ours.received(request(Action.CONTENT_MODIFY, "a"))
    assert (caught.value.condition, caught.value.app) == ("conflict", "tie-break")
    ours.acknowledged(Action.CONTENT_MODIFY)
    ours.received(request(Action.CONTENT_MODIFY, "a"))
    theirs = session_in(State.ACTIVE, RESPONDER)
    theirs.sent(request(Action.CONTENT_MODIFY, "a"))
    theirs.received(request(Action.CONTENT_MODIFY, "a"))


def test_of_two_crossing_initiates_the_lower_sid_lives() -> None:
    low, high = request(Action.SESSION_INITIATE, sid="a"), request(Action.SESSION_INITIATE, sid="b")
    refusal = initiate_tie_break(low, "x@d/1", high, "y@d/1")
    assert refusal is not None
    assert refusal.app == "tie-break"
    assert initiate_tie_break(high, "x@d/1", low, "y@d/1") is None
    assert initiate_tie_break(low, "x@d/1", low, "y@d/1") is not None
    assert initiate_tie_break(low, "y@d/1", low, "x@d/1") is None


@pytest.mark.parametrize(
    ("folder", "actions"),
    [
        ("plain-clients/dino-audio-mute-content-add", 6),
        ("plain-clients/dino-content-add-from-component", 5),
        ("plain-clients/stanzajs-calls-stanzajs/at-callee", 11),
        ("plain-clients/stanzajs-jmi-mute-hold", 10),
    ],
)
def test_recorded_calls_pass(captures: Path, folder: str, actions: int) -> None:
    sessions: dict[str, Session] = {}
    callers: dict[str, str] = {}
    passed = 0
    for path in sorted((captures / folder).glob("*.xml")):
        stanza = ET.parse(path).getroot()
        node = stanza.find("{urn:xmpp:jingle:1}jingle")
        if node is None:
            continue
        jingle = parse_jingle(node)
        sender = path.stem.split("-to-")[0].split("-", 1)[1]
        if jingle.action is Action.SESSION_INITIATE:
            sessions[jingle.sid] = Session(jingle.sid, RESPONDER)
            callers[jingle.sid] = sender
        session = sessions[jingle.sid]
        (session.received if callers[jingle.sid] == sender else session.sent)(jingle)
        session.acknowledged(jingle.action)
        passed += 1
    assert passed == actions
    assert [session.state for session in sessions.values()] == [State.ENDED]
