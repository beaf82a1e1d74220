"""What changes within a call: contents, who sends, ICE restarts, whether there is a picture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from component.calls import reasons
from component.calls.restart import INTERVAL_S, PER_MINUTE
from component.stanza_error import StanzaError
from jingle.content import Action, Content, Reason, SessionInfo
from jingle.element import Jingle
from jingle.ice import Fingerprint, IceTransport
from tests.component.call_under_test import DINO, DINO_AUDIO, STANZA_JS, CallUnderTest, downlink
from tests.component.focus_room import bridge_transport

AUDIO_ONLY = replace(STANZA_JS, contents=STANZA_JS.contents[:1])
VIDEO = STANZA_JS.contents[1]


def refusal(test: CallUnderTest, action: Action, **parts: Any) -> str:
    with pytest.raises(StanzaError) as error:
        test.receive(action, **parts)
    return error.value.condition


def test_every_reason_is_told_in_words() -> None:
    told = [one for one in vars(reasons).values() if isinstance(one, Reason)]
    assert len(told) > 25
    assert all(one.text.endswith(".") and one.condition for one in told)


# Contents


def test_what_is_added_to_a_bundle_is_answered_with_the_transport_of_the_bundle() -> None:
    test = CallUnderTest(AUDIO_ONLY)
    test.receive(Action.CONTENT_ADD, contents=(VIDEO,))
    assert [one.kind for one in test.leg.added] == ["video"]
    test.leg.listener.reached({"video": downlink("video")}, test.now)
    test.collect()
    (accepted,) = test.of(Action.CONTENT_ACCEPT)[0].contents
    first = test.of(Action.SESSION_ACCEPT)[0].contents[0]
    assert accepted.name == VIDEO.name and accepted.transport == first.transport
    assert test.leg.muted[-1] == frozenset()


def test_what_is_added_beside_the_bundle_is_rejected_in_words() -> None:
    test = CallUnderTest(AUDIO_ONLY)
    transport = replace(VIDEO.transport or IceTransport(), ufrag="another")
    test.receive(Action.CONTENT_ADD, contents=(replace(VIDEO, transport=transport),))
    (reject,) = test.of(Action.CONTENT_REJECT)
    assert reject.reason == reasons.OUTSIDE and not test.leg.added


def test_a_content_without_encryption_is_not_added() -> None:
    test = CallUnderTest(DINO_AUDIO)
    bare = replace(VIDEO, transport=IceTransport("u", "p"))
    test.receive(Action.CONTENT_ADD, contents=(bare,))
    (reject,) = test.of(Action.CONTENT_REJECT)
    assert reject.reason is not None and reject.reason.condition == "security-error"
    assert not test.over


def test_a_medium_is_added_once_at_a_time() -> None:
    test = CallUnderTest(AUDIO_ONLY)
    test.receive(Action.CONTENT_ADD, contents=(VIDEO,))
    test.receive(Action.CONTENT_ADD, contents=(replace(VIDEO, name="more"),))
    test.receive(Action.CONTENT_ADD, contents=(replace(VIDEO, name="0"),))
    assert len(test.leg.added) == 1
    assert [[one.name for one in reject.contents] for reject in test.of(Action.CONTENT_REJECT)] == [
        ["more"],
        ["0"],
    ]


def test_what_is_removed_can_come_again() -> None:
    test = CallUnderTest()
    test.receive(Action.CONTENT_REMOVE, contents=(Content("1"),))
    assert test.leg.removed == ["video"] and test.leg.muted[-1] == {"video"}
    test.receive(Action.CONTENT_ADD, contents=(VIDEO,))
    test.leg.listener.reached({"video": downlink("video")}, test.now)
    test.collect()
    again = test.of(Action.CONTENT_ACCEPT)[0].contents[0].description
    before = test.of(Action.SESSION_ACCEPT)[0].contents[1].description
    assert again is not None and before is not None and again.sources == before.sources


def test_contents_do_not_change_before_the_call_is_accepted() -> None:
    test = CallUnderTest(AUDIO_ONLY, reached=False)
    assert refusal(test, Action.CONTENT_ADD, contents=(VIDEO,)) == "resource-constraint"
    assert refusal(test, Action.CONTENT_REMOVE, contents=(Content("0"),)) == "resource-constraint"


@pytest.mark.parametrize(
    ("action", "parts"),
    [
        (Action.CONTENT_REMOVE, {"contents": (Content("nothing"),)}),
        (Action.CONTENT_MODIFY, {"contents": (Content("nothing", senders="both"),)}),
        (Action.SESSION_INFO, {"info": SessionInfo("mute", "nothing", "initiator")}),
    ],
)
def test_what_names_no_content_is_not_found(action: Action, parts: dict[str, Any]) -> None:
    test = CallUnderTest()
    assert refusal(test, action, **parts) == "item-not-found"
    assert not test.over


@pytest.mark.parametrize(
    ("senders", "muted", "unwanted"),
    [
        ("both", set(), set()),
        ("initiator", set(), {"video"}),
        ("responder", {"video"}, set()),
        ("none", {"video"}, {"video"}),
    ],
)
def test_who_sends_what(senders: str, muted: set[str], unwanted: set[str]) -> None:
    test = CallUnderTest()
    test.receive(Action.CONTENT_MODIFY, contents=(Content("1", senders=senders),))
    assert (set(test.leg.muted[-1]), set(test.leg.unwanted[-1])) == (muted, unwanted)


def test_clients_leave_out_that_both_send() -> None:
    test = CallUnderTest()
    test.receive(Action.CONTENT_MODIFY, contents=(Content("1", senders="initiator"),))
    test.receive(Action.CONTENT_MODIFY, contents=(Content("1"),))
    assert not test.leg.unwanted[-1] and not test.leg.muted[-1]


def test_hold_stops_both_directions_until_it_ends() -> None:
    test = CallUnderTest()
    everything, nothing = frozenset({"audio", "video"}), frozenset[str]()
    test.receive(Action.SESSION_INFO, info=SessionInfo("hold"))
    assert (test.leg.muted[-1], test.leg.unwanted[-1]) == (everything, everything)
    test.receive(Action.SESSION_INFO, info=SessionInfo("unhold"))
    assert (test.leg.muted[-1], test.leg.unwanted[-1]) == (nothing, nothing)


def test_one_of_two_transports_that_cannot_be_had_leaves_a_call_with_the_other() -> None:
    test = CallUnderTest(DINO, reached=False)
    test.leg.listener.reached({"audio": downlink("audio")}, test.now)
    test.leg.listener.unreachable("video", reasons.BRIDGE_FULL, test.now)
    test.collect()
    assert [one.name for one in test.of(Action.SESSION_ACCEPT)[0].contents] == ["audio"]
    assert test.of(Action.CONTENT_REMOVE)


# The picture


def told_pictures(test: CallUnderTest) -> list[tuple[str, str]]:
    infos = [one.info for one in test.of(Action.SESSION_INFO) if one.info is not None]
    return [(info.kind, info.name) for info in infos]


def test_the_caller_is_told_when_there_is_no_picture() -> None:
    test = CallUnderTest(reached=False)
    test.leg.listener.pictured(False, test.now)
    assert not told_pictures(test)
    test.leg.listener.reached({one.kind: downlink(one.kind) for one in test.leg.begun[0]}, test.now)
    for shown in (False, True, True, False):
        test.leg.listener.pictured(shown, test.now)
    test.collect()
    assert told_pictures(test) == [("mute", "1"), ("unmute", "1"), ("mute", "1")]


def test_a_caller_without_video_is_told_once_it_has_some() -> None:
    test = CallUnderTest(AUDIO_ONLY)
    test.leg.listener.pictured(False, test.now)
    test.collect()
    assert not told_pictures(test)
    test.receive(Action.CONTENT_ADD, contents=(VIDEO,))
    test.leg.listener.reached({"video": downlink("video")}, test.now)
    test.collect()
    assert told_pictures(test) == [("mute", VIDEO.name)]


# ICE restarts


def restart(ufrag: str = "new", **changes: Any) -> tuple[Content, ...]:
    """The contents of a caller's restart."""
    return tuple(
        Content(
            one.name,
            transport=replace(one.transport or IceTransport(), ufrag=ufrag, pwd="p" * 24, **changes),
        )
        for one in STANZA_JS.contents
    )


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (Action.TRANSPORT_INFO, Action.TRANSPORT_INFO),
        (Action.TRANSPORT_REPLACE, Action.TRANSPORT_ACCEPT),
    ],
)
def test_ice_is_restarted_within_the_call(asked: Action, answered: Action) -> None:
    test = CallUnderTest()
    test.receive(asked, contents=restart())
    (wanted,) = test.leg.restarts
    assert (wanted.ufrag, wanted.pwd) == ("new", "p" * 24) and wanted.fingerprints
    assert not test.of(answered)
    test.leg.listener.restarted(bridge_transport("fresh"), test.now)
    test.collect()
    (answer,) = test.of(answered)
    assert [one.name for one in answer.contents] == ["0", "1"]
    transports = [one.transport for one in answer.contents]
    assert all(one is not None and one.ufrag == "ufragfresh" and one.candidates for one in transports)
    test.receive(Action.TRANSPORT_INFO, contents=restart())
    assert len(test.leg.restarts) == 1, "the same again is nothing new"


