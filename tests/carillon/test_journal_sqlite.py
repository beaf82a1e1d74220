"""The journal in a file: what is left of it after kills, cuts of power, full disks and broken files."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from carillon.journal import Journal, Row, checkpoint
from carillon.journal.checkpoint import Checkpoints
from carillon.journal.inspect import of_file
from carillon.journal.schema import STEPS, Newer, Step, version_of
from carillon.journal.sqlite_store import MAX_SET_ASIDE, PAGE_BYTES, SqliteStore
from carillon.journal.store import StoreError, Superseded
from tests.carillon.journal_writer import number_in, transaction
from tests.leash import LEASH

DATA = Path(__file__).parents[1] / "data" / "journal"
WRITER = Path(__file__).with_name("journal_writer.py")
MAX_BYTES = 1 << 24


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "journal.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(path, MAX_BYTES)
    made.open()
    yield made
    made.close()


def reopened(path: Path, *steps: Step) -> list[Row]:
    """What the next component finds."""
    again = SqliteStore(path, MAX_BYTES, steps or STEPS)
    again.open()
    try:
        return again.load()
    finally:
        again.close()


def copied(path: Path, to: Path) -> Path:
    """As a machine that loses power now would leave the files if all of them got to the disk."""
    to.mkdir()
    for file in path.parent.iterdir():
        if not file.name.endswith("-shm"):  # that is memory
            shutil.copy(file, to / file.name)
    return to / path.name


def wal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def test_the_files_are_for_their_owner_only(store: SqliteStore, path: Path) -> None:
    store.write(transaction(1), 1.0)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert len(modes) == 3


def test_a_file_that_others_may_read_is_closed_to_them(path: Path) -> None:
    path.parent.mkdir()
    path.touch(mode=0o644)
    reopened(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_every_value_comes_back_as_it_was(store: SqliteStore, path: Path) -> None:
    rows = [Row("kind", "größe@host", "", bytes(range(256))), Row("kind", "", "x", b"")]
    store.write(rows, 5.0)
    assert reopened(path) == rows


def test_it_knows_when_somebody_was_last_there(store: SqliteStore) -> None:
    assert store.attended_at() is None
    store.write(transaction(1), 5.0)
    assert store.attended_at() == 5.0
    store.attend(7.0)
    assert store.attended_at() == 7.0


def test_who_opens_it_later_is_the_one_that_writes(store: SqliteStore, path: Path) -> None:
    store.write(transaction(1), 1.0)
    later = SqliteStore(path, MAX_BYTES)
    later.open()
    with pytest.raises(Superseded):
        store.write(transaction(2), 2.0)
    store.close()
    with pytest.raises(Superseded):
        store.open()
    later.write(transaction(3), 3.0)
    later.close()


def test_after_any_cut_of_power_it_is_whole_and_a_prefix_of_what_was_written(
    store: SqliteStore, path: Path, tmp_path: Path
) -> None:
    """The log ends anywhere: what had not got to the disk is missing, or anything."""
    draw = random.Random(1)
    for number in range(1, 30):
        store.write(transaction(number), float(number))
    kept = copied(path, tmp_path / "kept")
    size = wal(kept).stat().st_size
    found = []
    for cut in sorted(draw.sample(range(size), 60)):
        after = copied(kept, tmp_path / f"cut-{cut}")
        with wal(after).open("r+b") as file:
            if draw.random() < 0.5:
                file.truncate(cut)
            else:
                file.seek(cut)
                file.write(draw.randbytes(size - cut))
        found.append(number_in(reopened(after)))
    assert found == sorted(found)
    assert len(set(found)) > 10


def test_a_cut_of_power_within_a_checkpoint_loses_nothing(
    store: SqliteStore, path: Path, tmp_path: Path
) -> None:
    """Any of the pages that were being carried over may have got to the disk: the log has them all."""
    draw = random.Random(2)
    for number in range(1, 20):
        store.write(transaction(number), float(number))
    before = copied(path, tmp_path / "before")
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(PASSIVE)")
    carried = path.read_bytes()
    for chance in range(20):
        after = copied(before, tmp_path / f"chance-{chance}")
        with after.open("r+b") as file:
            for page in range(0, len(carried), PAGE_BYTES):
                if draw.random() < 0.5:
                    file.seek(page)
                    file.write(carried[page : page + PAGE_BYTES])
        assert number_in(reopened(after)) == 19


def test_the_log_is_carried_over_and_begins_anew(store: SqliteStore, path: Path) -> None:
    for number in range(1, 50):
        store.write(transaction(number), 1.0)
    assert wal(path).stat().st_size > 50 * PAGE_BYTES
    checkpoints = Checkpoints(path, MAX_BYTES)
    with closing(checkpoints.connect()) as connection:
        checkpoints.carry_over(connection)
    assert wal(path).stat().st_size <= 3 * PAGE_BYTES
    assert checkpoints.failure is None
    assert number_in(store.load()) == 49


def test_a_log_that_cannot_be_carried_over_is_said_when_it_is_too_large(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "_BUSY_S", 0.0)
    with closing(sqlite3.connect(path)) as reader:
        store.write(transaction(1), 1.0)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM rows").fetchone()
        for number in range(2, 50):
            store.write(transaction(number), 1.0)
        checkpoints = Checkpoints(path, 10 * PAGE_BYTES)
        with closing(checkpoints.connect()) as connection, closing(sqlite3.connect(path)) as other:
            other.execute("BEGIN IMMEDIATE")
            checkpoints.carry_over(connection)
    assert "cannot be carried over" in (checkpoints.failure or "")


def killed(path: Path, times: int, seed: int) -> list[int]:
    """Have a process write and be killed so many times; gives how far each had come."""
    draw, reached = random.Random(seed), []
    for _ in range(times):
        argv = [*LEASH, sys.executable, str(WRITER), str(path)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True) as writer:
            assert writer.stdout is not None
            said = 0
            for _ in range(draw.randint(1, 200)):
                said = int(writer.stdout.readline())
            os.killpg(writer.pid, signal.SIGKILL)
            rest = writer.stdout.read().split()
        written = number_in(list(of_file(path).rows))
        assert written - int(rest[-1] if rest else said) in (
            0,
            1,
        )  # 1: written, and killed before it was said
        reached.append(written)
    assert reached == sorted(reached)
    return reached


def test_a_process_that_is_killed_five_times_loses_nothing(path: Path) -> None:
    assert len(killed(path, 5, seed=3)) == 5


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_process_that_is_killed_fifty_times_loses_nothing(path: Path) -> None:
    reached = killed(path, 50, seed=4)
    print(f"50 kills: {reached[-1]} transactions, none lost, none half done")


FULL = """
import sys
from itertools import count
from pathlib import Path
from structlog.testing import capture_logs
from carillon.journal import Journal, Row
from carillon.journal.sqlite_store import SqliteStore

