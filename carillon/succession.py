"""The two ends of a hand-over (`carillon.handover`): who hands over, and who takes over."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from carillon import __version__
from carillon.handover import (
    HELLO_S,
    TRANSFER_S,
    VERSION,
    Connection,
    Handover,
    HandoverError,
    peer_of,
)

logger = structlog.get_logger()


class Predecessor:
    """Waits on a UNIX socket for a successor, and hands over to it.

    `give` gives what is handed over, and stands still from then on; `resume` goes on when it came to nothing;
    `released` is told when the successor is at work. What `give` raises refuses the successor.
    """

    def __init__(
        self,
        name: str,
        listener: socket.socket,
        give: Callable[[], Awaitable[Handover]],
        resume: Callable[[], Awaitable[None]],
        released: Callable[[], None],
    ) -> None:
        self.listener = listener
        self._name = name
        self._path = str(listener.getsockname())
        self._give = give
        self._resume = resume
        self._released = released
        self._task: asyncio.Task[None] | None = None
        self._busy = asyncio.Lock()

    async def settled(self) -> None:
        """Wait for the outcome of a hand-over that is under way."""
        async with self._busy:
            pass

    def start(self) -> None:
        """Listen."""
        self.listener.listen(4)  # also where another process has listened: SO_PEERCRED names this one now
        self._task = asyncio.create_task(self._serve())

    async def stop(self) -> None:
        """Listen no more; idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self.listener.close()

    def remove(self) -> None:
        """Remove the socket's file: nobody is to take over any more."""
        Path(self._path).unlink(missing_ok=True)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            accepted, _ = await loop.sock_accept(self.listener)
            connection = Connection(accepted)
            try:
                async with self._busy:
                    if await self._hand_over(connection):
                        self._released()
                        return
            except Exception:
                logger.exception("failed while handing over")
            finally:
                connection.close()

    async def _hand_over(self, connection: Connection) -> bool:
        """Whether the successor has taken over."""
        peer = connection.peer
        if peer.uid != os.geteuid():
            logger.warning("refuses to hand over to another user", uid=peer.uid, pid=peer.pid)
            return False
        try:
            async with asyncio.timeout(HELLO_S):
                successor = await _expect(connection, "hello")
            require_compatible(successor, self._name)
        except (HandoverError, TimeoutError) as error:
            await _refuse(connection, str(error) or "no word came in time")
            return False
        logger.info("hands over", to=successor.get("carillon"), pid=peer.pid)
        try:
            handover = await self._give()
        except Exception as error:
            logger.warning(
                "cannot hand over", reason=str(error), exc_info=not isinstance(error, HandoverError)
            )
            await self._resume()
            await _refuse(connection, str(error))
            return False
        try:
            await self._transfer(connection, handover)
        except (HandoverError, TimeoutError) as error:
            reason = str(error) or f"the successor was not at work within {handover.within_s:g} s"
            logger.error("goes on itself: the successor has not taken over", reason=reason)
            # First of all: never two with the same sockets.
            _end(peer.pid)
            await _refuse(connection, reason)  # to one that this process cannot end: of another container
            await self._resume()
            return False
        finally:
            handover.close()
        return True

    async def _transfer(self, connection: Connection, handover: Handover) -> None:
        message = {**_who("state", self._name), "state": handover.state, "process": handover.process}
        async with asyncio.timeout(TRANSFER_S):
            await connection.send(message, handover.descriptors)
        async with asyncio.timeout(handover.within_s):
            await _expect(connection, "taken")
            await connection.send({"kind": "released"})


