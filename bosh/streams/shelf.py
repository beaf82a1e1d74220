"""The streams that can be resumed, by the token that their client was given. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bosh.streams.kept_stream import KeptStream


class Shelf:
    """Knows every resumable stream, and in which order the clients of some were lost."""

    def __init__(self, max_held: int) -> None:
        """At most `max_held` streams wait for their client at a time."""
        self.max_held = max_held
        self._streams: dict[str, KeptStream] = {}
        self._held: dict[str, None] = {}

    @property
    def held(self) -> int:
        """How many streams wait for their client."""
        return len(self._held)

    def put(self, token: str, stream: KeptStream) -> None:
        """This one can be resumed with `token`."""
        self._streams[token] = stream

    def find(self, token: str) -> KeptStream | None:
        """The stream to resume with it, if there is one."""
        return self._streams.get(token)

    def hold(self, token: str) -> KeptStream | None:
        """Its client is lost. Gives the stream that has waited longest when they are too many."""
        self._held[token] = None
        return self._streams[next(iter(self._held))] if len(self._held) > self.max_held else None

    def back(self, token: str) -> None:
        """Its client has come back."""
        self._held.pop(token, None)

    def forget(self, token: str) -> None:
        """It cannot be resumed any more; idempotent."""
        self._streams.pop(token, None)
        self._held.pop(token, None)