def test_candidates_alone_restart_nothing() -> None:
    test = CallUnderTest()
    test.receive(Action.TRANSPORT_INFO, contents=STANZA_JS.contents)
    candidate = Content("0", transport=IceTransport(ufrag="fragment of a candidate"))
    test.receive(Action.TRANSPORT_INFO, contents=(candidate,))
    assert not test.leg.restarts


def test_a_restart_that_cannot_be_ends_the_call_or_is_rejected() -> None:
    test = CallUnderTest()
    test.receive(Action.TRANSPORT_REPLACE, contents=restart("one"))
    test.leg.listener.restarted(None, test.now)
    test.collect()
    assert test.of(Action.TRANSPORT_REJECT) and not test.over
    test.later(INTERVAL_S)
    test.receive(Action.TRANSPORT_INFO, contents=restart("two"))
    test.leg.listener.restarted(None, test.now)
    test.collect()
    assert test.of(Action.SESSION_TERMINATE)[0].reason == reasons.NO_RESTART


def test_restarts_have_a_rate() -> None:
    test = CallUnderTest()
    taken = 0
    for number in range(30):
        try:
            test.receive(Action.TRANSPORT_INFO, contents=restart(f"fragment{number}"))
        except StanzaError as error:
            assert error.condition == "resource-constraint"
        else:
            taken += 1
            test.leg.listener.restarted(bridge_transport("fresh"), test.now)
        test.now += 1
    assert taken == PER_MINUTE


