"""What bridge-channel messages do: constraints and video types are noted, messages between endpoints
relayed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bridge.media import channel_messages
from bridge.media.allocation import Constraints
from bridge.media.channel_messages import ChannelMessageError
from bridge.media.endpoint import Endpoint
from bridge.media.incoming import VideoTrack

MESSAGES_PER_SECOND = 100.0
"""Messages of one endpoint that are handled; twice as many in a burst."""


class ChannelDispatch:
    """The bridge channels of one conference."""

    def __init__(
        self, endpoints: Mapping[str, Endpoint], send_message: Callable[[str, dict[str, Any]], None]
    ) -> None:
        self._endpoints = endpoints
        self.send = send_message

    def broadcast(self, message: dict[str, Any], *, without: Endpoint | None = None) -> None:
        """Send to all that have a channel (but one)."""
        for endpoint in self._endpoints.values():
            if endpoint.channel and endpoint is not without:
                self.send(endpoint.id, message)

    def receive(self, endpoint: Endpoint, message: dict[str, Any], now: float) -> bool:
        """Handle a message; whether the layers must be chosen anew."""
        if not endpoint.message_credit(MESSAGES_PER_SECOND, now):
            endpoint.drop("channel message rate")
            return False
        try:
            parsed = channel_messages.parse(message)
        except ChannelMessageError:
            endpoint.drop("channel message")
            return False
        match parsed:
            case channel_messages.ReceiverVideoConstraints():
                endpoint.constraints = merged(endpoint.constraints, parsed)
                endpoint.asked = True
            case channel_messages.LastNChanged():
                said = channel_messages.ReceiverVideoConstraints(last_n=parsed.last_n)
                endpoint.constraints = merged(endpoint.constraints, said)
            case channel_messages.VideoType():
                for track in endpoint.tracks:
                    if isinstance(track, VideoTrack) and parsed.source in ("", track.name):
                        track.video_type = parsed.video_type
            case channel_messages.Relayed():
                self._relay(endpoint, parsed)
                return False
            case None:
                endpoint.drop("channel message class")
                return False
        return True

    def _relay(self, sender: Endpoint, relayed: channel_messages.Relayed) -> None:
        message = {**relayed.message, "from": sender.id}
        if not relayed.to:
            self.broadcast(message, without=sender)
        elif relayed.to in self._endpoints:
            self.send(relayed.to, message)
        else:
            sender.drop("channel message to nobody")


def merged(old: Constraints, said: channel_messages.ReceiverVideoConstraints) -> Constraints:
    """The constraints after a message: what it does not mention stays."""
    bandwidth = old.assumed_bandwidth_bps
    if said.assumed_bandwidth_bps is not None:
        bandwidth = said.assumed_bandwidth_bps if said.assumed_bandwidth_bps >= 0 else None
    return Constraints(
        last_n=old.last_n if said.last_n is None else said.last_n,
        selected=old.selected if said.selected_sources is None else said.selected_sources,
        on_stage=old.on_stage if said.on_stage_sources is None else said.on_stage_sources,
        default_height=old.default_height if said.default_height is None else said.default_height,
        heights=old.heights if said.heights is None else said.heights,
        assumed_bandwidth_bps=bandwidth,
    )
