"""A Prosody that somebody runs already, and the snippet for one with mod_delegation put into it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from carillon.settings import Settings
from tests.carillon.stock_server import carillon_run, configure, meeting_of_a_guest, snippet
from tests.carillon.test_snippet_prosody import started, stock
from tests.carillon.xmpp_login import features_with_an_account
from tests.ports import free_base_port


@pytest.fixture
def configured(tmp_path: Path) -> Settings:
    return configure(tmp_path, free_base_port(), "delegation = true")


@pytest.fixture
def configuration(tmp_path: Path, configured: Settings) -> Path:
    """What the head of the snippet says, done."""
    path = stock(tmp_path, configured)
    text = path.read_text().replace("modules_enabled = {", 'modules_enabled = { "delegation";', 1)
    path.write_text(text)
    (tmp_path / "conf.d" / "carillon.cfg.lua").write_text(snippet("prosody", configured))
    return path


async def test_guests_meet_and_people_with_accounts_keep_what_they_have(
    tmp_path: Path, configured: Settings, configuration: Path
) -> None:
    c2s = (configured.xmpp.server, configured.xmpp.c2s_port)
    with started(configuration), carillon_run(configured):
        await meeting_of_a_guest(configured)
        found = features_with_an_account(c2s, "example.org", "ann", "secret")
    assert {"jabber:iq:last", "urn:xmpp:extdisco:1", "urn:xmpp:extdisco:2"} <= found
    assert "\terror\t" not in (tmp_path / "prosody.log").read_text()


def test_prosody_itself_finds_nothing_wrong_with_it(configuration: Path) -> None:
    argv = ("prosodyctl", "--config", str(configuration), "check", "config")
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert "All checks passed" in done.stdout, done.stdout
