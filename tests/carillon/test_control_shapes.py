"""The control APIs as the version before this one knew them: both run beside each other in an upgrade.

`tests/data/control/previous.json` has recorded answers. Newer ones may say more, never less or otherwise.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from carillon.control import ask
from carillon.part import control_socket
from carillon.settings import load
from carillon.settings.live import SUPERVISOR
from tests.dev_server import DevServer

RECORDED: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "data" / "control" / "previous.json").read_text()
)
"""By part and resource."""


def differences(before: Any, now: Any, where: str = "") -> list[str]:
    """Where `now` is not what somebody expects who knows `before`."""
    if isinstance(before, dict):
        if not isinstance(now, dict):
            return [f"{where} is no object any more"]
        return [
            one
            for key, value in before.items()
            for one in (
                differences(value, now[key], f"{where}.{key}") if key in now else [f"{where}.{key} is gone"]
            )
        ]
    if isinstance(before, list):
        if not isinstance(now, list):
            return [f"{where} is no list any more"]
        return [one for value in now[:1] if before for one in differences(before[0], value, f"{where}[]")]
    numbers = (int, float)
    same = before is None or now is None or isinstance(now, type(before))
    numeric = isinstance(before, numbers) and isinstance(now, numbers)
    return [] if same or numeric else [f"{where} was {before!r}, is {now!r}"]


@pytest.mark.parametrize("recorded", RECORDED)
def test_an_answer_has_all_that_the_version_before_had(recorded: str, deployment: DevServer) -> None:
    part, resource = recorded.split()
    settings = load(deployment.directory / "carillon.toml")
    path = settings.operation.control if part == SUPERVISOR else control_socket(part, settings)
    status, text = asyncio.run(ask(path, resource))
    assert status == 200
    assert differences(RECORDED[recorded], json.loads(text)) == []


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ({"a": 1}, {"a": 2.5, "b": "new"}, []),
        ({"a": 1}, {"b": 1}, [".a is gone"]),
        ({"a": {"b": "x"}}, {"a": {"b": 1}}, [".a.b was 'x', is 1"]),
        ({"a": None}, {"a": "x"}, []),
        ([{"a": 1}], [], []),
        ([{"a": 1}], [{}], ["[].a is gone"]),
        ({}, [], [" is no object any more"]),
        ([], {}, [" is no list any more"]),
    ],
)
def test_what_is_a_difference(before: Any, now: Any, found: list[str]) -> None:
    assert differences(before, now) == found
