"""`bench.socks5` in its short form: every case comes, whole, and nothing is wildly dear."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.socks5 import KINDS, SIZES, Plan, run

SLACK = 3
"""A test machine has other work: only what is far from a goal is a defect."""


@pytest.mark.timeout(300)
async def test_the_short_form_prints_every_case_of_both_proxies() -> None:
    plan = Plan(megabytes=128, streams=4, setups=5, tails=1)
    lines: list[dict[str, Any]] = [line async for line in run(plan)]
    cases = [(line["case"], line.get("kind"), line.get("streams")) for line in lines]
    assert cases == [
        *(
            (case, kind, streams)
            for kind in KINDS
            for case, streams in (("moved", 1), ("moved", 4), ("set-up", None), ("tails", None))
        ),
        ("compared", None, None),
    ]
    for line in lines:
        json.dumps(line)
        if line.get("kind") == "carillon" and line["case"] == "moved":
            (goal,) = line["goals"]
            assert goal["found"] < SLACK * goal["below"], line
        if line.get("kind") == "carillon" and line["case"] == "tails":
            assert line["lost"] == dict.fromkeys(map(str, SIZES), 0)
    assert lines[-1]["cpu_1"] > 5  # it is about 50