directory = Path(sys.argv[1])
journal = Journal(SqliteStore(directory / "journal.sqlite", 1 << 24), 3600)
journal.attach("kind", lambda: [Row("kind", "room", "all", b"here")])
filler = directory / "filler"
with capture_logs() as log:
    assert journal.write([Row("kind", "room", "first", b"x" * 4000)])
    with filler.open("wb", 0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    failed = next(number for number in count() if not journal.write([Row("kind", "room", "n", b"x" * 9000)]))
    assert "disk is full" in journal.trouble(), journal.trouble()
    journal.tick(5.0)
    assert "disk is full" in journal.trouble(), journal.trouble()
    filler.unlink()
    journal.tick(10.0)
assert journal.trouble() is None, journal.trouble()
assert journal.load("kind") == [Row("kind", "room", "all", b"here")]
assert [entry["log_level"] for entry in log] == ["error", "info"], log
"""


def test_on_a_full_disk_the_loss_of_protection_is_said_and_heals_when_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    script = tmp_path / "full.py"
    script.write_text(FULL)
    inside = f"mount -t tmpfs -o size=600k tmpfs {disk} && exec {sys.executable} {script} {disk}"
    subprocess.run(
        [*LEASH, "unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside],
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=60,
    )


READ_ONLY = """
import sys
from pathlib import Path
from carillon.journal import Journal, Row
from carillon.journal.sqlite_store import SqliteStore

journal = Journal(SqliteStore(Path(sys.argv[1]) / "journal.sqlite", 1 << 24), 3600)
assert journal.load("kind") == []
assert not journal.write([Row("kind", "room", "a", b"{}")])
print(journal.trouble())
"""


def test_in_a_directory_that_is_read_only_the_loss_of_protection_is_said(tmp_path: Path) -> None:
    directory = tmp_path / "read-only"
    directory.mkdir()
    directory.chmod(0o500)
    script = tmp_path / "read_only.py"
    script.write_text(READ_ONLY)
    # Root writes everywhere, unless it gives that right away.
    without = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
    done = subprocess.run(
        [*LEASH, *without, sys.executable, str(script), str(directory)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=60,
    )
    assert "must be able to write there" in done.stdout


@pytest.mark.parametrize("broken", [b"this is no database" * 500, b"SQLite format 3\0" + b"\1" * 9000])
def test_a_broken_file_is_set_aside_and_never_deleted(path: Path, broken: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(broken)
    with capture_logs() as log:
        assert reopened(path) == []
    (aside,) = path.parent.glob("journal.sqlite.broken-*")
    assert aside.read_bytes() == broken
    assert [entry["log_level"] for entry in log] == ["error"]


def test_a_page_that_is_broken_sets_the_file_aside_while_it_is_in_use(path: Path, tmp_path: Path) -> None:
    first = SqliteStore(path, MAX_BYTES)
    first.open()
    first.write([Row("kind", "", str(number), b"x" * 3000) for number in range(100)], 1.0)
    first.close()
    with closing(sqlite3.connect(path)) as connection:  # the store's own thread does so in its own time
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    with path.open("r+b") as file:
        for page in range(2, path.stat().st_size // PAGE_BYTES, 3):
            file.seek(page * PAGE_BYTES)
            file.write(b"\xff" * 100)
    with capture_logs():
        assert reopened(path) == []
    assert len(list(path.parent.glob("journal.sqlite.broken-*"))) == 1


def test_files_are_not_set_aside_for_ever(path: Path) -> None:
    path.parent.mkdir()
    for number in range(MAX_SET_ASIDE):
        path.with_name(f"{path.name}.broken-{number}").touch()
    path.write_bytes(b"this is no database" * 500)
    with pytest.raises(StoreError, match="see whether its disk is good"):
        reopened(path)
    assert path.read_bytes().startswith(b"this is no database")


def test_the_database_of_another_program_is_left_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE prosody (host TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is the database of another program"):
        reopened(path)
    assert path.read_bytes() == before


def test_a_file_that_was_removed_is_noticed_and_written_anew(path: Path) -> None:
    journal = Journal(SqliteStore(path, MAX_BYTES), 3600)
    journal.attach("kind", lambda: [Row("kind", "", "a", b"{}")])
    journal.write([Row("kind", "", "a", b"{}")])
    for file in path.parent.iterdir():
        file.unlink()
    with capture_logs():
        journal.tick(0.0)
        assert "was removed" in (journal.trouble() or "")
        journal.tick(5.0)
    assert journal.trouble() is None
    assert list(of_file(path).rows) == [Row("kind", "", "a", b"{}")]
    journal.close()


def test_the_file_grows_to_its_limit_and_no_further(path: Path) -> None:
    small = SqliteStore(path, 40 * PAGE_BYTES)
    small.open()
    with pytest.raises(StoreError, match=r"journal\.max_bytes"):
        for number in range(100):
            small.write([Row("kind", "", str(number), b"x" * PAGE_BYTES)], 1.0)
    small.close()


# Versions


def test_the_file_of_the_first_version_can_still_be_read(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    shutil.copy(DATA / "version_1.sqlite", path)
    assert reopened(path) == [
        Row("conference", "weekly@conference.example.org", "", b'{"v":1}'),
        Row("call", "", "alice@example.org/phone\na73sjjvkla37jfea", b'{"v":1}'),
    ]


def test_the_journal_of_a_newer_carillon_is_refused_in_words(path: Path) -> None:
    reopened(path, Step("in some years"))
    with pytest.raises(Newer, match="run the newer one that wrote it"):
        reopened(path)
    assert not list(path.parent.glob("*.broken-*"))


def test_a_journal_passes_through_every_step_of_the_versions_between(path: Path) -> None:
    def renamed(row: Row) -> Row | None:
        return None if row.kind == "passing" else Row("other", row.scope, row.key, row.value)

    def wrapped(row: Row) -> Row:
        return Row(row.kind, row.scope, row.key, b"[" + (row.value or b"") + b"]")

    first = SqliteStore(path, MAX_BYTES)
    first.open()
    first.write([Row("kind", "room", "a", b"1"), Row("passing", "", "b", b"2")], 1.0)
    first.close()
    steps = (
        Step("a kind has another name", row=renamed),
        Step("values are lists", layout=("CREATE TABLE more (name TEXT)",), row=wrapped),
    )
    assert reopened(path, *steps) == [Row("other", "room", "a", b"[1]")]
    assert reopened(path, *steps) == [Row("other", "room", "a", b"[1]")]
    assert version_of(steps) == 3


def test_a_step_that_fails_leaves_the_journal_as_it_was(path: Path) -> None:
    first = SqliteStore(path, MAX_BYTES)
    first.open()
    first.write(transaction(1), 1.0)
    first.close()
    with pytest.raises(StoreError):
        reopened(path, Step("a step with a mistake", layout=("CREATE TABLE rows (again TEXT)",)))
    assert number_in(reopened(path)) == 1
