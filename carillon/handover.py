"""How a process hands its work over to its successor, a newer version of the same part on the same machine.

Beside the control socket of a part (`run/bridge.sock`) its process listens on a second UNIX socket
(`run/bridge.next`). A successor, started with `--take-over`, connects there. Both look who the other is: only
the same user may (SO_PEERCRED). Then, as messages of this module:

    successor                       predecessor
      hello  ─────────────────────►   Part.hand_over(): it reads nothing more, and closes nothing  (freeze)
             ◄─────────────────────  state, with the descriptors of its sockets
      Part.take_over(): it works
      taken  ─────────────────────►   Part.released(): the sockets are the other's                 (taken)
             ◄─────────────────────  released
                                      it ends what it still has, and then itself

Never two work with the same sockets, and never nobody: when the successor dies, says nothing for
`Handover.within_s` or refuses, the predecessor ends it (SIGKILL) and goes on (`Part.resume()`). When the
predecessor dies after `state`, the successor goes on alone.

The two ends are in `carillon.succession`; what a part implements is `carillon.part.HandsOver`. What it hands
over is a `Handover`: a state, which is JSON, and sockets, which the state names by number:

    handover = Handover(within_s=5.0)
    handover.state = {"port": 3478, "listener": handover.lend(listener), "clients": [...]}   # hand_over()
    listener = handover.take(handover.state["listener"])                                     # take_over()

The next version reads the state of this one, and (on the way back) this one that of the next: a key that is
not known is ignored, one that is missing has a default, and none ever changes its meaning.

A message is a header (bytes of JSON, number of descriptors), the JSON, and for each `PIECE` descriptors one
byte that carries them (SCM_RIGHTS takes no more than 253 at a time).
"""

from __future__ import annotations

import array
import asyncio
import errno
import json
import os
import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

VERSION = 1
"""Of the messages. Another one is refused."""

MAX_STATE_BYTES = 64 << 20
"""Of JSON in a message: some hundred bytes for each of 65536 allocations."""

MAX_SOCKETS = 1 << 17
"""In one message: more than any process may have open as we run it."""

PIECE = 240
"""Descriptors in one piece: the kernel takes 253 (SCM_MAX_FD)."""

HELLO_S = 5.0
"""How long the one waits for a word of the other that costs no work."""

TRANSFER_S = 30.0
"""How long state and sockets may take."""

CROWDED_PAUSE_S = 0.01
"""When the kernel carries as many descriptors between processes as it may, some are received first."""

_HEADER = struct.Struct("!II")
_CREDENTIALS = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid


class HandoverError(Exception):
    """Nothing was handed over; the text says why."""


class HasFileno(Protocol):
    """A socket of any kind: Python's own, asyncio's, uvloop's."""

    def fileno(self) -> int:
        """Its descriptor."""


@dataclass
class Handover:
    """What a predecessor gives and a successor takes."""

    state: dict[str, Any] = field(default_factory=dict)
    """A JSON object; bytes must be encoded by the part (as hexadecimal or Base64)."""
    within_s: float = 5.0
    """How long the predecessor stands still before it goes on itself (seconds)."""
    version: str = ""
    """Whose it is: the version of carillon. Empty at the predecessor's."""
    process: dict[str, int] = field(default_factory=dict)
    """Sockets that are no business of the part: those of its control API, by name."""
    _descriptors: dict[int, int] = field(default_factory=dict)

    def lend(self, one: HasFileno) -> int:
        """Add a socket: the number by which the state names it.

        What is sent is a duplicate of the descriptor, so that closing the original does no harm. Raises
        HandoverError when there are too many, or no descriptor is left.
        """
        number = len(self._descriptors)
        if number >= MAX_SOCKETS:
            raise HandoverError(f"more than {MAX_SOCKETS} sockets cannot be handed over")
        try:
            self._descriptors[number] = os.dup(one.fileno())
        except OSError as error:
            raise HandoverError(
                f"socket {number} cannot be handed over: {error.strerror} (LimitNOFILE must be"
                " twice what is in use)"
            ) from None
        return number

    def take(self, number: int) -> socket.socket:
        """The socket of that number, from now on the caller's. Non-blocking. Raises HandoverError."""
        descriptor = self._descriptors.pop(number, None) if isinstance(number, int) else None
        if descriptor is None:
            raise HandoverError(f"the state names a socket {number!r} that was not handed over")
        taken = socket.socket(fileno=descriptor)
        taken.setblocking(False)
        return taken

    @property
    def descriptors(self) -> Sequence[int]:
        """Those that nobody has taken."""
        return tuple(self._descriptors.values())

    def adopt(self, descriptors: Iterable[int]) -> None:
        """These have come, in the order in which they were lent."""
        self._descriptors = dict(enumerate(descriptors))

    def close(self) -> None:
        """Close what nobody has taken; idempotent."""
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()