def test_one_restart_at_a_time_and_none_before_the_accept() -> None:
    test = CallUnderTest()
    test.receive(Action.TRANSPORT_INFO, contents=restart("one"))
    test.now += 10
    assert refusal(test, Action.TRANSPORT_INFO, contents=restart("two")) == "resource-constraint"
    early = CallUnderTest(reached=False)
    assert refusal(early, Action.TRANSPORT_INFO, contents=restart()) == "resource-constraint"


def test_another_certificate_is_no_restart() -> None:
    test = CallUnderTest()
    other = (Fingerprint("sha-256", ":".join(["EE"] * 32)),)
    assert refusal(test, Action.TRANSPORT_INFO, contents=restart(fingerprints=other)) == "not-acceptable"


def test_what_has_a_transport_for_each_content_is_not_restarted() -> None:
    test = CallUnderTest(DINO)
    content = Content("audio", transport=IceTransport("new", "p" * 24))
    assert refusal(test, Action.TRANSPORT_INFO, contents=(content,)) == "feature-not-implemented"


def test_words_of_the_caller_go_to_the_leg_while_there_is_one() -> None:
    test = CallUnderTest()
    test.call.say("hello")
    assert test.leg.said == ["hello"]
    test.receive_jingle(Jingle(Action.SESSION_TERMINATE, test.sid, reason=Reason("success")))
    test.call.say("too late")
    assert test.leg.said == ["hello"]
