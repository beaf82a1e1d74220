"""`[admin] jids`: bare JIDs as the XMPP server writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from carillon.settings import Settings, SettingsError, parse


def read(jids: str) -> Settings:
    return parse(f"[admin]\njids = {jids}\n", Path("/nowhere/carillon.toml"))


def test_nobody_is_administrator_unless_named() -> None:
    assert parse("", Path("/nowhere/carillon.toml")).admin.jids == ()


def test_administrators_are_bare_jids_of_any_domain() -> None:
    jids = ("root@example.org", "ann.b@example.com", "jürgen@example.org")
    assert read(str(list(jids))).admin.jids == jids


NO_SERVER_WRITES = ["", "root", "@example.org", "root@", "root@example.org/desk", "root@EXAMPLE.org"]
NO_SERVER_WRITES += [
    "Root@example.org",
    "a b@example.org",
    "a@b@example.org",
    'a"b@example.org',
    "x" * 256 + "@c",
]


@pytest.mark.parametrize("jid", NO_SERVER_WRITES)
def test_what_no_server_writes_is_refused_with_its_line(jid: str) -> None:
    with pytest.raises(SettingsError, match=r"2.*admin\.jids.*bare JID"):
        read(f"['{jid}']")
