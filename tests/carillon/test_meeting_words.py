"""Meetings in words, and tables that fit a terminal."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.meetings.table import WIDTH, table
from carillon.meetings.words import bitrate, duration, quality


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (3900, "1 h 5 min"),
        (86400, "1 d"),
        (86399, "23 h 59 min"),
        (90000, "1 d 1 h"),
        (200 * 86400, "200 d"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("bps", "words"),
    [(0, "0 kbit/s"), (34_400, "34 kbit/s"), (999_499, "999 kbit/s"), (1_250_000, "1.2 Mbit/s")],
)
def test_bitrates_in_words(bps: float, words: str) -> None:
    assert bitrate(bps) == words


def told(**changes: Any) -> dict[str, Any]:
    """What the component says of somebody of whom the bridge says little."""
    nothing = dict.fromkeys(("way", "rtt_ms", "up_bps", "down_bps", "loss_up", "loss_down", "jitter_ms"))
    return {"connected": True, **nothing, "heights": [], "pictures": [], **changes}


def test_quality_in_words() -> None:
    pictures = [{"source": "a", "layer": 2, "height": 720}, {"source": "b", "layer": None, "height": None}]
    way = {"protocol": "tcp", "kind": "relay", "address": "192.0.2.1:50000"}
    found = told(
        way=way,
        rtt_ms=34.4,
        up_bps=1_200_000,
        down_bps=80_000,
        loss_up=0.013,
        loss_down=0.0,
        heights=[180, 360],
        pictures=pictures,
    )
    assert quality(found) == (
        "TCP through TURN, round trip 34 ms, up 1.2 Mbit/s (1.3% lost), down 80 kbit/s, sends 180p/360p,"
        " gets 720p"
    )


@pytest.mark.parametrize(
    ("found", "words"),
    [(None, ""), (told(), ""), (told(connected=False, rtt_ms=3), "no connection to the bridge")],
)
def test_what_the_bridge_does_not_tell_is_left_out(found: dict[str, Any] | None, words: str) -> None:
    assert quality(found) == words


def test_a_table_has_columns_of_the_width_they_need() -> None:
    assert table(("A", "LONG"), [("x", "1"), ("yyy", "")], ["", "more"]) == [
        "A    LONG",
        "x    1",
        "yyy",
        "    more",
    ]


@given(rows=st.lists(st.tuples(*[st.text(max_size=80)] * 5), max_size=5), detail=st.text(max_size=200))
def test_no_table_is_wider_than_a_terminal(rows: list[tuple[str, ...]], detail: str) -> None:
    lines = table(("ONE", "TWO", "THREE", "FOUR", "FIVE"), rows, [detail] * len(rows))
    assert all(len(line) <= WIDTH and line.isprintable() for line in lines)
