"""Who may call whom, what is proposed, and what callees say of themselves."""

from __future__ import annotations

import pytest

from component.calls import discovery, words
from component.calls.addresses import Callee, callee, speaks_for
from component.calls.admission import UNLOCKED_S, Admission, Guess
from component.calls.proposals import MAX_REMEMBERED, MAX_REMEMBERED_EACH, Proposals
from component.calls.reasons import WRONG_PIN
from component.focus.features import DISCO_INFO, features_of, verification_string
from component.focus.occupant import CAPS
from component.stanza_error import StanzaError
from jingle.content import Reason
from jingle.jmi import Step, parse_invitation
from tests.component.call_under_test import CALLER, call_settings

ECHO, ROOM = Callee("echo@calls.localhost"), Callee("room@calls.localhost")


def test_addresses() -> None:
    assert callee("echo@calls.localhost/bridge") == ECHO and ECHO.is_echo
    assert ROOM.name == "room" and not ROOM.is_echo and ROOM.full == "room@calls.localhost/bridge"
    assert callee("calls.localhost") is None and callee("é" * 32 + "@calls.localhost") is None
    assert speaks_for("room@calls.localhost") and not speaks_for("room@calls.localhost/ab12cd34")


@pytest.mark.parametrize(
    ("sender", "settings", "called", "refused"),
    [
        ("alice@localhost/r", "", ROOM, ""),
        ("x@guest.localhost/r", "", ROOM, ""),
        ("alice@elsewhere/r", "", ECHO, "decline"),
        ("alice@elsewhere/r", 'remote_domains = ["elsewhere"]', ROOM, ""),
        ("alice@localhost/r", 'rooms = "closed"', ROOM, "decline"),
        ("alice@localhost/r", 'rooms = "closed"', ECHO, ""),
    ],
)
def test_who_may_call(sender: str, settings: str, called: Callee, refused: str) -> None:
    admission = Admission(call_settings(f"[calls]\n{settings}\n"), "")
    reason = admission.refusal(sender, called, 0.0)
    assert (reason.condition if reason else "") == refused
    assert reason is None or reason.text


def test_calls_are_counted_by_user_and_together() -> None:
    admission = Admission(call_settings("[calls]\nmax_calls = 3\nmax_calls_per_user = 2\n"), "")
    admission.begun("alice@localhost/1")
    admission.begun("alice@localhost/2")
    assert admission.refusal("alice@localhost/3", ECHO, 0.0) is not None
    assert admission.refusal("bob@localhost/1", ECHO, 0.0) is None
    admission.begun("bob@localhost/1")
    assert admission.refusal("carol@localhost/1", ECHO, 0.0) is not None
    admission.ended("alice@localhost/1")
    assert admission.refusal("alice@localhost/3", ECHO, 0.0) is None


def test_attempts_have_a_rate() -> None:
    admission = Admission(call_settings(), "")
    refused = [admission.refusal(CALLER, ECHO, 0.0) for _ in range(21)]
    assert refused[:20] == [None] * 20 and refused[20] is not None
    assert admission.refusal(CALLER, ECHO, 2.0) is None


def test_a_pin_opens_the_rooms_for_a_while() -> None:
    admission = Admission(call_settings('[calls]\nrooms = "pin"\npin_file = "pin"\n'), "4711")
    assert admission.wants_pin(CALLER, ROOM, 0.0) and not admission.wants_pin(CALLER, ECHO, 0.0)
    assert admission.says_pin(CALLER, "1234", 0.0) is Guess.WRONG
    assert admission.says_pin("alice@elsewhere/r", "4711", 0.0) is Guess.WRONG
    assert admission.says_pin(CALLER, "4711", 0.0) is Guess.RIGHT
    assert not admission.wants_pin(CALLER, ROOM, UNLOCKED_S - 1)
    assert admission.wants_pin(CALLER, ROOM, UNLOCKED_S)
    assert admission.wants_pin("bob@localhost/r", ROOM, 1.0)


def test_guesses_are_few_whoever_makes_them() -> None:
    admission = Admission(call_settings('[calls]\nrooms = "pin"\npin_file = "pin"\n'), "4711")
    own = [admission.says_pin(CALLER, "0", 0.0) for _ in range(6)]
    assert own == [Guess.WRONG] * 5 + [Guess.TOO_MANY]
    guesses = [admission.says_pin(f"{n}@guest.localhost/r", "0", 0.0) for n in range(60)]
    assert guesses.count(Guess.WRONG) == 25 and guesses[-1] is Guess.CROWDED
    assert admission.says_pin(CALLER, "4711", 0.0) is Guess.TOO_MANY


def steps(answers: list) -> list[Step]:  # type: ignore[type-arg]
    found = [parse_invitation(answer) for answer in answers]
    return [one.step for one in found if one is not None]


