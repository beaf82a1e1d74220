"""A Prosody that shall delegate is asked first whether it can."""

from pathlib import Path

import pytest

from carillon.prosody import Prosody
from carillon.settings import parse
from carillon.xmpp_server import XmppServerError


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a Prosody has its modules."""
    script = tmp_path / "prosody"
    script.write_text(f"#!/usr/bin/lua\nCFG_PLUGINDIR='{tmp_path}/modules/';\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "modules").mkdir()
    return tmp_path / "modules"


def prosody(directory: Path, delegation: str) -> Prosody:
    return Prosody(directory, parse(f"[xmpp]\ndelegation = {delegation}\n", directory / "carillon.toml"))


def test_without_the_module_it_says_what_to_install(tmp_path: Path, modules: Path) -> None:
    with pytest.raises(XmppServerError, match="mod_delegation: install Debian's package prosody-modules"):
        prosody(tmp_path, "true").program()


def test_with_the_module_and_where_nobody_wants_it_it_runs(tmp_path: Path, modules: Path) -> None:
    assert prosody(tmp_path, "false").program()
    (modules / "mod_delegation").mkdir()
    assert prosody(tmp_path, "true").program()
