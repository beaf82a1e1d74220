"""The shell around the server core: its listeners, connections and relay ports on the event loop."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from carillon.guard.addresses import source
from carillon.handover import Handover, HandoverError
from carillon.tls import ServerTls
from relay.listener import Listener
from relay.turn.five_tuple import FiveTuple
from relay.turn.server import Server
from relay.turn.state import ConnectionState, TurnState
from relay.turn.succession import restore, state_of
from relay.turn.tcp import Connection
from relay.turn.tls import TlsStream
from relay.turn.udp import UdpSocket, bound_socket

# Connections of one source address and of all: an office behind one address fits, one host cannot take all.
MAX_CONNECTIONS_PER_SOURCE = 500
MAX_CONNECTIONS = 4000
BACKLOG = 512
_TICK_S = 0.5


class Sockets:
    """Implements `Output` for the core and `Clients` for the connections."""

    def __init__(
        self, address: str, handshake_timeout_s: float, leave: Callable[[TurnState], None] = lambda _: None
    ) -> None:
        """`leave` is given the state a moment after each change, for a process after this one."""
        self._address = address
        self._leave = leave
        self._here = True
        """Whether the UDP clients are ours, and nobody else's soon."""
        self._handshake_timeout_s = handshake_timeout_s
        self._loop = asyncio.get_running_loop()
        self._listener: UdpSocket | None = None
        self._acceptors: list[Listener] = []
        self._connections: dict[FiveTuple, Connection] = {}
        self._of_source: Counter[str] = Counter()
        self._relays: dict[int, UdpSocket] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.server: Server
        """The core; to be set before `listen`."""

    def listen(self, udp: socket.socket, tcp: socket.socket) -> None:
        """Serve clients on two bound sockets."""
        self._listener = UdpSocket(self._loop, udp, self._from_client)
        self._accept(tcp, self._accepted)
        self._tick()

    def listen_tls(self, bound: socket.socket, tls: ServerTls) -> None:
        """Serve clients in TLS on one more bound socket."""

        def accepted(connected: socket.socket, peer: tuple[str, int]) -> None:
            client = FiveTuple("tls", peer[0], peer[1])
            Connection(self, client, connected, self._handshake_timeout_s, TlsStream(tls.context))

        self._accept(bound, accepted)

    def _accept(
        self, bound: socket.socket, accepted: Callable[[socket.socket, tuple[str, int]], None]
    ) -> None:
        def starved() -> None:
            self.server.counters.drop("no descriptors")

        self._acceptors.append(Listener(bound, BACKLOG, accepted, starved))

    def _accepted(self, connected: socket.socket, peer: tuple[str, int]) -> None:
        Connection(self, FiveTuple("tcp", peer[0], peer[1]), connected, self._handshake_timeout_s)

    def close(self) -> None:
        """Close every socket; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
        for connection in tuple(self._connections.values()):
            connection.close()
        self._close_listeners()
        for port in tuple(self._relays):
            self.close_port(port)

    def _close_listeners(self) -> None:
        while self._acceptors:
            self._acceptors.pop().close()
        if self._listener is not None:
            self._listener.close()
            self._listener = None

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

    # Another process goes on: all but what is in TLS, whose state cannot leave this process

    def hand_over(self, handover: Handover) -> tuple[list[int], TurnState]:
        """Read nothing more of what is handed over; gives the numbers of the listeners, and the state.

        Raises HandoverError when descriptors run out.
        """
        self._here = False
        listeners = [one for one in (self._listener, *self._acceptors) if one is not None]
        handed = {port: relay for port, relay in self._relays.items() if not self._in_tls(port)}
        for one in (*listeners, *handed.values()):
            one.pause()
        connections = []
        for client, connection in self._connections.items():
            if client.transport == "tcp" and (stream := connection.pause()):
                number = handover.lend(stream)
                rest = connection.unread, bytes(stream.unsent)
                connections.append(ConnectionState(client.ip, client.port, number, *rest))
        relays = {port: handover.lend(relay) for port, relay in handed.items()}
        return [handover.lend(one) for one in listeners], state_of(self.server, relays, connections)

    def resume(self) -> None:
        """Nobody goes on: read again."""
        self._here = True
        for one in (self._listener, *self._acceptors, *self._relays.values()):
            if one is not None:
                one.resume()
        for connection in self._connections.values():
            connection.resume()

    def released(self) -> None:
        """The successor is at work: forget what it has, without a word on the wire."""
        self._close_listeners()
        handed = [one for one in self.server.allocations.by_port.values() if one.client.transport != "tls"]
        self.server.allocations.elsewhere = frozenset(one.port for one in handed)
        self.server.allocations.leaving = True
        for client, connection in tuple(self._connections.items()):
            if client.transport == "tcp":
                connection.close()
        for allocation in handed:
            self.server.closed(allocation.client)

    def take(self, state: TurnState, handover: Handover) -> None:
        """Go on with what another process has handed over; reading begins in the next turn of the loop.

        Raises HandoverError and OSError; then this object can only be closed.
        """
        for one in state.allocations:
            relay = handover.take(one.socket)
            self._relays[one.port] = UdpSocket(self._loop, relay, partial(self._from_peer, one.port))
            if relay.type != socket.SOCK_DGRAM or relay.getsockname()[1] != one.port:
                raise HandoverError(f"the socket of relay port {one.port} is another one")
        restore(self.server, state)
        for entry in state.connections:
            Connection(
                self,
                FiveTuple("tcp", entry.ip, entry.port),
                handover.take(entry.socket),
                self._handshake_timeout_s,
                unread=entry.unread,
                unsent=entry.unsent,
            )

    def reopen(self, state: TurnState) -> int:
        """Go on with the UDP clients of a process that was killed, as far as their relay ports are free.

        Gives how many that are.
        """
        now = self._loop.time()
        found = tuple(one for one in state.allocations if one.expires > now and self.open_port(one.port))
        restore(self.server, replace(state, allocations=found))
        return len(found)

    def _is_bound(self, port: int) -> bool:
        """Whether the process beside this one still has that relay port."""
        try:
            bound_socket(socket.SOCK_DGRAM, self._address, port).close()
        except OSError:
            return True
        return False

    def _in_tls(self, port: int) -> bool:
        return self.server.allocations.by_port[port].client.transport == "tls"

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
        allocations = self.server.allocations
        if allocations.changed and self._here:
            allocations.changed = False
            udp = {port: 0 for port, one in allocations.by_port.items() if one.client.transport == "udp"}
            self._leave(state_of(self.server, udp, ()))
        if allocations.elsewhere:
            allocations.elsewhere = frozenset(filter(self._is_bound, allocations.elsewhere))
        self._timer = self._loop.call_later(_TICK_S, self._tick)
