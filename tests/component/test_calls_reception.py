from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from carillon.settings import parse
from component.calls.reception import Reception


@pytest.mark.parametrize(
    ("guests", "caller", "name"),
    [
        ("guest.localhost", "x8-3k@guest.localhost/r", "Guest"),
        ("guest.localhost", "alice@localhost/r", "alice"),
        ("localhost", "alice@localhost/r", "alice"),  # ejabberd: nobody can be told from a guest there
    ],
)
def test_who_says_no_name_is_called_by_their_account(guests: str, caller: str, name: str) -> None:
    settings = parse(f'[xmpp]\nguest_domain = "{guests}"', Path("carillon.toml"))
    nothing = cast(Any, None)
    assert Reception(settings, nothing, nothing, nothing, nothing, record=nothing).name(caller) == name
