"""The shell around the server core: its listeners, connections and relay ports on the event loop."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from functools import partial

from carillon.guard.addresses import source
from carillon.tls import ServerTls
from relay.turn.five_tuple import FiveTuple
from relay.turn.server import Server
from relay.turn.tcp import Connection
from relay.turn.tls import TlsStream
from relay.turn.udp import UdpSocket, bound_socket

# Connections of one source address and of all: an office behind one address fits, one host cannot take all.
MAX_CONNECTIONS_PER_SOURCE = 500
MAX_CONNECTIONS = 4000
_TICK_S = 0.5


class Sockets:
    """Implements `Output` for the core and `Clients` for the connections."""

    def __init__(self, address: str, handshake_timeout_s: float) -> None:
        self._address = address
        self._handshake_timeout_s = handshake_timeout_s
        self._loop = asyncio.get_running_loop()
        self._listener: UdpSocket | None = None
        self._acceptors: list[asyncio.Server] = []
        self._connections: dict[FiveTuple, Connection] = {}
        self._of_source: Counter[str] = Counter()
        self._relays: dict[int, UdpSocket] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.server: Server
        """The core; to be set before `listen`."""

    async def listen(self, udp: socket.socket, tcp: socket.socket) -> None:
        """Serve clients on two bound sockets."""
        self._listener = UdpSocket(self._loop, udp, self._from_client)
        await self._accept(tcp, lambda: Connection(self, self._handshake_timeout_s))
        self._tick()

    async def listen_tls(self, bound: socket.socket, tls: ServerTls) -> None:
        """Serve clients in TLS on one more bound socket."""

        def connection() -> Connection:
            return Connection(self, self._handshake_timeout_s, TlsStream(tls.context))

        await self._accept(bound, connection)

    async def _accept(self, bound: socket.socket, connection: Callable[[], Connection]) -> None:
        self._acceptors.append(await self._loop.create_server(connection, sock=bound, backlog=512))

    async def close(self) -> None:
        """Close every socket; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
        for connection in tuple(self._connections.values()):
            connection.close()
        for acceptor in self._acceptors:
            acceptor.close()
            await acceptor.wait_closed()
        self._acceptors.clear()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for port in tuple(self._relays):
            self.close_port(port)

    def reload(self, handshake_timeout_s: float) -> None:
        """Give connections that come from now on so long to allocate something."""
        self._handshake_timeout_s = handshake_timeout_s

    # Output

    def send_client(self, client: FiveTuple, data: bytes) -> bool:
        """Send to a client on its transport."""
        if client.transport == "udp":
            return self._listener is not None and self._listener.send(data, client[1:])
        connection = self._connections.get(client)
        return connection is not None and connection.send(data)

    def close_client(self, client: FiveTuple) -> None:
        """Close a client's connection."""
        connection = self._connections.get(client)
        if connection is not None:
            connection.close()

    def send_peer(self, port: int, data: bytes, peer: tuple[str, int]) -> bool:
        """Send from a relay port."""
        relay = self._relays.get(port)
        return relay is not None and relay.send(data, peer)

    def open_port(self, port: int) -> bool:
        """Bind a relay port."""
        try:
            bound = bound_socket(socket.SOCK_DGRAM, self._address, port)
        except OSError:
            return False
        self._relays[port] = UdpSocket(self._loop, bound, partial(self._from_peer, port))
        return True

    def close_port(self, port: int) -> None:
        """Close a relay port at once."""
        self._relays.pop(port).close()

    # Clients

    def connected(self, connection: Connection) -> bool:
        """Take a connection within the limits."""
        # The client may use an address again before we hear that its last connection is gone.
        self.close_client(connection.client)
        key = source(connection.client.ip)
        if len(self._connections) >= MAX_CONNECTIONS or self._of_source[key] >= MAX_CONNECTIONS_PER_SOURCE:
            self.server.counters.drop("too many connections")
            return False
        self._connections[connection.client] = connection
        self._of_source[key] += 1
        return True

    def disconnected(self, client: FiveTuple) -> None:
        """Forget a connection and end its allocation."""
        del self._connections[client]
        key = source(client.ip)
        self._of_source[key] -= 1
        if not self._of_source[key]:
            del self._of_source[key]
        self.server.closed(client)

    def received(self, client: FiveTuple, message: bytes) -> None:
        """Hand a message of a connection to the core."""
        self.server.receive(client, message, self._loop.time())

    def garbage(self, client: FiveTuple) -> None:
        """Count a connection that carried something else."""
        self.server.counters.drop("malformed")

    def holds_allocation(self, client: FiveTuple) -> bool:
        """Ask the core."""
        return client in self.server.allocations.by_client

    # Datagrams and time

    def _from_client(self, data: bytes, address: tuple[str, int]) -> None:
        self.server.receive(FiveTuple("udp", address[0], address[1]), data, self._loop.time())

    def _from_peer(self, port: int, data: bytes, peer: tuple[str, int]) -> None:
        self.server.receive_peer(port, data, peer, self._loop.time())

    def _tick(self) -> None:
        self.server.tick(self._loop.time())
        self._timer = self._loop.call_later(_TICK_S, self._tick)
