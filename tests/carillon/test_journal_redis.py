"""The journal in a real Redis: the same as in a file, and what happens when it hangs or goes away."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from carillon.journal import Journal, Row
from carillon.journal.journal import RETRY_S
from carillon.journal.redis_store import RedisStore, where
from carillon.journal.schema import Newer, Step
from carillon.journal.store import StoreError, Superseded
from tests.leash import LEASH

START_S = 20.0
HOST = "focus.example.org"


@dataclass
class Server:
    """A redis-server on a UNIX socket."""

    directory: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.directory / 'redis.sock'}"

    @property
    def client(self) -> Any:
        return redis.Redis.from_url(self.url)

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program, "redis-server is missing: install Debian's package redis-server"
        options = {"port": "0", "unixsocket": "redis.sock", "save": "", "appendonly": "yes"}
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*LEASH, program, *words], cwd=self.directory, stdout=log, start_new_session=True
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert time.monotonic() < deadline, (self.directory / "log").read_text()
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def stop(self) -> None:
        assert self.process is not None
        self.signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    made.start()
    yield made
    made.stop()


def row(key: str, value: bytes | None = b"{}") -> Row:
    return Row("endpoint", "größe@conference.example.org", key, value)


def journal(server: Server) -> Journal:
    return Journal(RedisStore(server.url, HOST), 3600)


def test_what_was_written_is_given_to_the_next_component(server: Server) -> None:
    assert journal(server).write([row("a", bytes(range(256))), row("b")])
    second = journal(server)
    second.write([row("b", None), row("c")])
    assert sorted(journal(server).load("endpoint"), key=lambda row: row.key) == [
        row("a", bytes(range(256))),
        row("c"),
    ]


def test_journals_of_other_components_in_the_same_redis_are_not_touched(server: Server) -> None:
    journal(server).write([row("a")])
    other = Journal(RedisStore(server.url, "focus.elsewhere.org"), 3600)
    assert other.load("endpoint") == []
    other.write([row("a", None)])
    assert journal(server).load("endpoint") == [row("a")]


def test_who_opens_it_later_is_the_one_that_writes(server: Server) -> None:
    first, second = RedisStore(server.url, HOST), RedisStore(server.url, HOST)
    first.open()
    second.open()
    with pytest.raises(Superseded):
        first.write([row("a")], 1.0)
    first.close()
    with pytest.raises(Superseded):
        first.open()
    second.write([row("b")], 1.0)
    assert second.load() == [row("b")]


def test_it_knows_when_somebody_was_last_there(server: Server) -> None:
    store = RedisStore(server.url, HOST)
    store.open()
    assert store.attended_at() is None
    store.attend(5.5)
    seen = store.inspect()
    assert (seen.attended_at, seen.exists) == (5.5, True)


def test_a_redis_that_hangs_holds_nobody_up_and_all_is_written_when_it_is_back(server: Server) -> None:
    kept = journal(server)
    kept.attach("endpoint", lambda: [row("now")])
    assert kept.write([row("before")])
    server.signal(signal.SIGSTOP)
    longest = 0.0
    with capture_logs() as log:
        for tenth in range(60):  # six seconds of a meeting
            began = time.perf_counter()
            assert not kept.write([row("lost")])
            kept.tick(tenth / 10)
            longest = max(longest, time.perf_counter() - began)
        assert "does not answer" in (kept.trouble() or "")
        server.signal(signal.SIGCONT)
        deadline = time.monotonic() + START_S
        for tries in range(2, 100):
            kept.tick(tries * RETRY_S)
            if kept.trouble() is None:
                break
            assert time.monotonic() < deadline
    print(f"longest {longest * 1000:.0f} ms")
    assert longest < 0.35  # 0.25, and a machine that is busy
    assert kept.load("endpoint") == [row("now")]
    assert [entry["log_level"] for entry in log] == ["error", "info"]


def test_a_redis_that_is_restarted_is_found_again(server: Server) -> None:
    kept = journal(server)
    kept.attach("endpoint", lambda: [row("now")])
    assert kept.write([row("before")])
    server.stop()
    with capture_logs():
        assert not kept.write([row("lost")])
        kept.tick(RETRY_S)
        assert "cannot be used" in (kept.trouble() or "")
        server.start()
        kept.tick(2 * RETRY_S)
    assert kept.trouble() is None
    assert journal(server).load("endpoint") == [row("now")]


def test_what_is_no_journal_is_set_aside_and_never_deleted(server: Server) -> None:
    name = f"{{carillon:{HOST}}}:rows"
    server.client.hset(name, "nonsense", "x")
    with capture_logs() as log:
        assert journal(server).load("endpoint") == []
    (aside,) = server.client.keys("*broken*")
    assert server.client.hgetall(aside) == {b"nonsense": b"x"}
    assert [entry["log_level"] for entry in log] == ["error"]


def test_a_key_of_another_kind_is_no_journal_and_is_said(server: Server) -> None:
    server.client.set(f"{{carillon:{HOST}}}:meta", "x")
    store = RedisStore(server.url, HOST)
    with pytest.raises(StoreError, match="cannot be used"):
        store.open()
    with pytest.raises(StoreError, match="cannot be used"):
        store.inspect()


def test_the_journal_of_a_newer_carillon_is_refused_in_words(server: Server) -> None:
    newer = RedisStore(server.url, HOST, (Step("in some years"),))
    newer.open()
    newer.write([row("a")], 1.0)
    with pytest.raises(Newer):
        RedisStore(server.url, HOST).open()


def test_a_journal_passes_through_every_step_of_the_versions_between(server: Server) -> None:
    def renamed(row: Row) -> Row | None:
        return None if row.key == "passing" else Row("other", row.scope, row.key, row.value)

    journal(server).write([row("a"), row("passing")])
    newer = RedisStore(server.url, HOST, (Step("a kind has another name", row=renamed),))
    newer.open()
    assert newer.load() == [Row("other", row("a").scope, "a", b"{}")]


def test_where_it_is_is_said_without_the_password() -> None:
    assert where("redis://:secret@redis.example.org/0") == "redis.example.org:6379"
    store = RedisStore("redis://:secret@127.0.0.1:1/0", HOST)
    with pytest.raises(StoreError) as caught:
        store.open()
    assert "secret" not in str(caught.value)
    assert "127.0.0.1:1" in str(caught.value)
