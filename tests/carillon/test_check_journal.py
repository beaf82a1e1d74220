"""`carillon check` where the journal can be neither read nor written: its first line says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.carillon.checked import check
from tests.dev_server import DevServer
from tests.ports import free_port


@pytest.fixture
def config(deployment: DevServer) -> Path:
    return Path(deployment.endpoints["config"])


def overrides(store: str, directory: Path) -> tuple[str, ...]:
    """A component that does not run, and would have its journal there."""
    return f"journal.store='{store}'", f"focus.control='{directory}/component.sock'"


def test_a_journal_that_cannot_be_written(config: Path, tmp_path: Path) -> None:
    directory = tmp_path / "read-only"
    directory.mkdir(mode=0o500)
    # Root writes everywhere, unless it gives that right away.
    without = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
    given = overrides(f"{directory}/journal.sqlite", tmp_path)
    done = check(config, "component", within=without, overrides=given)
    assert done.status == 1
    (line,) = [line for line in done.output.splitlines() if "component: journal:" in line]
    assert line.startswith("error ")
    assert f"{directory}/journal.sqlite cannot be written: give it, and the directory {directory}," in line


def test_a_journal_that_is_the_database_of_another_program(config: Path, tmp_path: Path) -> None:
    store = tmp_path / "journal.sqlite"
    store.write_text("no database at all" * 1000)
    done = check(config, "component", overrides=overrides(str(store), tmp_path))
    assert done.status == 1
    (line,) = [line for line in done.output.splitlines() if "component: journal:" in line]
    assert line.startswith("error ")


def test_a_redis_that_is_away(config: Path, tmp_path: Path) -> None:
    done = check(config, "component", overrides=overrides(f"redis://127.0.0.1:{free_port()}/0", tmp_path))
    assert done.status == 1
    (line,) = [line for line in done.output.splitlines() if "component: journal:" in line]
    assert "the Redis at 127.0.0.1:" in line
