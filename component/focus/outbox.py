"""Where the parts of one conference put their effects, in the order in which the shell runs them."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element

from component.focus.effects import AskBridge, AskPeer, BridgeAnswer, Effect, PeerAnswer
from jingle.colibri2 import ConferenceModify


class Outbox:
    """The effects of one event."""

    def __init__(self) -> None:
        self._effects: list[Effect] = []

    def put(self, effect: Effect) -> None:
        """Add an effect."""
        self._effects.append(effect)

    def ask(self, iq: Element, done: Callable[[PeerAnswer, float], None], timeout_s: float = 15.0) -> None:
        """Send an IQ; its answer goes to `done`."""
        self.put(AskPeer(iq, done, timeout_s))

    def expect(self, iq: Element, done: Callable[[PeerAnswer, float], None], timeout_s: float) -> None:
        """An IQ was sent by a process before this one; its answer goes to `done`."""
        self.put(AskPeer(iq, done, timeout_s, sent=True))

    def ask_bridge(
        self, bridge: str, request: ConferenceModify, done: Callable[[BridgeAnswer, float], None]
    ) -> None:
        """Ask the bridge with this address; its answer goes to `done`."""
        self.put(AskBridge(bridge, request, done))

    def take(self) -> list[Effect]:
        """All effects since the last time."""
        effects, self._effects = self._effects, []
        return effects
