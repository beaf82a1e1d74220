"""The Jingle session with a caller, from its session-initiate to its end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from component.calls.alive import PING_INTERVAL_S
from component.calls.call import SETUP_TIMEOUT_S
from component.focus.effects import PeerAnswer
from component.stanza_error import StanzaError
from jingle.content import Action, Content, Reason, SessionInfo
from jingle.errors import JingleError
from tests.component.call_under_test import (
    DINO_AUDIO,
    STANZA_JS,
    CallUnderTest,
    downlink,
)
from tests.component.focus_room import recorded_jingle

DINO_FOLDER = "captures/plain-clients/dino-audio-mute-content-add"


def test_it_is_accepted_once_all_contents_are_reached() -> None:
    test = CallUnderTest(reached=False)
    assert not test.asked
    test.leg.listener.reached({"audio": downlink("audio")}, test.now)
    test.collect()
    assert not test.asked
    test.leg.listener.reached({"video": downlink("video")}, test.now)
    test.collect()
    assert [one.name for one in test.of(Action.SESSION_ACCEPT)[0].contents] == ["0", "1"]


def test_the_caller_hangs_up() -> None:
    test = CallUnderTest()
    test.receive(Action.SESSION_TERMINATE, reason=Reason("success"))
    assert test.over and test.leg.ended
    assert not test.of(Action.SESSION_TERMINATE)
    with pytest.raises(JingleError) as error:
        test.receive(Action.SESSION_INFO)
    assert error.value.app == "unknown-session"


def test_a_second_session_initiate_with_the_same_sid_harms_nothing() -> None:
    test = CallUnderTest()
    with pytest.raises(JingleError) as error:
        test.receive_jingle(STANZA_JS)
    assert error.value.app == "out-of-order"
    assert not test.over and len(test.of(Action.SESSION_ACCEPT)) == 1


def test_a_far_side_that_does_not_answer_ends_the_call_in_words() -> None:
    test = CallUnderTest(reached=False)
    assert test.call.next_time() == test.now + SETUP_TIMEOUT_S
    test.later(SETUP_TIMEOUT_S)
    reason = test.of(Action.SESSION_TERMINATE)[0].reason
    assert reason is not None and reason.condition == "timeout" and reason.text
    assert test.over and test.call.next_time() is None


def test_the_recorded_mute_of_dino() -> None:
    test = CallUnderTest(DINO_AUDIO)
    assert test.leg.muted[-1] == {"video"}
    test.receive_jingle(recorded_jingle("0007-dino-to-component-session-info-mute.xml", DINO_FOLDER))
    assert test.leg.muted[-1] == {"audio", "video"}
    test.receive_jingle(recorded_jingle("0008-dino-to-component-session-info-unmute.xml", DINO_FOLDER))
    assert test.leg.muted[-1] == {"video"}


def test_hold_mutes_all_and_active_ends_it() -> None:
    test = CallUnderTest()
    test.receive(Action.SESSION_INFO, info=SessionInfo("mute", "1", "initiator"))
    test.receive(Action.SESSION_INFO, info=SessionInfo("hold"))
    assert test.leg.muted[-1] == {"audio", "video"}
    test.receive(Action.SESSION_INFO, info=SessionInfo("active"))
    assert test.leg.muted[-1] == {"video"}


def test_the_recorded_content_add_of_dino_is_accepted_when_the_leg_has_it() -> None:
    test = CallUnderTest(DINO_AUDIO)
    add = recorded_jingle("0009-dino-to-component-content-add.xml", DINO_FOLDER)
    test.receive_jingle(add)
    assert not test.of(Action.CONTENT_ACCEPT)
    test.leg.listener.reached({"video": downlink("video")}, test.now)
    test.collect()
    accepted = test.of(Action.CONTENT_ACCEPT)[0].contents
    assert [(one.name, one.senders) for one in accepted] == [("video", "initiator")]
    assert test.leg.muted[-1] == frozenset()


def test_a_content_that_cannot_be_added_is_rejected() -> None:
    test = CallUnderTest(DINO_AUDIO)
    test.receive_jingle(recorded_jingle("0009-dino-to-component-content-add.xml", DINO_FOLDER))
    test.leg.listener.unreachable("video", Reason("unsupported-applications", "no"), test.now)
    test.collect()
    assert [one.name for one in test.of(Action.CONTENT_REJECT)[0].contents] == ["video"]
    test.receive(Action.CONTENT_ADD, contents=(replace(STANZA_JS.contents[0], name="more"),))
    assert [one.name for one in test.of(Action.CONTENT_REJECT)[1].contents] == ["more"]
    test.receive(Action.CONTENT_ADD, contents=(Content("strange"),))
    assert len(test.of(Action.CONTENT_REJECT)) == 3
    assert not test.over


def test_contents_come_and_go() -> None:
    test = CallUnderTest()
    test.receive(Action.CONTENT_MODIFY, contents=(Content("1", senders="responder"),))
    assert test.leg.muted[-1] == {"video"}
    test.receive(Action.CONTENT_MODIFY, contents=(Content("1", senders="both"),))
    assert test.leg.muted[-1] == frozenset()
    test.receive(Action.CONTENT_REMOVE, contents=(Content("1"),))
    assert test.leg.muted[-1] == {"video"}
    test.receive(Action.CONTENT_REMOVE, contents=(Content("0"),))
    assert test.over and test.of(Action.SESSION_TERMINATE)


def test_what_is_not_for_a_call_has_an_error() -> None:
    test = CallUnderTest()
    with pytest.raises(JingleError) as error:
        test.receive(Action.CONTENT_ACCEPT, contents=(Content("0"),))
    assert error.value.app == "out-of-order"
    with pytest.raises(StanzaError, match="feature-not-implemented"):
        test.receive(Action.SOURCE_ADD)
    with pytest.raises(StanzaError, match="bad-request"):
        test.receive(Action.TRANSPORT_INFO)
    test.receive(Action.TRANSPORT_INFO, contents=(STANZA_JS.contents[0],))
    test.receive(Action.TRANSPORT_REPLACE, contents=(STANZA_JS.contents[0],))
    assert test.of(Action.TRANSPORT_REJECT)
    assert not test.over


@pytest.mark.parametrize(
    ("answers", "over"),
    [
        ((StanzaError("item-not-found"),), True),
        ((StanzaError("service-unavailable"),), True),
        ((StanzaError("feature-not-implemented"),), False),
        ((StanzaError("unexpected-request"),) * 3, False),
        ((StanzaError("remote-server-timeout"),), False),
        ((StanzaError("remote-server-timeout"),) * 2, True),
        ((None,), False),
        ((None, StanzaError("feature-not-implemented"), None), False),
        ((None, None), True),
    ],
)
def test_a_caller_that_is_gone_is_noticed(answers: tuple[PeerAnswer, ...], over: bool) -> None:
    test = CallUnderTest()
    for number, answer in enumerate(answers, 1):
        test.later(PING_INTERVAL_S)
        assert test.asked[-1][0].action is Action.SESSION_INFO
        assert test.leg.checks == number
        test.answer(answer)
    assert test.over is over
    assert test.leg.ended is over


def test_a_refused_accept_ends_the_call() -> None:
    test = CallUnderTest()
    test.answer(StanzaError("bad-request"))
    assert test.over
