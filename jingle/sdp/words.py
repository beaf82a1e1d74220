"""Words and numbers in the values of attributes."""

from __future__ import annotations

from jingle.errors import SdpError
from jingle.limits import VALUE_CHARS
from jingle.reading import WHOLE_NUMBER


def words(value: str, least: int) -> list[str]:
    """The words of a value, at least so many. Raises SdpError."""
    found = value.split()
    if len(found) < least or any(len(word) > VALUE_CHARS for word in found):
        raise SdpError(f"too few or too long words: {value[:40]!r}")
    return found


def number(value: str, low: int, high: int) -> int:
    """A whole number in low…high. Raises SdpError."""
    if not WHOLE_NUMBER.fullmatch(value) or not low <= int(value) <= high:
        raise SdpError(f"no number from {low} to {high}: {value[:40]!r}")
    return int(value)
