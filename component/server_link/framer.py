"""Finds the stanzas in the bytes of a stream and hands them on as bytes. No I/O, and no tree."""

from __future__ import annotations

import re
from typing import NamedTuple

from component.limited_stream import (
    Broken,
    Closed,
    Limit,
    LimitedStream,
    Limits,
    Opened,
    Refused,
    component_tag,
    stream_header,
)
from component.stanza import KINDS, Kind

_RAW_NAME = re.compile(rb"<([^\s/>]+)")


class Stanza(NamedTuple):
    """One whole top-level element as it came: a stanza, or what else stands on a stream."""

    tag: str
    """In Clark notation, in the stream's namespace where servers write `jabber:client`."""
    attributes: dict[str, str]
    """Those of its start tag."""
    data: bytes
    """All of it; what it inherits is what the header of its stream declares."""

    @property
    def kind(self) -> Kind | None:
        """Which stanza it is; None for anything else."""
        return KINDS.get(self.tag)


Event = Stanza | Opened | Refused | Closed | Broken


class _Nothing:
    """What takes the inside of stanzas and makes nothing of it."""

    def start(self, tag: str, attrs: dict[str, str], /) -> None:
        """A start tag."""

    def end(self, tag: str, /) -> None:
        """An end tag."""

    def data(self, data: str, /) -> None:
        """Character data."""


_NOTHING = _Nothing()


class Framer(LimitedStream[Stanza, _Nothing]):
    """One stream, in one direction. After Closed or Broken it takes no more."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self._root_name = b"stream:stream"

    @property
    def between_bytes(self) -> bytes | None:
        """What has come of a stanza that is not whole; None while one is skipped that broke a limit.

        A new framer that is fed `header` and then these bytes goes on where this one is.
        """
        if self._depth > 1 and self._builder is None:
            return None
        return bytes(self._at_hand)

    @property
    def opening(self) -> bytes:
        """A header that stands for the one of this stream, for a new framer."""
        return stream_header(self.namespaces)

    @property
    def root_end(self) -> bytes:
        """The end tag that belongs to `opening`."""
        return b"</" + self.opening[1:].partition(b" ")[0].rstrip(b">") + b">"

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes; raises nothing."""
        events = super().feed(data)
        if self._builder is not None and self._parsed - self._stanza_start > self.limits.bytes:
            self._refuse(Limit.BYTES)  # nobody else looks at text while it arrives
            self._release(self._parser.CurrentByteIndex)
        return events

    def _new_builder(self) -> _Nothing:
        return _NOTHING

    def _hold(self, data: bytes) -> None:
        """Beside what is not understood yet, or not whole."""
        if self._at_hand:
            self._at_hand += data
        else:
            super()._hold(data)

    def _release(self, token_start: int) -> None:
        if self._builder is not None:
            token_start = min(token_start, self._stanza_start)
        used = token_start - self._at_hand_start
        if used >= len(self._at_hand):
            self._at_hand = b""
        elif used:
            self._at_hand = bytearray(memoryview(self._at_hand)[used:])
        elif isinstance(self._at_hand, bytes):
            self._at_hand = bytearray(self._at_hand)
        self._at_hand_start = token_start

    def _on_root(self, name: str, attributes: dict[str, str]) -> None:
        super()._on_root(name, attributes)
        raw = _RAW_NAME.match(self._at_hand, self._parser.CurrentByteIndex - self._at_hand_start)
        if raw is not None:
            self._root_name = raw[1]

    def _whole(self, builder: _Nothing, position: int) -> Stanza:
        at_hand, at = self._at_hand, position - self._at_hand_start
        if at_hand.startswith(b"</", at) and not at_hand.startswith(b"</" + self._root_name, at):
            at = at_hand.index(b">", at) + 1
        data = bytes(at_hand[self._stanza_start - self._at_hand_start : at])
        name, attributes = self._stanza
        return Stanza(component_tag(self._names[name]), attributes, data)
