"""A call's core under test: recorded requests in, effects out; a leg that remembers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from carillon.settings import Settings, parse
from component.calls.answer import Downlink
from component.calls.call import Call
from component.calls.leg import LegListener
from component.calls.offer import OfferedContent, judge
from component.calls.records import EchoRecord, LegRecord
from component.focus.effects import AskPeer, Effect, Ended, PeerAnswer, Send
from component.focus.outbox import Outbox
from jingle.content import Action
from jingle.element import JINGLE_TAG, Jingle, parse_jingle
from jingle.ice import IceTransport
from jingle.sources import Source
from tests.component.focus_room import bridge_transport, recorded_jingle

STANZA_JS = recorded_jingle(
    "0005-stanzajs-to-component-session-initiate.xml", "captures/plain-clients/stanzajs-calls-echo"
)
DINO = recorded_jingle(
    "0004-dino-to-component-session-initiate.xml", "captures/plain-clients/dino-audio-video"
)
DINO_AUDIO = recorded_jingle(
    "0005-dino-to-component-session-initiate.xml", "captures/plain-clients/dino-audio-mute-content-add"
)
GAJIM = recorded_jingle(
    "0002-gajim-to-component-session-initiate.xml", "captures/plain-clients/gajim-calls-echo"
)
CALLER = "alice@localhost/caller"


def call_settings(text: str = "") -> Settings:
    """The reference settings with changes."""
    return parse(text, Path("/nowhere/carillon.toml"))


@dataclass
class Remembering:
    """A leg that does nothing."""

    listener: LegListener
    begun: list[tuple[OfferedContent, ...]] = field(default_factory=list)
    bundled: bool | None = None
    added: list[OfferedContent] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    muted: list[frozenset[str]] = field(default_factory=list)
    unwanted: list[frozenset[str]] = field(default_factory=list)
    restarts: list[IceTransport] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    checks: int = 0
    resumed: int = 0
    asked_again: list[Element] = field(default_factory=list)
    ended: bool = False

    def begin(self, contents: tuple[OfferedContent, ...], *, bundled: bool, now: float) -> None:
        self.begun.append(contents)
        self.bundled = bundled

    def add(self, content: OfferedContent, now: float) -> None:
        self.added.append(content)

    def remove(self, media: str, now: float) -> None:
        self.removed.append(media)

    def show(self, muted: frozenset[str], unwanted: frozenset[str]) -> None:
        self.muted.append(muted)
        self.unwanted.append(unwanted)

    def restart(self, transport: IceTransport, now: float) -> None:
        self.restarts.append(transport)

    def say(self, words: str) -> None:
        self.said.append(words)

    def check(self, now: float) -> None:
        self.checks += 1

    def bridges_changed(self, now: float) -> None:
        pass

    def record(self) -> LegRecord:
        return LegRecord(echo=EchoRecord("leg", "meeting", "http://bridge"))

    def resume(self, now: float) -> None:
        self.resumed += 1

    def ask_again(self, request: Element) -> None:
        self.asked_again.append(request)

    def end(self) -> None:
        self.ended = True


def downlink(media: str, name: str = "x") -> Downlink:
    """What a bridge would give."""
    ssrcs = {"audio": (7,), "video": (8, 9)}[media]
    return Downlink(bridge_transport(name), tuple(Source(ssrc) for ssrc in ssrcs))


class CallUnderTest:
    """One call, its time, and everything it has sent."""

    def __init__(self, initiate: Jingle = STANZA_JS, *, reached: bool = True) -> None:
        self.now = 100.0
        self.outbox = Outbox()
        self.call = Call(
            initiate,
            judge(initiate),
            caller=CALLER,
            own_jid="echo@calls.localhost/bridge",
            outbox=self.outbox,
            now=self.now,
        )
        self.asked: list[tuple[Jingle, AskPeer]] = []
        self.sent: list[Element] = []
        self.over = False
        self.sid = initiate.sid
        self.legs: list[Remembering] = []
        self.call.begin(self._leg, self.now)
        if reached:
            self.leg.listener.reached({one.kind: downlink(one.kind) for one in self.leg.begun[0]}, self.now)
        self.collect()

    def _leg(self, listener: LegListener) -> Remembering:
        self.legs.append(Remembering(listener))
        return self.legs[-1]

    @property
    def leg(self) -> Remembering:
        return self.legs[-1]

    def receive(self, action: Action, **parts: Any) -> None:
        self.receive_jingle(Jingle(action, self.sid, **parts))

    def receive_jingle(self, jingle: Jingle) -> None:
        try:
            self.call.received(jingle, self.now)
        finally:
            self.collect()

    def later(self, seconds: float) -> None:
        self.now += seconds
        self.call.tick(self.now)
        self.collect()

    def answer(self, answer: PeerAnswer) -> None:
        """Answer the last request."""
        self.asked[-1][1].done(answer, self.now)
        self.collect()

    def collect(self) -> None:
        for effect in self.outbox.take():
            self._take(effect)

    def _take(self, effect: Effect) -> None:
        match effect:
            case AskPeer():
                payload = effect.iq.find(JINGLE_TAG)
                assert payload is not None
                self.asked.append((parse_jingle(payload), effect))
            case Send():
                self.sent.append(effect.stanza)
            case Ended():
                self.over = True

    def of(self, action: Action) -> list[Jingle]:
        return [jingle for jingle, _ in self.asked if jingle.action is action]
