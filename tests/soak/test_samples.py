from __future__ import annotations

import os

import pytest

from tests.soak.samples import Samples, grown, slope


def figures(begin: float, end: float) -> dict[str, float]:
    return {"begin": begin, "end": end, "max": max(begin, end)}


def test_a_slope_is_that_of_a_straight_line_and_of_nothing_it_is_0() -> None:
    assert slope([(0.0, 10.0), (1.0, 12.0), (2.0, 14.0)]) == pytest.approx(2.0)
    assert slope([]) == slope([(1.0, 5.0)]) == slope([(1.0, 5.0), (1.0, 7.0)]) == 0.0


def test_what_grew_by_more_than_chance_is_said() -> None:
    flat = {"rss_mib": figures(50, 57), "descriptors": figures(20, 24), "tasks": figures(100, 109)}
    leak = {"rss_mib": figures(50, 59), "descriptors": figures(20, 24)}
    assert grown({"front": flat, "relay": leak}) == ["relay: rss_mib grew from 50 to 59"]


async def test_a_process_is_looked_at_only_when_it_is_warm() -> None:
    samples = Samples()
    for second in range(12):
        await samples.take(second, "this", os.getpid(), None)
        await samples.take(second, "gone", 1 << 30, None)
    assert samples.summary(warm_s=8) == {}
    summary = samples.summary(warm_s=5)
    assert set(summary) == {"this"} and summary["this"]["descriptors"]["end"] > 0
