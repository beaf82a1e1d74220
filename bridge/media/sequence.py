"""Counters that wrap: sequence numbers, timestamps and picture ids made comparable."""

from __future__ import annotations


def signed_distance(later: int, earlier: int, bits: int) -> int:
    """How far `later` lies ahead of `earlier` on a circle of 2^bits: negative when it lies behind."""
    half = 1 << (bits - 1)
    return ((later - earlier + half) & ((1 << bits) - 1)) - half


def extend(value: int, reference: int, bits: int = 16) -> int:
    """The number nearest to `reference` (which counts the wraps) whose low bits are `value`."""
    return reference + signed_distance(value, reference, bits)
