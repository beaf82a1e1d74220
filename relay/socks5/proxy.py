"""The shell of the bytestream proxy: listeners, connections and their clock, and the mover beside them."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Iterable
from typing import Final

import structlog

from carillon.guard.addresses import source
from carillon.guard.buckets import Buckets
from carillon.settings import Socks5Settings
from relay.socks5.connection import Connection
from relay.socks5.counters import Counters
from relay.socks5.handshake import Reason
from relay.socks5.mover import Ended, Mover
from relay.socks5.streams import ActivationRefused, Stage, Streams

BACKLOG: Final = 1024
ACCEPT_AT_ONCE: Final = 64
"""Connections taken before the loop does something else."""
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

    def __init__(self, settings: Socks5Settings, handshake_timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._listeners: list[socket.socket] = []
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
        self.counters = Counters()
        self.streams = Streams(
            settings.pending_timeout_s, settings.max_streams, settings.max_streams_per_user
        )
        self.mover = Mover(settings.idle_timeout_s, self._tell)
        self.reload(settings, handshake_timeout_s)

    def start(self, bound: Iterable[socket.socket]) -> None:
        """Accept clients on bound, non-blocking sockets."""
        self.mover.start()
        for listener in bound:
            self._listeners.append(listener)
            listener.listen(BACKLOG)
            self._listen(listener)
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
        for listener in self._listeners:
            self._loop.remove_reader(listener.fileno())
            listener.close()
        self._listeners.clear()

    async def stop(self) -> None:
        """Take no more clients, let go those that wait, and give active streams a moment."""
        if self._timer is not None:
            self._timer.cancel()
        self.drain()
        for connection in tuple(self._connections.values()):
            connection.close()
            self._forget(connection)
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

    def _listen(self, listener: socket.socket) -> None:
        if listener in self._listeners:
            self._loop.add_reader(listener.fileno(), self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(ACCEPT_AT_ONCE):
            try:
                accepted, peer = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:  # no descriptors: asking again at once would only burn CPU
                self.counters.refuse(Reason.DESCRIPTORS)
                self._loop.remove_reader(listener.fileno())
                self._loop.call_later(TICK_S, self._listen, listener)
                return
            self._accepted(accepted, source(peer[0]))

    def _accepted(self, accepted: socket.socket, key: str) -> None:
        now = self._loop.time()
        too_many = self._of_source[key] >= self._settings.max_connections_per_address
        if too_many or not self._rates.take(key, now):
            self.counters.refuse(Reason.SOURCE)
            accepted.close()
            return
        if len(self._connections) >= 2 * self._settings.max_streams:
            # The oldest goes: a flood from many addresses shortens the wait, and locks nobody out.
            self._close(next(iter(self._connections.values())), Reason.FULL)
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._next_number += 1
        self._of_source[key] += 1
        self._shaking_hands[self._next_number] = now
        self._connections[self._next_number] = Connection(self._next_number, key, accepted, self)

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