class Successor:
    """Asks the process that listens on `path` for its work."""

    def __init__(self, name: str, path: str) -> None:
        self._name = name
        self._path = path
        self._connection: Connection | None = None

    async def receive(self) -> Handover | None:
        """What the predecessor hands over; None when there is no predecessor.

        Raises HandoverError when it does not hand over to us.
        """
        asks = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        asks.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(asks, self._path)
        except (FileNotFoundError, ConnectionRefusedError):
            asks.close()
            return None
        except OSError as error:
            asks.close()
            raise HandoverError(f"{self._path}: {error.strerror}") from None
        self._connection = Connection(asks)
        if (uid := peer_of(asks).uid) != os.geteuid():
            raise HandoverError(f"{self._path} belongs to a process of another user (uid {uid})")
        descriptors: list[int] = []
        try:
            async with asyncio.timeout(HELLO_S):
                await self._connection.send(_who("hello", self._name))
            async with asyncio.timeout(TRANSFER_S):
                message, descriptors = await self._connection.receive()
        except TimeoutError:
            raise HandoverError("the running process does not hand over: no answer in time") from None
        handover = Handover()
        handover.adopt(descriptors)
        try:
            if message.get("kind") != "state":
                raise HandoverError(f"the running process does not hand over: {_reason(message)}")
            require_compatible(message, self._name)
            _read(handover, message)
        except HandoverError:
            handover.close()
            raise
        return handover

    async def taken(self) -> None:
        """Tell the predecessor that we work, and hear that it has let go, or has died.

        Raises HandoverError when it goes on itself.
        """
        connection = self._connection
        assert connection is not None
        try:
            async with asyncio.timeout(HELLO_S):
                with suppress(HandoverError):  # it has gone: what it said before is still to be read
                    await connection.send({"kind": "taken"})
                message, _ = await connection.receive()
        except HandoverError:
            logger.warning("the predecessor has died while it handed over")
        except TimeoutError:
            raise HandoverError("the predecessor says nothing any more") from None
        else:
            if message.get("kind") != "released":
                raise HandoverError(f"the predecessor goes on itself: {_reason(message)}")
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection; idempotent."""
        if self._connection is not None:
            self._connection.close()


def bound(path: str) -> socket.socket:
    """A UNIX socket at this path for a `Predecessor`, in place of what stands there. Raises OSError.

    Only for who has the control socket beside it: it says that nobody else listens here.
    """
    file = Path(path)
    file.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(listener.fileno(), 0o600)  # before bind: the socket's file gets this mode from the start
        listener.bind(path)
        file.chmod(0o600)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def require_compatible(message: Mapping[str, Any], name: str) -> None:
    """Raise HandoverError unless the other speaks as we do, and is the same part."""
    if message.get("version") != VERSION:
        raise HandoverError(
            f"version {message.get('version')!r} of the hand-over is not the one spoken here, {VERSION}:"
            " restart the part instead"
        )
    if message.get("part") != name:
        raise HandoverError(f"the one is the {message.get('part')!r}, the other the {name}")


def _who(kind: str, name: str) -> dict[str, Any]:
    return {"kind": kind, "version": VERSION, "carillon": __version__, "part": name}


def _read(handover: Handover, message: Mapping[str, Any]) -> None:
    state, process = message.get("state"), message.get("process", {})
    numbers = process.values() if isinstance(process, dict) else (None,)
    if not isinstance(state, dict) or not all(isinstance(number, int) for number in numbers):
        raise HandoverError("the running process hands over something that is no state")
    handover.state, handover.process = state, process
    handover.version = str(message.get("carillon", ""))[:64]


async def _expect(connection: Connection, kind: str) -> dict[str, Any]:
    message, descriptors = await connection.receive()
    for descriptor in descriptors:
        os.close(descriptor)
    if message.get("kind") != kind:
        raise HandoverError(f"{kind!r} was expected, not {str(message.get('kind'))[:64]!r}")
    return message


async def _refuse(connection: Connection, reason: str) -> None:
    with suppress(HandoverError, TimeoutError):
        async with asyncio.timeout(HELLO_S):
            await connection.send({"kind": "refused", "reason": reason})


def _reason(message: Mapping[str, Any]) -> str:
    return str(message.get("reason") or message.get("kind"))[:500]


def _end(pid: int) -> None:
    if pid:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
