"""A conference without sockets: a router, simulated browsers, a lossy network between them, one clock."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from typing import Any

from bridge.media.codec import AudioCodec
from bridge.media.router import Router
from jingle.colibri2 import Media
from tests.bridge.media_browser import Browser
from tests.bridge.media_packets import media, sources


class World:
    """Router, browsers and the network between them (delay in seconds, loss 0–1)."""

    def __init__(
        self,
        *,
        delay_s: float = 0.01,
        loss: float = 0.0,
        seed: int = 1,
        start: float = 1000.0,
        codec: AudioCodec | None = None,
    ) -> None:
        self.now = start
        self.delay_s = delay_s
        self.loss_up = self.loss_down = loss
        self.random = random.Random(seed)
        self.browsers: dict[str, Browser] = {}
        self.queue: list[tuple[float, int, Callable[[], None]]] = []
        self.order = itertools.count()
        self.router = Router(self, random=random.Random(seed), codec=codec)
        self.sent_messages: list[tuple[str, dict[str, Any]]] = []
        self.running = False

    # Output of the router

    def send_rtp(self, endpoint_id: str, packet: bytes) -> None:
        if self.random.random() >= self.loss_down:
            browser = self.browsers[endpoint_id]
            self.at(self.now + self.delay_s, lambda: browser.receive_rtp(packet))

    def send_rtcp(self, endpoint_id: str, packet: bytes) -> None:
        if self.random.random() >= self.loss_down:
            browser = self.browsers[endpoint_id]
            self.at(self.now + self.delay_s, lambda: browser.receive_rtcp(packet))

    def send_message(self, endpoint_id: str, message: dict[str, Any]) -> None:
        self.sent_messages.append((endpoint_id, message))
        self.browsers[endpoint_id].messages.append(message)

    # Time

    def at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self.queue, (when, next(self.order), action))

    def to_router(self, name: str, packet: bytes, *, is_rtcp: bool) -> None:
        if self.random.random() < self.loss_up:
            return
        receive = self.router.receive_rtcp if is_rtcp else self.router.receive_rtp
        self.at(self.now + self.delay_s, lambda: receive(name, packet, self.now))

    def every(self, interval_s: float, action: Callable[[], None], first: float = 0.0) -> None:
        def again() -> None:
            action()
            self.at(self.now + interval_s, again)

        self.at(self.now + first, again)

    def tick(self) -> None:
        self.at(max(self.router.tick(self.now), self.now + 0.01), self.tick)

    def run(self, seconds: float) -> None:
        if not self.running:
            self.running = True
            self.at(self.now, self.tick)
        end = self.now + seconds
        while self.queue and self.queue[0][0] <= end:
            self.now, _, action = heapq.heappop(self.queue)
            action()
        self.now = end

    # Participants

    def join(
        self,
        name: str,
        base: int,
        *,
        layers: int = 3,
        negotiated: tuple[Media, ...] | None = None,
        channel: bool = True,
        height: int | None = 720,
        sends: bool = True,
        speaks: bool = True,
        capabilities: tuple[str, ...] = (),
    ) -> Browser:
        """A browser that is connected and, with a channel, has said what it wants to see."""
        browser = Browser(self, name, base, layers=layers, speaks=speaks)
        self.browsers[name] = browser
        self.router.add_endpoint(name, media() if negotiated is None else negotiated)
        browser.down = self.router.set_capabilities(name, capabilities)
        self.router.connected(name, self.now)
        if sends:
            self.router.set_sources(name, sources(name, base, layers), self.now)
            self.every(0.020, browser.send_audio, first=0.001)
            self.every(1 / 30, browser.send_frame, first=0.002)
            self.every(1.0, browser.send_reports, first=0.3)
        self.every(0.020, browser.repair, first=0.015)
        self.every(1.0, browser.send_receiver_report, first=0.7)
        if channel:
            self.router.channel_open(name, self.now)
            if height is not None:
                self.constrain(name, defaultConstraints={"maxHeight": height})
        return browser

    def constrain(self, name: str, **constraints: Any) -> None:
        """ReceiverVideoConstraints of a browser."""
        message = {"colibriClass": "ReceiverVideoConstraints", **constraints}
        self.router.receive_message(name, message, self.now)
