"""What the server core asks of its shells."""

from __future__ import annotations

from typing import Protocol

from relay.turn.five_tuple import FiveTuple


class Output(Protocol):
    """The sockets, seen from the core. Nothing here raises or blocks; what cannot be sent now is dropped."""

    def send_client(self, client: FiveTuple, data: bytes) -> bool:
        """Send a message to a client; False when it was dropped."""

    def close_client(self, client: FiveTuple) -> None:
        """Close a client's connection; nothing to do for UDP."""

    def send_peer(self, port: int, data: bytes, peer: tuple[str, int]) -> bool:
        """Send a datagram from a relay port; False when it was dropped."""

    def open_port(self, port: int) -> bool:
        """Bind a relay port; False when somebody else has it."""

    def close_port(self, port: int) -> None:
        """Close a relay port at once."""