class Peer(NamedTuple):
    """Who is at the other end of a UNIX socket, as the kernel says."""

    pid: int
    """0: a process that this one cannot see, of another container."""
    uid: int


def peer_of(connection: socket.socket) -> Peer:
    """Who has connected, or listens."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(credentials)
    return Peer(pid, uid)


def path_beside(control: str) -> str:
    """Where the process with this control socket hands over; "" when it has none."""
    return str(Path(control).with_suffix(".next")) if control else ""


class Connection:
    """One end: messages out and in. Not for two tasks at a time."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._loop = asyncio.get_running_loop()

    @property
    def peer(self) -> Peer:
        """Who the other is."""
        return peer_of(self._socket)

    async def send(self, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send a message. Raises HandoverError when the other has gone."""
        data = json.dumps(message).encode()
        if len(data) > MAX_STATE_BYTES:
            raise HandoverError(f"the state has {len(data)} bytes, and may have {MAX_STATE_BYTES}")
        await self._send(_HEADER.pack(len(data), len(descriptors)) + data)
        for start in range(0, len(descriptors), PIECE):
            piece = array.array("i", descriptors[start : start + PIECE])
            await self._send(b".", [(socket.SOL_SOCKET, socket.SCM_RIGHTS, piece)])

    async def receive(self) -> tuple[dict[str, Any], list[int]]:
        """The next message and its descriptors, which are the caller's from now on.

        Raises HandoverError when it is none, is too large, or the other has gone.
        """
        descriptors: list[int] = []
        try:
            size, count = _HEADER.unpack(await self._receive(_HEADER.size, descriptors))
            if size > MAX_STATE_BYTES or count > MAX_SOCKETS:
                raise HandoverError(f"a message of {size} bytes and {count} sockets is too large")
            message = _object(await self._receive(size, descriptors))
            for _ in range(0, count, PIECE):
                await self._receive(1, descriptors)
            if len(descriptors) != count:
                raise HandoverError(
                    f"only {len(descriptors)} of {count} sockets have come: the limit of open files"
                    " (LimitNOFILE) must be larger"
                )
        except BaseException:
            for descriptor in descriptors:
                os.close(descriptor)
            raise
        return message, descriptors

    def close(self) -> None:
        """Close it; idempotent."""
        self._socket.close()

    async def _send(self, data: bytes, ancillary: Sequence[tuple[int, int, array.array[int]]] = ()) -> None:
        left = memoryview(data)
        while left:
            try:
                sent = self._socket.sendmsg([left], ancillary)
            except BlockingIOError:
                await self._until(self._loop.add_writer, self._loop.remove_writer)
            except OSError as error:
                if error.errno != errno.ETOOMANYREFS:
                    raise HandoverError(f"the other process has gone: {error.strerror}") from None
                await asyncio.sleep(CROWDED_PAUSE_S)
            else:
                left, ancillary = left[sent:], ()

    async def _receive(self, size: int, descriptors: list[int]) -> bytes:
        """Exactly `size` bytes; descriptors that come with them are appended."""
        data = bytearray()
        room = socket.CMSG_SPACE(PIECE * array.array("i").itemsize)
        while len(data) < size:
            try:
                got, ancillary, _, _ = self._socket.recvmsg(
                    min(size - len(data), 1 << 18), room, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                await self._until(self._loop.add_reader, self._loop.remove_reader)
                continue
            except OSError as error:
                raise HandoverError(f"the other process has gone: {error.strerror}") from None
            for level, kind, value in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    whole = len(value) - len(value) % 4
                    descriptors.extend(array.array("i", value[:whole]))
            if not got:
                raise HandoverError("the other process has gone")
            data += got
        return bytes(data)

    async def _until(self, add: Any, remove: Any) -> None:
        """Wait until the socket can be read, or written."""
        ready = self._loop.create_future()
        add(self._socket, _set, ready)
        try:
            await ready
        finally:
            remove(self._socket)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _object(data: bytes) -> dict[str, Any]:
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        raise HandoverError("a message is no JSON") from None
    if not isinstance(message, dict):
        raise HandoverError("a message is no JSON object")
    return message
