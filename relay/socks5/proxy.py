"""The shell of the bytestream proxy: listeners, connections and their clock, and the mover beside them."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import structlog

from carillon.guard.addresses import source
from carillon.guard.buckets import Buckets
from carillon.handover import Handover
from carillon.settings import Socks5Settings
from relay.listener import Listener
from relay.socks5.connection import Connection
from relay.socks5.counters import Counters
from relay.socks5.handshake import Handshake, Reason
from relay.socks5.mover import Ended, Mover
from relay.socks5.state import ClientState, Socks5State
from relay.socks5.streams import ActivationRefused, Stage, Streams

BACKLOG: Final = 1024
BURST_S: Final = 10.0
"""An address may make so many seconds' worth of connections at once."""
HANDSHAKE_S: Final = 10.0
"""The longest that a handshake may take: clients send it in one go."""
STOP_GRACE_S: Final = 1.0
"""What active streams have to end by themselves when the relay stops."""

TICK_S: Final = 1.0
"""How often is looked for what has waited too long."""

_log = structlog.get_logger()


class Proxy:
    """Accepts clients, pairs them, and moves their bytes once a stream is activated."""

    def __init__(self, settings: Socks5Settings, handshake_timeout_s: float, moved: int = 0) -> None:
        """`moved` are the bytes of other processes before this one."""
        self._loop = asyncio.get_running_loop()
        self._listeners: list[Listener] = []
        self._connections: dict[int, Connection] = {}
        """Those that are not part of an active stream, by number, oldest first."""
        self._shaking_hands: dict[int, float] = {}
        """When each handshake that is not finished began."""
        self._of_source: Counter[str] = Counter()
        """Connections of each address, active ones too."""
        self._sources: dict[str, tuple[str, str]] = {}
        """The addresses of an active stream."""
        self._next_number = 0
        self._timer: asyncio.TimerHandle | None = None
        self.away = False
        """Whether those who wait are another process's, or about to be."""
        self.counters = Counters()
        self.streams = Streams(
            settings.pending_timeout_s, settings.max_streams, settings.max_streams_per_user
        )
        self.mover = Mover(settings.idle_timeout_s, self._tell, moved)
        self.reload(settings, handshake_timeout_s)

    def start(self, bound: Iterable[socket.socket]) -> None:
        """Accept clients on bound, non-blocking sockets."""
        self.mover.start()
        for one in bound:
            self._listeners.append(Listener(one, BACKLOG, self._accepted, self._starved))
        self._tick()

    def reload(self, settings: Socks5Settings, handshake_timeout_s: float) -> None:
        """Take other limits and time-outs, for what is there too."""
        self._settings = settings
        self._handshake_timeout_s = min(handshake_timeout_s, HANDSHAKE_S)
        self._rates = Buckets(settings.connections_per_second, settings.connections_per_second * BURST_S)
        self.streams.pending_timeout_s = settings.pending_timeout_s
        self.streams.max_streams = settings.max_streams
        self.streams.max_streams_per_user = settings.max_streams_per_user
        self.mover.idle_timeout_s = settings.idle_timeout_s

    def drain(self) -> None:
        """Take no more clients; idempotent."""
        while self._listeners:
            self._listeners.pop().close()

    async def stop(self) -> None:
        """Take no more clients, let go those that wait, and give active streams a moment."""
        if self._timer is not None:
            self._timer.cancel()
        self._let_go()
        await asyncio.to_thread(self.mover.stop, STOP_GRACE_S)

    def activate(self, digest: str, initiator: str, target: str) -> None:
        """Let the bytes of a stream flow, for two bare JIDs. Raises ActivationRefused."""
        if not self.mover.works:
            raise ActivationRefused("internal-server-error")
        first, second = (
            self._connections.pop(number)
            for number in self.streams.activate(digest, initiator, target, self._loop.time())
        )
        self._sources[digest] = (first.source, second.source)
        self.mover.add(digest, first.detach(), second.detach())

    def _let_go(self) -> None:
        """Close everything but the active streams."""
        self.drain()
        for connection in tuple(self._connections.values()):
            connection.close()
            self._forget(connection)

    # Another process goes on: all but the active streams

    def hand_over(self, handover: Handover) -> tuple[list[int], Socks5State]:
        """Read nothing more of what is handed over; gives the numbers of the listeners, and the state.

        Raises HandoverError when descriptors run out.
        """
        self.away = True
        for one in self._waiting():
            one.pause()
        return [handover.lend(one) for one in self._listeners], Socks5State(
            clients=tuple(self._client_state(one, handover) for one in self._connections.values()),
            refused=dict(self.counters.refused),
            activations=dict(self.counters.activations),
            ended=dict(self.counters.ended),
            moved=self.mover.moved,
        )

    def _waiting(self) -> Iterator[Listener | Connection]:
        yield from self._listeners
        yield from self._connections.values()

    def _client_state(self, one: Connection, handover: Handover) -> ClientState:
        since = self._shaking_hands.get(one.number)
        if since is None:
            since = self.streams.by_digest[one.digest].since
        return ClientState(handover.lend(one), one.source, one.handshake.state, since)

    def resume(self) -> None:
        """Nobody goes on: read again."""
        self.away = False
        for one in self._waiting():
            one.resume()

    def released(self) -> None:
        """The successor is at work: forget what it has, without a word on the wire."""
        self._let_go()

    def take(self, state: Socks5State, handover: Handover) -> None:
        """Go on with what another process has handed over. Raises HandoverError."""
        for client in state.clients:
            connection = self._enter(handover.take(client.socket), client.source, Handshake(client.handshake))
            if connection.digest:
                self.streams.join(connection.digest, connection.number, client.since)
            else:
                self._shaking_hands[connection.number] = client.since
        self.counters.refused.update(state.refused)
        self.counters.activations.update(state.activations)
        self.counters.ended.update(state.ended)

    # Clients

    def requested(self, connection: Connection, digest: str) -> bool:
        """Enter a connection whose handshake is complete."""
        self._shaking_hands.pop(connection.number, None)
        return self.streams.join(digest, connection.number, self._loop.time())

    def lost(self, connection: Connection, reason: Reason) -> None:
        """Forget a connection that is closed."""
        self.counters.refuse(reason)
        self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        del self._connections[connection.number]
        self._shaking_hands.pop(connection.number, None)
        self._release(connection.source)
        self.streams.leave(connection.digest, connection.number)

    def _release(self, key: str) -> None:
        self._of_source[key] -= 1
        if not self._of_source[key]:
            del self._of_source[key]

    def _starved(self) -> None:
        self.counters.refuse(Reason.DESCRIPTORS)

    def _accepted(self, accepted: socket.socket, peer: tuple[str, int]) -> None:
        now, key = self._loop.time(), source(peer[0])
        too_many = self._of_source[key] >= self._settings.max_connections_per_address
        if too_many or not self._rates.take(key, now):
            self.counters.refuse(Reason.SOURCE)
            accepted.close()
            return
        if len(self._connections) >= 2 * self._settings.max_streams:
            # The oldest goes: a flood from many addresses shortens the wait, and locks nobody out.
            self._close(next(iter(self._connections.values())), Reason.FULL)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection = self._enter(accepted, key, Handshake())
        self._shaking_hands[connection.number] = now

    def _enter(self, accepted: socket.socket, key: str, handshake: Handshake) -> Connection:
        self._next_number += 1
        connection = Connection(self._next_number, key, accepted, self, handshake)
        self._of_source[key] += 1
        self._connections[connection.number] = connection
        return connection

    def _close(self, connection: Connection, reason: Reason) -> None:
        connection.close()
        self.lost(connection, reason)

    # Time, and the end of streams

    def _tick(self) -> None:
        now = self._loop.time()
        late = [
            number
            for number, since in self._shaking_hands.items()
            if now - since >= self._handshake_timeout_s
        ]
        for number in (*late, *self.streams.overdue(now)):
            self._close(self._connections[number], Reason.TIMEOUT)
        self._timer = self._loop.call_later(TICK_S, self._tick)

    def _tell(self, ended: Ended) -> None:
        """Called in the mover's thread."""
        self._loop.call_soon_threadsafe(self._stream_ended, ended)

    def _stream_ended(self, ended: Ended) -> None:
        stream = self.streams.end(ended.digest)
        for key in self._sources.pop(ended.digest):
            self._release(key)
        self.counters.ended[ended.reason] += 1
        _log.info(
            "a bytestream is over",
            initiator=stream.initiator,
            target=stream.target,
            bytes=ended.moved,
            seconds=round(self._loop.time() - stream.since, 1),
            reason=ended.reason.value,
        )

    def summaries(self) -> list[dict[str, object]]:
        """The active streams; without their hashes, which are nobody's business."""
        now = self._loop.time()
        return [
            {
                "initiator": stream.initiator,
                "target": stream.target,
                "bytes": self.mover.moved_of(digest),
                "seconds": round(now - stream.since, 1),
            }
            for digest, stream in self.streams.by_digest.items()
            if stream.stage is Stage.ACTIVE
        ]
