"""Ad-hoc commands (XEP-0050): which step follows which, and every error of its §4.4."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from component.administration import data_form
from component.administration.command import NAMESPACE, Action, Answer, Request
from component.administration.commands import COMMANDS
from component.administration.sessions import (
    LIFETIME_S,
    MAX_ENDED,
    MAX_SESSIONS,
    MAX_SESSIONS_PER_JID,
    MOVES,
    OFFERED,
    Place,
    Ready,
    Sessions,
)
from component.stanza_error import StanzaError
from tests.component.oversight_house import MUC, House

ROOT = "root@meet.lab/desk"
WEEKLY = f"weekly@{MUC}"


def meetings() -> House:
    """Two, with people in one of them."""
    house = House("weekly", "daily")
    house.room("weekly").join("ann", "bob")
    return house


class Dialogue:
    """Somebody's commands in a house with two meetings."""

    def __init__(self, house: House | None = None) -> None:
        self.house = house or meetings()
        numbers = count(1)
        self.sessions = Sessions(self.house.oversight, lambda: f"s{next(numbers)}")
        self.now = 0.0

    def ask(
        self,
        node: str,
        action: str = "execute",
        session: str = "",
        jid: str = ROOT,
        answers: dict[str, str] | None = None,
    ) -> Answer | Ready:
        """One step."""
        return self.sessions.step(jid, Request(node, Action(action), session, answers), self.now)

    def begin(self, node: str, jid: str = ROOT) -> str:
        """The name of a new session at its first stage."""
        step = self.ask(node, jid=jid)
        assert isinstance(step, Answer) and step.status == "executing"
        return step.session

    def choose(self, node: str, **answers: str) -> str:
        """A session of a command with two stages at its second one."""
        session = self.begin(node)
        step = self.ask(node, session=session, answers={"room": WEEKLY, **answers})
        assert isinstance(step, Answer) and step.status == "executing"
        return session


def options(step: Answer | Ready, var: str) -> list[str]:
    """The choices in the form of a step."""
    assert isinstance(step, Answer) and step.payload is not None
    (field,) = [one for one in step.payload.iter(f"{{{data_form.NAMESPACE}}}field") if one.get("var") == var]
    path = f"{{{data_form.NAMESPACE}}}option/{{{data_form.NAMESPACE}}}value"
    return [one.text or "" for one in field.iterfind(path)]


def given_value(step: Answer | Ready, var: str) -> str | None:
    """What is filled in already."""
    assert isinstance(step, Answer) and step.payload is not None
    (field,) = [one for one in step.payload.iter(f"{{{data_form.NAMESPACE}}}field") if one.get("var") == var]
    return field.findtext(f"{{{data_form.NAMESPACE}}}value")


def refused(error: StanzaError) -> tuple[str, str | None]:
    """General and specific condition."""
    app = None if error.app is None else error.app.tag.removeprefix(f"{{{NAMESPACE}}}")
    return error.condition, app


@pytest.fixture
def dialogue() -> Dialogue:
    return Dialogue()


def test_every_command_has_at_most_the_places_of_the_table() -> None:
    assert all(len(command.stages) <= 2 for command in COMMANDS.values())


@pytest.mark.parametrize("place", Place)
def test_what_is_offered_is_in_the_table(place: Place) -> None:
    assert all((place, action) in MOVES for action in OFFERED[place])
    assert MOVES[place, Action.EXECUTE] is MOVES[place, OFFERED[place][0]]


def test_a_command_without_questions_is_ready_at_once(dialogue: Dialogue) -> None:
    assert dialogue.ask("rooms") == Ready("rooms", "s1", {})
    assert len(dialogue.sessions) == 0


def test_one_stage_then_ready(dialogue: Dialogue) -> None:
    step = dialogue.ask("end")
    assert options(step, "room") == [f"daily@{MUC}", WEEKLY]
    assert isinstance(step, Answer) and step.actions == (Action.COMPLETE,)
    ready = dialogue.ask("end", "complete", step.session, answers={"room": WEEKLY, "reason": "late"})
    assert ready == Ready("end", step.session, {"room": WEEKLY, "reason": "late"})


