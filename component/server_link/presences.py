"""To whom the component is available (directed presence, RFC 6121 §4.6), so they hear its end. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from component.server_link.framer import Stanza
from component.stanza import PRESENCE

MAX_PRESENCES = 20_000
"""One for each occupant of ours in a room; 200 bytes each. Beyond it the oldest is forgotten."""


class Presences:
    """Pairs of an address of ours and one that it is available to."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._pairs: dict[tuple[str, str], None] = dict.fromkeys(pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Ours and theirs, oldest first."""
        return iter(self._pairs)

    def add(self, ours: str, theirs: str) -> None:
        """Ours is available to theirs."""
        pair = ours, theirs
        self._pairs.pop(pair, None)
        self._pairs[pair] = None
        if len(self._pairs) > MAX_PRESENCES:
            del self._pairs[next(iter(self._pairs))]

    def sent(self, stanza: Stanza) -> None:
        """The component sends a stanza."""
        if stanza.tag != PRESENCE:
            return
        get = stanza.attributes.get
        type_, pair = get("type"), (get("from", ""), get("to", ""))
        if type_ is None and all(pair):
            self.add(*pair)
        elif type_ == "unavailable":
            self._pairs.pop(pair, None)

    def received(self, stanza: Stanza) -> None:
        """The server sends one: who is gone, or refuses ours, need not be told."""
        if stanza.tag == PRESENCE and stanza.attributes.get("type") in ("unavailable", "error"):
            self._pairs.pop((stanza.attributes.get("to", ""), stanza.attributes.get("from", "")), None)

    def clear(self) -> None:
        """The session is over."""
        self._pairs.clear()
