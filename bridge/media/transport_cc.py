"""Transport-wide feedback: the FCI of RTPFB FMT 15 (draft-holmer-rmcat-transport-wide-cc-extensions-01).

Without it a browser's estimate never leaves its start value and its upper simulcast layers stay off.
"""

from __future__ import annotations

import struct

from bridge.media.rtcp import RtcpError
from bridge.media.sequence import extend

TICKS_PER_SECOND = 4000
"""Arrival times count in units of 250 µs."""
REFERENCE_TICKS = 256
"""The reference time counts in units of 64 ms."""
MAX_STATUSES = 450
"""Statuses in one packet: it stays below a datagram even when all are large deltas."""
MAX_BACKWARDS = 250
"""A packet that comes so many numbers behind the feedback already sent is not reported any more."""
MAX_SPAN = 8192
"""A jump beyond this is a new start of the sender's counter, not loss."""

_HEAD = struct.Struct("!HH")
_LOST, _SMALL, _LARGE = 0, 1, 2


class Arrivals:
    """When the packets of one sender arrived, by transport-wide number; makes the feedback about them."""

    __slots__ = ("_feedback_count", "_highest", "_next", "_ticks")

    def __init__(self) -> None:
        self._ticks: dict[int, int] = {}
        self._highest = -1
        self._next = -1
        self._feedback_count = 0

    def __len__(self) -> int:
        return len(self._ticks)

    def add(self, sequence_number: int, now: float) -> None:
        """Note a packet (16-bit number) that arrived at `now`."""
        if self._highest < 0:
            index = sequence_number + 0x10000
            self._highest = self._next = index
        else:
            highest = self._highest
            index = highest + ((sequence_number - highest + 0x8000) & 0xFFFF) - 0x8000
            if index > highest:
                self._highest = index
            elif index < self._next - MAX_BACKWARDS:
                return
        if index not in self._ticks:
            self._ticks[index] = int(now * TICKS_PER_SECOND)

    def feedback(self) -> list[bytes]:
        """The FCIs (mostly one) about everything noted since the last call; none when that is nothing."""
        ticks, self._ticks = self._ticks, {}
        if not ticks:
            return []
        numbers = sorted(ticks)
        start = min(self._next, numbers[0])
        if numbers[0] - start > MAX_SPAN:
            start = numbers[0]
        self._next = numbers[-1] + 1
        blocks = []
        position = 0
        while position < len(numbers):
            block, position, start = self._one(ticks, numbers, position, start)
            blocks.append(block)
        return blocks

    def _one(
        self, ticks: dict[int, int], numbers: list[int], position: int, start: int
    ) -> tuple[bytes, int, int]:
        """One FCI from numbers[position:] on; returns it, how far it got and where the next starts."""
        if numbers[position] - start >= MAX_STATUSES:
            start = numbers[position]
        reference = ticks[numbers[position]] // REFERENCE_TICKS
        clock = reference * REFERENCE_TICKS
        statuses: list[int] = []
        deltas = bytearray()
        expected = start
        while position < len(numbers):
            number = numbers[position]
            delta = ticks[number] - clock
            if number - start >= MAX_STATUSES or not -0x8000 <= delta <= 0x7FFF:
                break
            statuses.extend([_LOST] * (number - expected))
            if 0 <= delta <= 0xFF:
                statuses.append(_SMALL)
                deltas.append(delta)
            else:
                statuses.append(_LARGE)
                deltas += delta.to_bytes(2, "big", signed=True)
            clock = ticks[number]
            expected = number + 1
            position += 1
        fci = _HEAD.pack(start & 0xFFFF, len(statuses)) + (
            (reference & 0xFFFFFF) << 8 | self._feedback_count
        ).to_bytes(4, "big")
        self._feedback_count = (self._feedback_count + 1) & 0xFF
        fci += _chunks(statuses) + bytes(deltas)
        return fci + bytes(-len(fci) % 4), position, expected


def _chunks(statuses: list[int]) -> bytes:
    """Packet chunks (§3.1.2–3.1.4): runs where they pay, else vectors of 14 one-bit or 7 two-bit symbols."""
    chunks = bytearray()
    position, count = 0, len(statuses)
    while position < count:
        symbol = statuses[position]
        run = 1
        while position + run < count and run < 0x1FFF and statuses[position + run] == symbol:
            run += 1
        short = position + run == count and run > 7
        if run >= 14 or short or (run >= 7 and symbol == _LARGE):
            chunks += (symbol << 13 | run).to_bytes(2, "big")
            position += run
            continue
        vector = statuses[position : position + 14]
        if _LARGE not in vector:
            width, length, word = 1, 14, 0x8000
        else:
            vector = vector[:7]
            width, length, word = 2, 7, 0xC000
        for index, status in enumerate(vector):
            word |= status << (width * (length - 1 - index))
        chunks += word.to_bytes(2, "big")
        position += len(vector)
    return bytes(chunks)


def parse_feedback(fci: bytes, reference_index: int = 0) -> list[tuple[int, float | None]]:
    """What an FCI says: (number, arrival in seconds on the receiver's clock, or None when lost).

    Numbers are extended next to `reference_index`. Raises RtcpError.
    """
    if len(fci) < 8:
        raise RtcpError("transport-cc feedback cut off")
    base, count = _HEAD.unpack_from(fci)
    reference = int.from_bytes(fci[4:7], "big", signed=True)
    statuses: list[int] = []
    position = 8
    while len(statuses) < count:
        if position + 2 > len(fci):
            raise RtcpError("transport-cc chunks cut off")
        word = int.from_bytes(fci[position : position + 2], "big")
        position += 2
        if not word & 0x8000:
            statuses.extend([word >> 13] * min(word & 0x1FFF, count - len(statuses)))
            if not word & 0x1FFF:
                raise RtcpError("transport-cc run of nothing")
        elif word & 0x4000:
            statuses.extend(word >> shift & 0x3 for shift in range(12, -1, -2))
        else:
            statuses.extend(word >> shift & 0x1 for shift in range(13, -1, -1))
    clock = reference * REFERENCE_TICKS
    index = extend(base, reference_index)
    told: list[tuple[int, float | None]] = []
    for status in statuses[:count]:
        if status == _LOST:
            told.append((index, None))
        else:
            width = 1 if status == _SMALL else 2
            if status not in (_SMALL, _LARGE) or position + width > len(fci):
                raise RtcpError("transport-cc deltas cut off")
            clock += int.from_bytes(fci[position : position + width], "big", signed=status == _LARGE)
            position += width
            told.append((index, clock / TICKS_PER_SECOND))
        index += 1
    return told
