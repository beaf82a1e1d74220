"""One conference: its endpoints and the router between them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Protocol

import structlog

from bridge.endpoint import Endpoint
from bridge.media.router import Output
from bridge.metrics import ENDED, REJECTED
from jingle.colibri2 import Media, MediaSource

logger = structlog.get_logger()

MIN_TICK_S = 0.01
"""The router is not asked more often, whatever it wants."""
TICK_AFTER_ERROR_S = 1.0
"""When a router that failed is asked again."""


class Router(Protocol):
    """What forwards media between the endpoints (bridge.media.router). Sans-I/O."""

    ssrc: int
    """The SSRC of the bridge's own reports and feedback."""
    audio_ssrc: int
    """Its counterpart for audio."""

    def add_endpoint(self, endpoint_id: str, media: tuple[Media, ...]) -> None:
        """A new endpoint, with what it can do."""

    def set_capabilities(self, endpoint_id: str, capabilities: tuple[str, ...]) -> tuple[MediaSource, ...]:
        """What is special about a new one; returns sources of ours that are to be announced to it."""

    def set_media(self, endpoint_id: str, media: tuple[Media, ...]) -> None:
        """What it can do has changed."""

    def set_sources(self, endpoint_id: str, sources: tuple[MediaSource, ...], now: float) -> None:
        """The whole list of its sources."""

    def set_force_mute(self, endpoint_id: str, *, audio: bool | None, video: bool | None) -> None:
        """Whether its media is to be dropped; None: as before."""

    def connected(self, endpoint_id: str, now: float) -> None:
        """It may send and receive."""

    def consent(self, endpoint_id: str, now: float) -> None:
        """It is alive, whether it sends media or not."""

    def remove_endpoint(self, endpoint_id: str, now: float) -> None:
        """It is gone."""

    def receive_rtp(self, endpoint_id: str, packet: bytes, now: float) -> None:
        """Authenticated RTP from it."""

    def receive_rtcp(self, endpoint_id: str, packet: bytes, now: float) -> None:
        """Authenticated RTCP from it."""

    def receive_message(self, endpoint_id: str, message: dict[str, Any], now: float) -> None:
        """A message from its bridge channel."""

    def channel_open(self, endpoint_id: str, now: float) -> None:
        """Its bridge channel is open."""

    def tick(self, now: float) -> float:
        """Periodic work; when to be called next."""

    def stats(self, now: float) -> dict[str, Any]:
        """Figures for the operator."""


MakeRouter = Callable[[Output, random.Random], Router]


class Conference:
    """See the module. It is the Output of its router and the Room of its endpoints."""

    def __init__(
        self,
        meeting_id: str,
        name: str,
        *,
        make_router: MakeRouter,
        random_source: random.Random,
        on_removed: Callable[[Endpoint, str], None],
        now: float,
    ) -> None:
        self.meeting_id = meeting_id
        self.name = name
        self.created_at = now
        self.empty_since = now
        self.endpoints: dict[str, Endpoint] = {}
        self.router = make_router(self, random_source)
        self.receive_rtp = self.router.receive_rtp
        self.receive_rtcp = self.router.receive_rtcp
        self.consented = self.router.consent
        self.tick_due = now
        self._on_removed = on_removed

    def add(self, endpoint: Endpoint, media: tuple[Media, ...]) -> None:
        """A new endpoint."""
        self.endpoints[endpoint.id] = endpoint
        self.router.add_endpoint(endpoint.id, media)

    def remove(self, endpoint_id: str, reason: str, now: float) -> None:
        """End an endpoint, for example "expired" or "consent". Nothing happens when it does not exist."""
        endpoint = self.endpoints.pop(endpoint_id, None)
        if endpoint is None:
            return
        addresses = endpoint.transport.ice.addresses()
        endpoint.close()
        for address in addresses:
            endpoint.forgotten(address)
        self._on_removed(endpoint, reason)
        self.empty_since = now
        self.router.remove_endpoint(endpoint_id, now)
        ENDED.labels(reason).inc()
        logger.info("endpoint ended", meeting=self.meeting_id, endpoint=endpoint_id, reason=reason)

    def connected(self, endpoint_id: str, now: float) -> None:
        """The endpoint's DTLS handshake is complete."""
        logger.info("endpoint connected", meeting=self.meeting_id, endpoint=endpoint_id)
        self.router.connected(endpoint_id, now)
        self.tick_due = now

    def tick(self, now: float) -> None:
        """Let the router do its periodic work if that is due."""
        if self.tick_due <= now:
            self.tick_due = now + TICK_AFTER_ERROR_S
            try:
                self.tick_due = max(self.router.tick(now), now + MIN_TICK_S)
            except Exception:  # an error of ours in one room must not stop the others
                REJECTED.labels("router", "internal").inc()
                logger.exception("a tick was cut short by an error", meeting=self.meeting_id)

    def send_rtp(self, endpoint_id: str, packet: bytes) -> None:
        """Send plain RTP to an endpoint; nothing happens unless it is connected."""
        endpoint = self.endpoints.get(endpoint_id)
        if endpoint is not None:
            endpoint.transport.send_rtp(packet)

    def send_rtcp(self, endpoint_id: str, packet: bytes) -> None:
        """Send plain RTCP to an endpoint; nothing happens unless it is connected."""
        endpoint = self.endpoints.get(endpoint_id)
        if endpoint is not None:
            endpoint.transport.send_rtcp(packet)

    def send_message(self, endpoint_id: str, message: dict[str, Any]) -> None:
        """Send a bridge channel message to an endpoint; nothing happens without a channel."""
        endpoint = self.endpoints.get(endpoint_id)
        if endpoint is not None and endpoint.channel is not None:
            endpoint.channel.send(message)
