"""A call and what may happen to it, in any order: only declared errors, one answer each, one end."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from component.calls import reasons
from component.stanza_error import StanzaError
from jingle.content import Action, Content, SessionInfo
from jingle.element import INFO_KINDS, Jingle
from jingle.errors import JingleError
from jingle.ice import IceTransport
from tests.component.call_under_test import DINO, STANZA_JS, CallUnderTest, downlink
from tests.component.focus_room import bridge_transport

NAMES = st.sampled_from(["0", "1", "audio", "video", "more", "nothing"])
OFFERED = st.sampled_from([*STANZA_JS.contents, *DINO.contents])
TRANSPORTS = st.builds(IceTransport, st.sampled_from(["", "a", "b"]), st.sampled_from(["", "c"]))
CONTENTS = st.one_of(
    st.builds(
        Content,
        NAMES,
        senders=st.sampled_from(["", "both", "initiator", "responder", "none"]),
        transport=st.none() | TRANSPORTS,
    ),
    st.builds(lambda content, name: replace(content, name=name), OFFERED, NAMES),
    OFFERED,
)
REQUESTS = st.builds(
    Jingle,
    st.sampled_from(sorted(set(Action) - {Action.SESSION_TERMINATE}, key=lambda one: one.value)),
    st.just(STANZA_JS.sid),
    contents=st.lists(CONTENTS, max_size=3).map(tuple),
    info=st.none() | st.builds(SessionInfo, st.sampled_from(sorted(INFO_KINDS)), st.just("") | NAMES),
)
MEDIA = st.sampled_from(["audio", "video"])
EVENTS = st.one_of(
    REQUESTS.map(lambda jingle: ("received", jingle)),
    MEDIA.map(lambda media: ("reached", media)),
    MEDIA.map(lambda media: ("unreachable", media)),
    st.booleans().map(lambda shown: ("pictured", shown)),
    st.booleans().map(lambda possible: ("restarted", possible)),
    st.floats(0.1, 40).map(lambda seconds: ("later", seconds)),
    st.just(("lost", None)),
)


def happen(test: CallUnderTest, event: str, value: Any) -> None:
    """One event; the errors of the protocol are answers."""
    ears = test.leg.listener
    match event:
        case "received":
            with suppress(JingleError, StanzaError):
                test.receive_jingle(value)
        case "reached":
            ears.reached({value: downlink(value)}, test.now)
        case "unreachable":
            ears.unreachable(value, reasons.NOT_ADDED, test.now)
        case "pictured":
            ears.pictured(value, test.now)
        case "restarted":
            ears.restarted(bridge_transport("x") if value else None, test.now)
        case "lost":
            ears.lost(reasons.GONE, test.now)
        case "later":
            test.later(value)
    test.collect()


@given(st.sampled_from([STANZA_JS, DINO]), st.lists(EVENTS, max_size=25))
def test_whatever_happens(initiate: Jingle, events: list[tuple[str, Any]]) -> None:
    test = CallUnderTest(replace(initiate, sid=STANZA_JS.sid), reached=False)
    for event, value in events:
        happen(test, event, value)
        assert test.over is test.call.over
        if test.over:
            assert test.leg.ended and test.call.next_time() is None
    assert len(test.of(Action.SESSION_ACCEPT)) <= 1
    assert len(test.of(Action.SESSION_TERMINATE)) == (1 if test.over else 0)
    if test.over:
        assert test.asked[-1][0].action is Action.SESSION_TERMINATE, "nothing is said after the end"
    added = sum(len(jingle.contents) for jingle in test.of(Action.CONTENT_ACCEPT))
    assert added <= len(test.leg.added)
