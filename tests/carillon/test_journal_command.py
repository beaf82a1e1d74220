"""`carillon journal`, beside a component and without one."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from carillon.cli import main
from carillon.control import Control
from carillon.journal import Journal, Row
from carillon.journal.at_work import routes
from carillon.journal.check import look
from carillon.journal.inspect import of_file
from carillon.journal.sqlite_store import SqliteStore
from carillon.settings import load

ROOM = "weekly@conference.localhost"
ROWS = [Row("conference", ROOM, "", b'{"at":1}'), Row("call", "", "alice@localhost/phone", b'{"sid":"x"}')]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "carillon.toml"
    path.write_text("")
    return path


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "run" / "journal.sqlite", 1 << 24)


def left_behind(store: SqliteStore, age_s: float = 0.0) -> None:
    """What a component that was killed so long ago has left."""
    store.open()
    store.write(ROWS, time.time() - age_s)
    store.close()


@contextmanager
def running(config: Path, journal: Journal, rows: Sequence[Row] = ()) -> Iterator[None]:
    """A component's control API, in a thread of its own, after it has written these rows."""
    loop = asyncio.new_event_loop()
    control = Control(load(config).focus.control, lambda: None, routes(journal))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> None:
        with capture_logs():
            journal.write(rows)
        await control.start()

    async def stop() -> None:
        await control.stop()
        journal.close()

    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        yield
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def journal(config: Path, *words: str) -> int:
    return main(["journal", "--config", str(config), *words])


def test_show_lists_the_rows(config: Path, store: SqliteStore, capsys: pytest.CaptureFixture[str]) -> None:
    left_behind(store)
    assert journal(config, "show") == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split() for line in shown] == [
        ["KIND", "ROOM", "KEY", "BYTES"],
        ["call", "-", "alice@localhost/phone", "11"],
        ["conference", ROOM, "-", "8"],
    ]


def test_show_prints_values_only_when_it_is_told(
    config: Path, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    left_behind(store)
    assert journal(config, "show", "--json", "--room", ROOM) == 0
    assert json.loads(capsys.readouterr().out) == {
        "rows": [{"kind": "conference", "scope": ROOM, "key": "", "bytes": 8}]
    }
    assert journal(config, "show", "--json", "--room", ROOM, "--values") == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["value"] == {"at": 1}


def test_show_beside_a_component_that_writes(
    config: Path, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    store.open()
    for number in range(20):
        store.write([Row("conference", ROOM, str(number), b"{}")], 1.0)
        assert journal(config, "show", "--json") == 0
        assert len(json.loads(capsys.readouterr().out)["rows"]) == number + 1
    store.close()


def test_check_says_that_all_is_well(
    config: Path, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert journal(config, "check") == 0
    assert "no journal yet" in capsys.readouterr().out
    left_behind(store)
    assert journal(config, "check") == 0
    assert "a component would go on from it" in capsys.readouterr().out


def test_check_says_when_it_is_too_old(
    config: Path, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    left_behind(store, age_s=7200)
    assert journal(config, "check") == 0
    assert "2 h old: a component would begin anew" in capsys.readouterr().out


def test_check_says_the_trouble_of_a_running_component(
    config: Path, store: SqliteStore, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "run").write_text("a file where a directory should be")
    failing = Journal(store, 3600)
    config.write_text("[focus]\ncontrol = 'component.sock'\n")
    with running(config, failing):
        assert journal(config, "check", "--json") == 1
        told = json.loads(capsys.readouterr().out)
        assert (told["component"], told["rows"]) == (True, 0)
        assert "not protected from a restart" in told["trouble"]
        (finding,) = asyncio.run(look(load(config)))
    assert (finding.name, str(finding.level)) == ("component: journal", "error")


def test_check_without_a_component_says_what_a_component_could_not_do(
    config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "journal.sqlite").write_text("no database" * 1000)
    assert journal(config, "check") == 1
    assert "journal.sqlite" in capsys.readouterr().out


def test_prune_removes_what_is_too_old(
    config: Path, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    left_behind(store)
    assert journal(config, "prune") == 0
    assert capsys.readouterr().out == "no rows removed\n"
    left_behind(store, age_s=7200)
    assert journal(config, "prune") == 0
    assert capsys.readouterr().out == "2 rows removed\n"


def test_prune_all_removes_everything(
    config: Path, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    left_behind(store)
    assert journal(config, "prune", "--all", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"rows": 2}
    assert journal(config, "show") == 0
    assert capsys.readouterr().out == "The journal is empty.\n"


def test_prune_leaves_to_a_running_component_what_it_answers_for(
    config: Path, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    at_work = Journal(store, 3600)
    at_work.attach("conference", lambda: ROWS[:1])
    with running(config, at_work, ROWS):
        assert journal(config, "prune", "--all") == 1
        assert "the component runs" in capsys.readouterr().err
        assert journal(config, "prune") == 0
        assert capsys.readouterr().out.endswith("1 row removed\n")
    assert list(of_file(Path(load(config).journal.store)).rows) == ROWS[:1]


def test_without_a_journal_there_is_nothing_to_show(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text("[journal]\nstore = ''\n")
    assert journal(config, "show") == 1
    assert "there is no journal" in capsys.readouterr().err
    (finding,) = asyncio.run(look(load(config)))
    assert str(finding.level) == "ok"
