"""The short form of `make soak-rooms`: a minute of rooms in which parts of carillon are killed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.soak.rooms import Plan, soak

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

MINUTE = Plan(minutes=1.0, rooms=3, tabs=1, bots=2, every_s=15.0, warm_s=5.0)


async def test_rooms_go_on_for_a_minute_while_parts_are_killed(
    tmp_path: Path, browser: Browser, library: str
) -> None:
    async with soak(MINUTE, browser, library, tmp_path) as running:
        async for line in running.lines():
            print(json.dumps(line))
        assert running.failures == []
