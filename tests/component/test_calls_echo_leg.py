"""The echo test's endpoints at the bridge: what is asked of it, and what follows from its answers."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from component.calls import reasons
from component.calls.answer import Downlinks
from component.calls.echo import EchoLeg
from component.calls.offer import judge
from component.focus.bridge_pool import BridgePool
from component.focus.effects import AskBridge, BridgeAnswer, BridgeUnreachable
from component.focus.outbox import Outbox
from jingle.colibri2 import Colibri2Error, ConferenceModified, Endpoint, Media, MediaSource, Transport
from jingle.content import Reason
from jingle.element import Jingle
from jingle.ice import IceTransport
from jingle.sources import Source
from tests.component.call_under_test import DINO, STANZA_JS
from tests.component.focus_room import BRIDGE, bridge_transport


class Ears:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.downlinks: Downlinks = {}
        self.without: list[tuple[str, Reason]] = []
        self.restarts: list[IceTransport | None] = []
        self.lost_by: list[Reason] = []
        self.told: list[str] = []

    def reached(self, downlinks: Downlinks, now: float) -> None:
        self.downlinks = {**self.downlinks, **downlinks}

    def unreachable(self, media: str, reason: Reason, now: float) -> None:
        self.without.append((media, reason))

    def restarted(self, transport: IceTransport | None, now: float) -> None:
        self.restarts.append(transport)

    def pictured(self, shown: bool, now: float) -> None:
        raise AssertionError("there is always a picture of oneself")

    def lost(self, reason: Reason, now: float) -> None:
        self.lost_by.append(reason)

    def tell(self, words: str) -> None:
        self.told.append(words)


class Echo:
    """A leg, its bridge, and everything asked of it."""

    def __init__(self, initiate: Jingle = STANZA_JS, *, media: int = 2) -> None:
        self.outbox, self.ears = Outbox(), Ears()
        ssrcs = count(1000)
        self.bridges = BridgePool({BRIDGE: "bridge"})
        self.leg = EchoLeg(
            self.outbox, "ab12", "meeting", lambda: next(ssrcs), self.ears, bridges=self.bridges
        )
        self.asked: list[AskBridge] = []
        self.offer = judge(initiate)
        self.leg.begin(self.offer.contents[:media], bundled=self.offer.bundled, now=0.0)
        self.collect()

    def collect(self) -> None:
        for effect in self.outbox.take():
            assert isinstance(effect, AskBridge)
            self.asked.append(effect)

    def endpoint(self, index: int = -1) -> Endpoint:
        return self.asked[index].request.endpoints[0]

    def answer(self, answer: BridgeAnswer | None = None, index: int = -1) -> None:
        """Answer a request: as a bridge that does what it is asked, unless told otherwise."""
        asked = self.endpoint(index)
        down = tuple(
            MediaSource(f"{asked.id}-{media}-down", media, (Source(ssrc),))
            for media, ssrc in (("audio", 7), ("video", 8))
        )
        restart = asked.transport is not None and asked.transport.ice_restart
        made = asked.create or restart
        ice = bridge_transport(f"{asked.id}{'-fresh' if restart else ''}")
        done = Endpoint(
            asked.id,
            transport=Transport(ice=ice) if made else None,
            sources=down if asked.create else None,
        )
        self.asked[index].done(ConferenceModified((done,)) if answer is None else answer, 0.0)
        self.collect()


def test_a_bundle_is_one_endpoint_and_what_is_added_to_it_has_the_ssrcs_of_the_beginning() -> None:
    test = Echo(media=1)
    test.answer()
    assert test.endpoint().create and set(test.ears.downlinks) == {"audio"}
    test.leg.add(test.offer.contents[1], 0.0)
    test.collect()
    update = test.endpoint()
    assert not update.create and [one.type for one in update.media] == ["audio", "video"]
    assert [one.id for one in update.sources or ()] == ["ab12-a0", "ab12-v0"]
    test.answer()
    video = test.ears.downlinks["video"]
    assert [one.ssrc for one in video.sources] == [8] and video.transport.ufrag == "ufragab12"


def test_without_bundle_what_is_added_is_an_endpoint_that_ends_with_it() -> None:
    test = Echo(DINO, media=1)
    test.answer()
    test.leg.add(test.offer.contents[1], 0.0)
    test.collect()
    assert test.endpoint().create and test.endpoint().id == "ab12-video"
    test.answer()
    assert test.ears.downlinks["video"].transport.ufrag == "ufragab12-video"
    test.leg.remove("video", 0.0)
    test.collect()
    assert test.endpoint().expire and test.endpoint().id == "ab12-video"


def test_what_is_removed_from_a_bundle_goes_nowhere_and_keeps_its_ssrc() -> None:
    test = Echo()
    test.answer()
    announced = {one.id: one.sources for one in test.endpoint().sources or ()}
    test.leg.remove("video", 0.0)
    test.collect()
    update = test.endpoint()
    assert update.media[1] == Media("video") and [one.type for one in update.sources or ()] == ["audio"]
    test.leg.add(test.offer.contents[1], 0.0)
    test.collect()
    assert {one.id: one.sources for one in test.endpoint().sources or ()} == announced


def test_what_is_not_wanted_is_not_sent() -> None:
    test = Echo()
    test.answer()
    for unwanted, empty in ((frozenset({"video"}), [False, True]), (frozenset(), [False, False])):
        test.leg.show(frozenset(), unwanted)
        test.collect()
        assert [one == Media(one.type) for one in test.endpoint().media] == empty
    test.leg.show(frozenset({"audio"}), frozenset())
    assert not test.outbox.take()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (BridgeUnreachable("gone"), reasons.UNREACHABLE),
        (Colibri2Error("graceful_shutdown"), reasons.BRIDGE_FULL),
        (ConferenceModified((Endpoint("ab12"),)), reasons.UNREACHABLE),
    ],
)
def test_a_bridge_that_does_not_have_it(answer: BridgeAnswer, reason: Reason) -> None:
    test = Echo()
    test.answer(answer)
    assert test.ears.lost_by == [reason]
    later = Echo(DINO, media=1)
    later.answer()
    later.leg.add(later.offer.contents[1], 0.0)
    later.collect()
    later.answer(answer)
    assert not later.ears.lost_by and later.ears.without == [("video", reason)]


def test_ice_is_restarted_at_the_bridge_first() -> None:
    test = Echo()
    test.answer()
    own = replace(test.offer.contents[0].transport, ufrag="new", pwd="secret")
    test.leg.restart(own, 0.0)
    test.collect()
    asked = test.endpoint().transport
    assert asked is not None and asked.ice_restart and asked.ice is None
    test.answer()
    told = test.endpoint().transport
    assert told is not None and told.ice == own
    assert [one.ufrag for one in test.ears.restarts if one is not None] == ["ufragab12-fresh"]
    test.leg.restart(own, 0.0)
    test.collect()
    test.answer(Colibri2Error("unspecified"))
    assert test.ears.restarts[-1] is None


def test_an_endpoint_that_the_bridge_gave_up_ends_the_call() -> None:
    test = Echo()
    test.answer()
    test.leg.check(0.0)
    test.collect()
    test.answer()
    assert not test.ears.lost_by
    test.leg.check(0.0)
    test.collect()
    test.answer(Colibri2Error("unknown_endpoint"))
    assert test.ears.lost_by == [reasons.GONE]


def test_words_come_back() -> None:
    test = Echo()
    test.leg.say("hello")
    assert test.ears.told == ["hello"]


def test_the_end_of_the_call_is_the_end_of_the_conference() -> None:
    test = Echo()
    test.leg.end()
    test.leg.end()
    test.collect()
    assert [one.request.expire for one in test.asked] == [False, True]