def test_a_proposal_is_answered_and_finished_once() -> None:
    proposals = Proposals()
    answers = proposals.propose(CALLER, ECHO, "1", 0.0, refusal=None, wants_pin=False)
    assert steps(answers) == [Step.RINGING, Step.PROCEED]
    assert {(one.get("to"), one.get("from")) for one in answers} == {(CALLER, ECHO.full)}
    assert proposals.knows("alice@localhost/another", "1")
    proposals.take(CALLER, "1")
    proposals.retract(CALLER, "1")
    assert steps(proposals.finish(CALLER, "1", Reason("success"))) == [Step.FINISH]
    assert not proposals.finish(CALLER, "1", Reason("success"))
    assert not proposals.finish(CALLER, "direct", Reason("success"))


def test_a_refused_proposal_says_why() -> None:
    answers = Proposals().propose(CALLER, ROOM, "1", 0.0, refusal=Reason("busy", "later"), wants_pin=False)
    found = parse_invitation(answers[0])
    assert found is not None and found.step is Step.REJECT and found.reason == Reason("busy", "later")


def test_a_proposal_rings_until_the_pin_is_said() -> None:
    proposals = Proposals()
    for id, at in (("old", 0.0), ("1", 50.0), ("retracted", 50.0)):
        answers = proposals.propose(CALLER, ROOM, id, at, refusal=None, wants_pin=True)
        assert steps(answers) == [Step.RINGING]
    proposals.retract(CALLER, "retracted")
    assert not proposals.unlocked("bob@localhost/r", 70.0)
    answers = proposals.unlocked(CALLER, 70.0)
    found = parse_invitation(answers[0])
    assert len(answers) == 1 and found is not None and (found.step, found.id) == (Step.PROCEED, "1")
    assert not proposals.unlocked(CALLER, 70.0)


def test_what_is_remembered_is_bounded_and_a_flood_makes_only_its_own_forgotten() -> None:
    proposals = Proposals()
    proposals.propose("bob@localhost/r", ECHO, "1", 0.0, refusal=None, wants_pin=False)
    for number in range(MAX_REMEMBERED + 1):
        proposals.propose(CALLER, ECHO, str(number), 0.0, refusal=None, wants_pin=False)
    assert proposals.knows("bob@localhost/r", "1") and proposals.knows(CALLER, str(MAX_REMEMBERED))
    assert not proposals.knows(CALLER, str(MAX_REMEMBERED - MAX_REMEMBERED_EACH))
    for number in range(MAX_REMEMBERED):
        proposals.propose(f"{number}@localhost/r", ECHO, "1", 0.0, refusal=None, wants_pin=False)
    assert not proposals.knows("bob@localhost/r", "1")


def test_what_rings_is_refused_when_the_pin_is_not_known() -> None:
    proposals = Proposals()
    for caller in (CALLER, "bob@localhost/r"):
        proposals.propose(caller, ROOM, "1", 0.0, refusal=None, wants_pin=True)
    (answer,) = proposals.locked(CALLER, WRONG_PIN)
    found = parse_invitation(answer)
    assert found is not None and (found.step, found.reason) == (Step.REJECT, WRONG_PIN)
    assert not proposals.locked(CALLER, WRONG_PIN) and not proposals.unlocked(CALLER, 1.0)
    assert steps(proposals.unlocked("bob@localhost/r", 1.0)) == [Step.PROCEED]


def test_the_capabilities_in_presence_are_those_that_discovery_tells() -> None:
    info = discovery.answer(ECHO.full, "", ECHO)
    assert features_of(info) >= {"urn:xmpp:jingle:apps:rtp:1", "urn:xmpp:jingle-message:0"}
    caps = discovery.shown(ECHO, CALLER).find(f"{{{CAPS}}}c")
    assert caps is not None and caps.get("ver") == verification_string(info)
    named = discovery.answer(ECHO.full, f"{caps.get('node')}#{caps.get('ver')}", ECHO)
    assert features_of(named) == features_of(info)
    with pytest.raises(StanzaError, match="item-not-found"):
        discovery.answer(ECHO.full, "another", ECHO)


@pytest.mark.parametrize(
    ("to", "identity"),
    [
        (ECHO.full, ("client", "bot")),
        (ECHO.jid, ("account", "registered")),
        ("calls.localhost", ("component", "generic")),
    ],
)
def test_identities(to: str, identity: tuple[str, str]) -> None:
    found = discovery.answer(to, "", callee(to)).find(f"{{{DISCO_INFO}}}identity")
    assert found is not None and (found.get("category"), found.get("type")) == identity


@pytest.mark.parametrize(
    ("said", "pin"), [("pin 1234", "1234"), (" PIN  12 ", "12"), ("pin", None), ("hi", None)]
)
def test_a_pin_in_a_message(said: str, pin: str | None) -> None:
    assert words.pin_in(said) == pin
    assert not words.is_help(said) and words.is_help("Help")
    assert "pin" in words.help_of(ROOM) and "pin" not in words.help_of(ECHO)
