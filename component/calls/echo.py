"""The echo test: a conference at the bridge whose endpoint gets its own media back (Colibri2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final
from xml.etree.ElementTree import Element

from component.calls.endpoint import CAPABILITIES, announced, downlink, endpoint_id
from component.calls.leg import LegListener
from component.calls.offer import OfferedContent
from component.calls.reasons import BRIDGE_FULL, GONE, INTERRUPTED, UNREACHABLE
from component.calls.records import EchoRecord, LegRecord
from component.focus import single_stream
from component.focus.bridge_health import Health
from component.focus.bridge_pool import BridgePool
from component.focus.effects import BridgeAnswer
from component.focus.outbox import Outbox
from jingle.colibri2 import Colibri2Error, ConferenceModified, ConferenceModify, Endpoint, Media, Transport
from jingle.content import Reason
from jingle.ice import IceTransport

ECHO: Final = "echo"
"""The capability of an endpoint that gets its own media back."""
_LOST: Final = frozenset({"unknown_endpoint", "conference_not_found"})


class EchoLeg:
    """Implements `Leg` with a conference of its own at the bridge."""

    def __init__(
        self,
        outbox: Outbox,
        leg: str,
        meeting_id: str,
        new_ssrc: Callable[[], int],
        listener: LegListener,
        *,
        bridges: BridgePool,
    ) -> None:
        self._outbox = outbox
        self._bridges = bridges
        self._bridge = bridges.choose(meeting_id, "") or bridges.urls[0]
        self._epoch = bridges.epoch(self._bridge)
        self._leg = leg
        self._meeting_id = meeting_id
        self._new_ssrc = new_ssrc
        self._listener = listener
        self._bundled = False
        self._created = self._ended = False
        self._carried: dict[str, dict[str, OfferedContent]] = {}
        """By endpoint and media."""
        self._answers: dict[str, Endpoint] = {}
        """What the bridge answered to each create: where it is reached, and what it sends, for ever."""
        self._ssrcs: dict[str, int] = {}
        """What is announced as the caller's, by media."""
        self._unwanted: frozenset[str] = frozenset()

    def begin(self, contents: tuple[OfferedContent, ...], *, bundled: bool, now: float) -> None:
        """See Leg.begin."""
        self._bundled = bundled
        for carried in [contents] if bundled else [(content,) for content in contents]:
            self._allocate(carried)

    def add(self, content: OfferedContent, now: float) -> None:
        """See Leg.add."""
        name = self._endpoint(content.kind)
        if name not in self._carried:
            self._allocate((content,))
            return
        self._carried[name][content.kind] = content
        self._update(name, partial(self._carries, name, (content,)))

    def remove(self, media: str, now: float) -> None:
        """See Leg.remove."""
        name = self._endpoint(media)
        self._carried.setdefault(name, {}).pop(media, None)
        if self._carried[name]:
            self._update(name, self._noted)
            return
        del self._carried[name]
        self._ask(Endpoint(name, expire=True), self._noted)

    def show(self, muted: frozenset[str], unwanted: frozenset[str]) -> None:
        """See Leg.show: nobody looks on, but nothing is sent that is not wanted."""
        if unwanted != self._unwanted:
            self._unwanted = unwanted
            for name in self._carried:
                self._update(name, self._noted)

    def restart(self, transport: IceTransport, now: float) -> None:
        """See Leg.restart."""
        self._ask(Endpoint(self._leg, transport=Transport(ice_restart=True)), partial(self._fresh, transport))

    def say(self, words: str) -> None:
        """See Leg.say: the echo test echoes."""
        self._listener.tell(words)

    def check(self, now: float) -> None:
        """See Leg.check."""
        for name in self._carried:
            self._ask(Endpoint(name, transport=Transport()), self._checked)

    def bridges_changed(self, now: float) -> None:
        """See Leg.bridges_changed. A caller cannot be given another transport within its session."""
        if not self._created or self._ended:
            return
        if self._bridges.health(self._bridge) is Health.DOWN:
            self._listener.lost(INTERRUPTED, now)
        elif self._epoch != self._bridges.epoch(self._bridge):
            self._epoch = self._bridges.epoch(self._bridge)
            self.check(now)

    def record(self) -> LegRecord:
        """See Leg.record."""
        return LegRecord(
            echo=EchoRecord(
                self._leg,
                self._meeting_id,
                self._bridge,
                self._bundled,
                self._created,
                {name: dict(carried) for name, carried in self._carried.items()},
                dict(self._answers),
                dict(self._ssrcs),
                self._unwanted,
            )
        )

    def restore(self, record: EchoRecord) -> None:
        """Be the leg that another process has left."""
        self._bridge, self._epoch = record.bridge, self._bridges.epoch(record.bridge)
        self._bundled = record.bundled
        self._created = record.created
        self._carried = {name: dict(carried) for name, carried in record.carried.items()}
        self._answers = dict(record.answers)
        self._ssrcs = dict(record.ssrcs)
        self._unwanted = record.unwanted

    def resume(self, now: float) -> None:
        """See Leg.resume: the bridge is told anew what it carries, and says whether it does."""
        if self._bridge not in self._bridges.urls:
            self._listener.lost(INTERRUPTED, now)
            return
        for name in self._carried:
            self._update(name, self._checked)

    def ask_again(self, request: Element) -> None:
        """See Leg.ask_again: there is nobody but the bridge."""

    def end(self) -> None:
        """See Leg.end."""
        if self._created and not self._ended:
            self._ended = True
            request = ConferenceModify(self._meeting_id, expire=True)
            self._outbox.ask_bridge(self._bridge, request, self._noted)

    def _endpoint(self, media: str) -> str:
        return endpoint_id(self._leg, media, bundled=self._bundled)

    def _allocate(self, contents: tuple[OfferedContent, ...]) -> None:
        name = self._endpoint(contents[0].kind)
        self._carried[name] = {content.kind: content for content in contents}
        endpoint = Endpoint(
            name,
            create=True,
            capabilities=(*CAPABILITIES, ECHO),
            media=tuple(content.media for content in contents),
            transport=Transport(ice_controlling=False, ice=contents[0].transport),
            sources=tuple(announced(self._leg, one.kind, self._ssrc(one.kind)) for one in contents),
        )
        request = ConferenceModify(
            self._meeting_id, name=ECHO, create=not self._created, endpoints=(endpoint,)
        )
        self._created = True
        self._outbox.ask_bridge(self._bridge, request, partial(self._carries, name, contents))

    def _update(self, name: str, done: Callable[[BridgeAnswer, float], None]) -> None:
        """Tell the bridge anew what it carries. A medium without payload types goes nowhere."""
        carried = self._carried[name]
        wanted = {media: one.media for media, one in carried.items() if media not in self._unwanted}
        sources = tuple(announced(self._leg, media, self._ssrc(media)) for media in carried)
        known = [media for media in self._ssrcs if self._endpoint(media) == name]
        endpoint = Endpoint(
            name, media=tuple(wanted.get(media, Media(media)) for media in known), sources=sources
        )
        self._ask(endpoint, done)

    def _ask(self, endpoint: Endpoint, done: Callable[[BridgeAnswer, float], None]) -> None:
        request = ConferenceModify(self._meeting_id, endpoints=(endpoint,))
        self._outbox.ask_bridge(self._bridge, request, done)

    def _ssrc(self, media: str) -> int:
        if media not in self._ssrcs:
            self._ssrcs[media] = self._new_ssrc()
        return self._ssrcs[media]

    def _carries(
        self, name: str, contents: tuple[OfferedContent, ...], answer: BridgeAnswer, now: float
    ) -> None:
        """The answer to a create, or about a content that was added."""
        made = next(
            (one for one in getattr(answer, "endpoints", ()) if one.id == name and one.transport), None
        )
        if made is not None:
            self._answers.setdefault(name, made)
        known = self._answers.get(name)
        ice = single_stream.ice_of(known)
        if isinstance(answer, ConferenceModified) and known is not None and ice is not None:
            self._listener.reached({one.kind: downlink(one.kind, ice, known) for one in contents}, now)
        elif self._answers:
            for content in contents:
                self._carried.get(name, {}).pop(content.kind, None)
                self._listener.unreachable(content.kind, _reason(answer), now)
        else:
            self._listener.lost(_reason(answer), now)

    def _fresh(self, transport: IceTransport, answer: BridgeAnswer, now: float) -> None:
        """The answer about a restart: the bridge's new credentials come before the caller's are told."""
        endpoints = answer.endpoints if isinstance(answer, ConferenceModified) else ()
        ice = single_stream.ice_of(next(iter(endpoints), None))
        if ice is not None:
            self._answers[self._leg] = replace(self._answers[self._leg], transport=Transport(ice=ice))
            self._ask(Endpoint(self._leg, transport=Transport(ice=transport)), self._noted)
        self._listener.restarted(ice, now)

    def _checked(self, answer: BridgeAnswer, now: float) -> None:
        if isinstance(answer, Colibri2Error) and answer.reason in _LOST:
            self._listener.lost(GONE, now)

    def _noted(self, answer: BridgeAnswer, now: float) -> None:
        """Nothing follows from it: a check finds out if something is lost."""


def _reason(answer: BridgeAnswer) -> Reason:
    return (
        BRIDGE_FULL
        if isinstance(answer, Colibri2Error) and answer.reason == "graceful_shutdown"
        else UNREACHABLE
    )