def test_two_stages_forth_back_and_forth_again(dialogue: Dialogue) -> None:
    session = dialogue.begin("mute")
    step = dialogue.ask("mute", "next", session, answers={"room": WEEKLY})
    assert options(step, "nick") == ["ann", "bob"]
    assert options(step, "media") == ["audio", "video", "desktop"]
    assert isinstance(step, Answer) and step.actions == (Action.COMPLETE, Action.PREV)
    back = dialogue.ask("mute", "prev", session)
    assert given_value(back, "room") == WEEKLY
    dialogue.ask("mute", "execute", session, answers={"room": WEEKLY})
    ready = dialogue.ask("mute", "execute", session, answers={"nick": "bob", "media": "video"})
    assert ready == Ready("mute", session, {"room": WEEKLY, "nick": "bob", "media": "video"})


def test_cancelling_ends_a_session(dialogue: Dialogue) -> None:
    session = dialogue.choose("remove")
    step = dialogue.ask("remove", "cancel", session)
    assert isinstance(step, Answer) and step.status == "canceled"
    assert len(dialogue.sessions) == 0


def test_without_meetings_there_is_nothing_to_choose() -> None:
    dialogue = Dialogue()
    dialogue.house.rooms.clear()
    step = dialogue.ask("end")
    assert isinstance(step, Answer)
    assert (step.status, step.note, step.note_type) == ("completed", "There is no meeting.", "info")


def test_a_meeting_that_ended_meanwhile_ends_the_command(dialogue: Dialogue) -> None:
    session = dialogue.choose("mute")
    dialogue.house.rooms.pop(WEEKLY)
    step = dialogue.ask("mute", "complete", session, answers={"nick": "ann", "media": "audio"})
    assert isinstance(step, Answer)
    assert (step.status, step.note_type) == ("completed", "error") and WEEKLY in step.note


def test_more_choices_than_anybody_looks_through_are_typed(dialogue: Dialogue) -> None:
    dialogue.house.room("weekly").join(*(f"{number:03}{'x' * 900}" for number in range(30)))
    session = dialogue.choose("mute")
    step = dialogue.ask("mute", "prev", session)
    step = dialogue.ask("mute", "next", session, answers={"room": WEEKLY})
    assert options(step, "nick") == []
    ready = dialogue.ask("mute", "complete", session, answers={"nick": "bob", "media": "audio"})
    assert isinstance(ready, Ready)


@pytest.mark.parametrize(
    ("node", "action", "general", "specific"),
    [
        ("unknown", "execute", "item-not-found", None),
        ("mute", "next", "bad-request", "bad-action"),
        ("mute", "cancel", "bad-request", "bad-action"),
    ],
)
def test_how_a_command_may_not_begin(
    dialogue: Dialogue, node: str, action: str, general: str, specific: str | None
) -> None:
    with pytest.raises(StanzaError) as caught:
        dialogue.ask(node, action)
    assert refused(caught.value) == (general, specific)


def test_an_action_that_has_no_place_is_refused_and_the_session_goes_on(dialogue: Dialogue) -> None:
    session = dialogue.begin("mute")
    for action in ("prev", "complete"):
        with pytest.raises(StanzaError) as caught:
            dialogue.ask("mute", action, session, answers={"room": WEEKLY})
        assert refused(caught.value) == ("bad-request", "bad-action")
    assert isinstance(dialogue.ask("mute", "next", session, answers={"room": WEEKLY}), Answer)


@pytest.mark.parametrize(
    "answers",
    [
        None,
        {},
        {"nick": "bob"},
        {"nick": "bob", "media": "smell"},
        {"nick": "nobody", "media": "audio"},
        {"nick": "", "media": "audio"},
    ],
)
def test_answers_that_are_none_are_a_bad_payload(dialogue: Dialogue, answers: dict[str, str] | None) -> None:
    session = dialogue.choose("mute")
    with pytest.raises(StanzaError) as caught:
        dialogue.ask("mute", "complete", session, answers=answers)
    assert refused(caught.value) == ("bad-request", "bad-payload")


def test_what_was_not_asked_is_not_noted(dialogue: Dialogue) -> None:
    session = dialogue.choose("mute", nick="bob", by="somebody else")
    ready = dialogue.ask(
        "mute", "complete", session, answers={"nick": "ann", "media": "audio", "room": f"daily@{MUC}"}
    )
    assert isinstance(ready, Ready) and ready.answers == {"room": WEEKLY, "nick": "ann", "media": "audio"}


