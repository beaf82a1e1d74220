"""What systemd would hear: a datagram socket that keeps the notifications of a service."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class NotifySocket:
    """Receives notifications; each is a dictionary of its assignments."""

    def __init__(self, path: str) -> None:
        self.environment = {"NOTIFY_SOCKET": path}
        self.heard: list[dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + path[1:] if path.startswith("@") else path)
        self._socket.setblocking(False)

    def listen(self) -> list[dict[str, str]]:
        """All that was heard so far."""
        while True:
            try:
                text = self._socket.recv(65536).decode()
            except BlockingIOError:
                return self.heard
            self.heard.append(dict(line.split("=", 1) for line in text.split("\n")))

    async def until(
        self, wanted: Callable[[dict[str, str]], bool], timeout_s: float = 30.0
    ) -> dict[str, str]:
        """The first notification that is wanted; waits for it."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for one in self.listen():
                if wanted(one):
                    return one
            await asyncio.sleep(0.02)
        raise AssertionError(f"only heard {self.heard}")

    async def until_has(self, **assignments: str) -> dict[str, str]:
        """The first notification with all these assignments."""
        return await self.until(lambda one: assignments.items() <= one.items())

    def close(self) -> None:
        self._socket.close()


@contextmanager
def notify_socket(path: str) -> Iterator[NotifySocket]:
    """A socket at this path ("@" before an abstract one)."""
    receiver = NotifySocket(path)
    try:
        yield receiver
    finally:
        receiver.close()
