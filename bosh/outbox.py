"""What the server has sent to a client of BOSH and no response has carried yet. No I/O."""

from __future__ import annotations

from collections import deque

QUEUE_BYTES = 65536
"""What waits for a client without a request before the server is not read any more."""
RESPONSE_BYTES = 131072
"""Elements in one response; a longer one goes alone."""


class Outbox:
    """Whole elements in their order."""

    __slots__ = ("_bytes", "_elements")

    def __init__(self) -> None:
        self._elements: deque[bytes] = deque()
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._elements)

    @property
    def full(self) -> bool:
        """Whether nothing more should come for now."""
        return self._bytes > QUEUE_BYTES

    def put(self, element: bytes) -> None:
        """Add one."""
        self._elements.append(element)
        self._bytes += len(element)

    def take(self) -> bytes:
        """The elements of one response: RESPONSE_BYTES, or one that is longer."""
        taken: list[bytes] = []
        size = 0
        while self._elements and (not taken or size + len(self._elements[0]) <= RESPONSE_BYTES):
            taken.append(self._elements.popleft())
            size += len(taken[-1])
        self._bytes -= size
        return b"".join(taken)

    def take_all(self) -> bytes:
        """All elements, for the last response."""
        taken = b"".join(self._elements)
        self._elements.clear()
        self._bytes = 0
        return taken