@pytest.mark.parametrize(
    ("jid", "node", "session"),
    [
        ("root@meet.lab/other", "mute", "s1"),
        ("mallory@meet.lab/x", "mute", "s1"),
        (ROOT, "end", "s1"),
        (ROOT, "mute", "s2"),
    ],
)
def test_a_session_belongs_to_one_command_of_one_connection(
    dialogue: Dialogue, jid: str, node: str, session: str
) -> None:
    assert dialogue.begin("mute") == "s1"
    with pytest.raises(StanzaError) as caught:
        dialogue.ask(node, "execute", session, jid=jid, answers={"room": WEEKLY})
    assert refused(caught.value) == ("bad-request", "bad-sessionid")


def test_a_session_that_took_too_long_is_over(dialogue: Dialogue) -> None:
    session = dialogue.begin("mute")
    dialogue.now = LIFETIME_S
    with pytest.raises(StanzaError) as caught:
        dialogue.ask("mute", "next", session, answers={"room": WEEKLY})
    assert refused(caught.value) == ("not-allowed", "session-expired")
    assert len(dialogue.sessions) == 0


def test_a_session_that_is_completed_does_nothing_twice(dialogue: Dialogue) -> None:
    session = dialogue.begin("end")
    assert isinstance(dialogue.ask("end", "complete", session, answers={"room": WEEKLY}), Ready)
    with pytest.raises(StanzaError) as caught:
        dialogue.ask("end", "complete", session, answers={"room": WEEKLY})
    assert refused(caught.value) == ("not-allowed", "session-expired")


def test_one_session_too_many_of_a_jid_ends_its_oldest(dialogue: Dialogue) -> None:
    other = dialogue.begin("mute", jid="second@meet.lab/x")
    names = [dialogue.begin("mute", jid=f"root@meet.lab/{number}") for number in range(MAX_SESSIONS_PER_JID)]
    dialogue.begin("mute")
    assert len(dialogue.sessions) == MAX_SESSIONS_PER_JID + 1
    with pytest.raises(StanzaError) as caught:
        dialogue.ask("mute", "next", names[0], jid="root@meet.lab/0", answers={"room": WEEKLY})
    assert refused(caught.value) == ("not-allowed", "session-expired")
    assert isinstance(dialogue.ask("mute", "cancel", other, jid="second@meet.lab/x"), Answer)


def test_sessions_of_all_together_are_limited(dialogue: Dialogue) -> None:
    for number in range(MAX_SESSIONS):
        dialogue.begin("mute", jid=f"admin{number}@meet.lab/x")
    with pytest.raises(StanzaError, match="resource-constraint"):
        dialogue.begin("mute")


def test_the_names_of_ended_sessions_are_limited(dialogue: Dialogue) -> None:
    for _ in range(MAX_ENDED + 10):
        dialogue.ask("rooms")
    assert len(dialogue.sessions._ended) == MAX_ENDED


_steps = st.tuples(
    st.sampled_from([*COMMANDS, "unknown"]),
    st.sampled_from([action.value for action in Action]),
    st.sampled_from(["", *(f"s{number}" for number in range(1, 8))]),
    st.sampled_from([ROOT, "root@meet.lab/other"]),
    st.none()
    | st.dictionaries(
        st.sampled_from(["room", "nick", "media", "reason"]),
        st.sampled_from([WEEKLY, "ann", "audio", "", "x" * 50]),
    ),
)


_unchanging = meetings()


@given(steps=st.lists(_steps, max_size=15))
def test_any_order_of_requests_gives_steps_and_declared_errors_only(
    steps: list[tuple[str, str, str, str, dict[str, str] | None]],
) -> None:
    dialogue = Dialogue(_unchanging)
    for node, action, session, jid, answers in steps:
        dialogue.now += LIFETIME_S / 10
        try:
            step = dialogue.ask(node, action, session, jid, answers)
        except StanzaError:
            continue
        if isinstance(step, Ready):
            assert set(step.answers) == {
                question.var for stage in COMMANDS[node].stages for question in stage.questions
            }
        assert len(dialogue.sessions) <= 2 * MAX_SESSIONS_PER_JID
