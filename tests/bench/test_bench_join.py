"""`make bench-join` in its short form: every case comes, whole, and nothing is wildly slow."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.figures import Goal, finished, spread
from bench.join import Plan, run
from bench.tabs import INTERVALS, intervals
from carillon.part import PARTS

SLACK = 3
"""A test machine has other work: only what is far from a goal is a defect."""


def test_a_spread_names_median_95th_percentile_and_extremes() -> None:
    assert spread(range(1, 101)) == {"median": 50.5, "p95": 95, "min": 1, "max": 100, "n": 100}
    assert spread([7.25]) == {"median": 7.2, "p95": 7.2, "min": 7.2, "max": 7.2, "n": 1}
    assert spread([]) == {"n": 0}


def test_a_goal_is_reached_below_its_limit_only() -> None:
    goal = Goal("late.frame_ms.median", 515)
    assert goal.judged({"late": {"frame_ms": {"median": 514.9}}})["reached"]
    assert not goal.judged({"late": {"frame_ms": {"median": 515}}})["reached"]
    assert not goal.judged({"late": {"frame_ms": {"n": 0}}})["reached"]
    assert not goal.judged({})["reached"]


def test_a_line_tells_the_load_of_the_machine() -> None:
    line = finished({"case": "x"}, ())
    assert len(line["load"]) == 3
    assert line["goals"] == []


def test_a_step_that_did_not_happen_gives_no_interval() -> None:
    assert intervals([{"offer": 100.0, "ice": 130.0}, {"offer": 100.0}], "offer_ice_ms") == [30.0]


@pytest.mark.timeout(420)
async def test_the_short_form_prints_every_case_whole() -> None:
    plan = Plan(rooms=1, starts=1, scripted=6)
    lines: list[dict[str, Any]] = [line async for line in run(plan)]
    cases = [(line["case"], line.get("kind")) for line in lines]
    assert cases == [
        ("idle", None),
        ("staggered", "page"),
        ("simultaneous", "page"),
        ("staggered", "lyno"),
        ("simultaneous", "lyno"),
        ("first-room", "page"),
        ("first-room", "lyno"),
        ("scripted", None),
    ]
    for line in lines:
        json.dumps(line)
        assert line["goals"]
        for goal in line["goals"]:
            assert isinstance(goal["found"], int | float), goal
            if line["case"] == "first-room":
                continue  # one start against one tenth room says nothing
            assert goal["found"] < SLACK * goal["below"], (line["case"], line.get("kind"), goal)
        if line["case"] == "staggered":
            assert all(line["late"][name]["n"] == plan.rooms for name in INTERVALS)
        if line["case"] == "simultaneous":
            assert all(line[name]["n"] == 3 * plan.rooms for name in INTERVALS)
        if line["case"] == "first-room":
            assert line["first_by_tenth"]["joined_offer_ms"] > 0
        if "cpu_s" in line:
            assert set(line["cpu_s"]) == {"xmpp", *PARTS}
