"""One endpoint of a conference: its transport, its bridge channel, and where their output goes."""

from __future__ import annotations

from typing import Any, Protocol

from bridge.dtls import Certificate
from bridge.ice import IceAgent
from bridge.ice_data import Address
from bridge.transport import Transport


class MessageSink(Protocol):
    """The open bridge channel of an endpoint."""

    def send(self, message: dict[str, Any]) -> None:
        """Queue one message; the channel closes itself rather than queueing without end."""

    def close(self) -> None:
        """Close it: the endpoint is gone, or a newer channel takes its place."""


class Directory(Protocol):
    """Who finds the endpoint a datagram belongs to, and sends what endpoints send."""

    def send_datagram(self, data: bytes, address: Address) -> None:
        """Send it from the base that the address names."""

    def learned(self, address: Address, endpoint: Endpoint) -> None:
        """Responses to the endpoint's checks may come from there."""

    def validated(self, address: Address, endpoint: Endpoint) -> None:
        """DTLS and media of the endpoint come from there."""

    def forgotten(self, address: Address, endpoint: Endpoint) -> None:
        """Nothing of the endpoint comes from there any more."""

    def answered(self, now: float) -> None:
        """A client has answered a check: the bridge is heard, and hears."""


class Room(Protocol):
    """The conference, as its endpoints see it."""

    def connected(self, endpoint_id: str, now: float) -> None:
        """Media may flow."""

    def consented(self, endpoint_id: str, now: float) -> None:
        """The client is alive."""

    def receive_rtp(self, endpoint_id: str, packet: bytes, now: float) -> None:
        """One authenticated RTP packet of the endpoint."""

    def receive_rtcp(self, endpoint_id: str, packet: bytes, now: float) -> None:
        """One authenticated RTCP packet of the endpoint."""

    def remove(self, endpoint_id: str, reason: str, now: float) -> None:
        """The endpoint has ended."""


class Endpoint:
    """See the module. It is the listener of its own transport."""

    def __init__(
        self,
        endpoint_id: str,
        room: Room,
        directory: Directory,
        ice: IceAgent,
        *,
        certificate: Certificate,
        now: float,
    ) -> None:
        self.id = endpoint_id
        self.created_at = now
        self.channel_password = ice.local.pwd
        """What the bridge channel asks for: the first ICE password, which never leaves the signalling."""
        self.transport = Transport(self, ice, certificate)
        self.channel: MessageSink | None = None
        self.ice_generation = 0
        """How often ICE was restarted."""
        self.was_connected = False
        self.visitor = False
        self._room = room
        self._directory = directory
        self.send_datagram = directory.send_datagram
        """Straight through: this is on the way of every packet."""

    def learned(self, address: Address) -> None:
        """Pass on the transport's event."""
        self._directory.learned(address, self)

    def validated(self, address: Address) -> None:
        """Pass on the transport's event."""
        self._directory.validated(address, self)

    def forgotten(self, address: Address) -> None:
        """Pass on the transport's event."""
        self._directory.forgotten(address, self)

    def connected(self, now: float) -> None:
        """Pass on the transport's event."""
        self.was_connected = True
        self._directory.answered(now)
        self._room.connected(self.id, now)

    def consented(self, now: float) -> None:
        """Pass on the transport's event."""
        self._directory.answered(now)
        self._room.consented(self.id, now)

    def receive_rtp(self, packet: bytes, now: float) -> None:
        """Pass on the transport's event."""
        self._room.receive_rtp(self.id, packet, now)

    def receive_rtcp(self, packet: bytes, now: float) -> None:
        """Pass on the transport's event."""
        self._room.receive_rtcp(self.id, packet, now)

    def closed(self, reason: str, now: float) -> None:
        """The transport has ended by itself, and the endpoint with it."""
        self._room.remove(self.id, reason, now)

    def open_channel(self, channel: MessageSink) -> None:
        """A bridge channel was opened; it takes the place of an older one."""
        if self.channel is not None:
            self.channel.close()
        self.channel = channel

    def close(self) -> None:
        """Stop transport and channel."""
        self.transport.close()
        if self.channel is not None:
            self.channel.close()
            self.channel = None
