"""Moves the bytes of all active streams in a thread of its own, so that megabytes delay no signalling.

The kernel does the work (splice); the thread only learns from an edge-triggered epoll which socket to serve
next. A receiver that does not read stops its sender: at most a pipe and the sockets' buffers are filled.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import structlog

from relay.socks5.direction import Direction
from relay.socks5.pipes import Pipes

SWEEP_S: Final = 1.0
"""How often streams are looked at that nothing happens on."""
HALF_CLOSED_S: Final = 60.0
"""How long one direction may be silent once the other has ended."""

_MAX_EVENTS: Final = 256
_INTEREST: Final = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
_BROKEN: Final = select.EPOLLHUP | select.EPOLLERR
_READABLE: Final = select.EPOLLIN | select.EPOLLRDHUP | _BROKEN
_WRITABLE: Final = select.EPOLLOUT | _BROKEN
_RESET: Final = struct.pack("ii", 1, 0)  # struct linger of socket(7): close sends a reset

_log = structlog.get_logger()


class EndReason(StrEnum):
    """Why a stream ended; the values label the counter."""

    CLOSED = "closed"
    """Both ends have closed it."""
    RESET = "reset"
    """One end was lost, and the other was told so."""
    IDLE = "idle"
    STOPPED = "stopped"
    """The relay stops."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A stream is over."""

    digest: str
    moved: int
    """Bytes of both directions."""
    reason: EndReason


class _Pair:
    """The two connections of an active stream."""

    def __init__(self, digest: str, first: socket.socket, second: socket.socket, now: float) -> None:
        self.digest = digest
        self.sockets = (first, second)
        self.forth = Direction(first, second)
        self.back = Direction(second, first)
        self.seen = 0
        """Bytes moved when it was last looked at."""
        self.silent_since = now

    @property
    def moved(self) -> int:
        return self.forth.moved + self.back.moved


class Mover:
    """Takes pairs of connected, non-blocking sockets and owns them until their stream is over."""

    def __init__(self, idle_timeout_s: float, on_end: Callable[[Ended], None], moved: int = 0) -> None:
        """`on_end` is called in the mover's thread; `moved` are the bytes of processes before this one."""
        self.idle_timeout_s = idle_timeout_s
        self._on_end = on_end
        self._new: deque[_Pair] = deque()
        self._stop_at: float | None = None
        self._moved_before = moved
        """Bytes of streams that are over; with `_pairs` under the lock, so that the total never falls."""
        self._lock = threading.Lock()
        self._pairs: dict[str, _Pair] = {}
        self._by_fd: dict[int, tuple[_Pair, Direction, Direction]] = {}
        """For each socket the direction that reads from it, and the one that writes to it."""
        self._ready: dict[Direction, _Pair] = {}
        self._pipes = Pipes()
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="socks5", daemon=True)

    # What other threads call

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def add(self, digest: str, first: socket.socket, second: socket.socket) -> None:
        """Move the bytes of a stream from now on."""
        self._new.append(_Pair(digest, first, second, time.monotonic()))
        os.eventfd_write(self._wake, 1)

    def stop(self, grace_s: float) -> None:
        """Let streams end by themselves for so long, end the others, and wait for the thread."""
        self._stop_at = time.monotonic() + grace_s
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        self._epoll.close()
        os.close(self._wake)

    @property
    def works(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def moved(self) -> int:
        """Bytes moved since the start."""
        with self._lock:
            return self._moved_before + sum(pair.moved for pair in self._pairs.values())

    def moved_of(self, digest: str) -> int:
        """Bytes moved of one stream that is not over."""
        pair = self._pairs.get(digest)
        return pair.moved if pair else 0

    # The thread

    def _run(self) -> None:
        try:
            next_sweep = 0.0
            while self._stop_at is None or self._pairs or self._new:
                for fd, events in self._epoll.poll(self._timeout_s(), _MAX_EVENTS):
                    self._happened(fd, events)
                self._pump()
                now = time.monotonic()
                if now >= next_sweep:
                    self._sweep(now)
                    next_sweep = now + SWEEP_S
        except Exception:
            _log.exception("the mover of bytestreams failed")
        finally:
            for pair in list(self._pairs.values()):
                self._end(pair, EndReason.STOPPED)
            self._pipes.close()

    def _timeout_s(self) -> float | None:
        if self._ready:
            return 0.0
        return SWEEP_S if self._pairs or self._stop_at is not None else None

    def _happened(self, fd: int, events: int) -> None:
        if fd == self._wake:
            os.eventfd_read(self._wake)
            while self._new:
                self._take(self._new.popleft())
            return
        found = self._by_fd.get(fd)
        if found is None:  # its stream ended by an earlier event of the same poll
            return
        pair, reading, writing = found
        if events & _READABLE and not reading.blocked:
            self._ready[reading] = pair
        if events & _WRITABLE and writing.blocked:
            self._ready[writing] = pair

    def _take(self, pair: _Pair) -> None:
        first, second = pair.sockets
        with self._lock:
            self._pairs[pair.digest] = pair
        self._by_fd[first.fileno()] = (pair, pair.forth, pair.back)
        self._by_fd[second.fileno()] = (pair, pair.back, pair.forth)
        for one in pair.sockets:
            self._epoll.register(one.fileno(), _INTEREST)

    def _pump(self) -> None:
        """Serve each direction that is ready once."""
        ready, self._ready = self._ready, {}
        for direction, pair in ready.items():
            if pair.digest not in self._pairs:
                continue
            try:
                if direction.pump(self._pipes):
                    self._ready[direction] = pair
            except OSError:
                self._end(pair, EndReason.RESET)
            else:
                if pair.forth.ended and pair.back.ended:
                    self._end(pair, EndReason.CLOSED)

    def _sweep(self, now: float) -> None:
        """End the streams on which nothing has moved for too long, and all when it is time to stop."""
        for pair in list(self._pairs.values()):
            half_closed = pair.forth.ended or pair.back.ended
            limit_s = min(self.idle_timeout_s, HALF_CLOSED_S) if half_closed else self.idle_timeout_s
            if self._stop_at is not None and now >= self._stop_at:
                self._end(pair, EndReason.STOPPED)
            elif pair.moved != pair.seen:
                pair.seen, pair.silent_since = pair.moved, now
            elif now - pair.silent_since >= limit_s:
                self._end(pair, EndReason.IDLE)

    def _end(self, pair: _Pair, reason: EndReason) -> None:
        with self._lock:
            del self._pairs[pair.digest]
            self._moved_before += pair.moved
        for one, writing in zip(pair.sockets, (pair.back, pair.forth), strict=True):
            writing.release(self._pipes)
            del self._by_fd[one.fileno()]
            # An end that was not passed on must not look like one: half a file is no file.
            if not writing.ended:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            one.close()
        self._on_end(Ended(pair.digest, pair.moved, reason))
