"""What systemd is told (sd_notify(3))."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from carillon.systemd import MAX_STATUS, Systemd, message
from tests.carillon.notify_socket import notify_socket


def test_a_notification_is_one_assignment_a_line() -> None:
    told = message("STOPPING", extend_timeout_usec=5, status="ends")
    assert told == b"STOPPING=1\nEXTEND_TIMEOUT_USEC=5\nSTATUS=ends"


@given(st.text(alphabet=st.characters(), min_size=1))
@example("a\nWATCHDOG=1")
@example("\ud800")
def test_a_status_cannot_smuggle_in_another_assignment(status: str) -> None:
    assert message(status=status).decode().splitlines()[0].startswith("STATUS=")
    assert len(message(status=status).split(b"\n")) == 1


def test_a_status_is_cut() -> None:
    assert len(message(status="x" * 5000)) == len("STATUS=") + MAX_STATUS


async def test_without_a_socket_nothing_is_sent() -> None:
    systemd = Systemd({"WATCHDOG_USEC": "1000"})
    assert not systemd.listens and systemd.watchdog_s is None
    systemd.ready("at work")
    await systemd.beat(lambda: "at work")


def test_children_inherit_nothing() -> None:
    environment = {
        "NOTIFY_SOCKET": "/x",
        "WATCHDOG_USEC": "3000000",
        "WATCHDOG_PID": str(os.getpid()),
        "A": "b",
    }
    assert Systemd(environment).watchdog_s == 3.0
    assert environment == {"A": "b"}


@pytest.mark.parametrize(("usec", "pid"), [("3000000", "1"), ("", ""), ("x", "")])
def test_the_watchdog_of_another_process_is_not_fed(usec: str, pid: str) -> None:
    environment = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": usec, "WATCHDOG_PID": pid}
    assert Systemd(environment).watchdog_s is None


@pytest.mark.parametrize("abstract", [False, True])
async def test_the_states_reach_the_socket(tmp_path: Path, abstract: bool) -> None:
    path = f"@carillon-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with notify_socket(path) as receiver:
        systemd = Systemd(receiver.environment)
        systemd.ready("at work")
        systemd.reloading()
        systemd.stopping(2.5, "ends")
        ready, reloading, stopping = receiver.listen()
    assert ready == {"READY": "1", "STATUS": "at work"}
    assert reloading["RELOADING"] == "1" and int(reloading["MONOTONIC_USEC"]) > 0
    assert stopping == {"STOPPING": "1", "EXTEND_TIMEOUT_USEC": "2500000", "STATUS": "ends"}


async def test_the_watchdog_is_fed_at_half_of_its_time_and_a_status_is_told_once(tmp_path: Path) -> None:
    with notify_socket(str(tmp_path / "notify")) as receiver:
        beat = asyncio.create_task(
            Systemd(receiver.environment | {"WATCHDOG_USEC": "100000"}).beat(lambda: "at work")
        )
        await receiver.until(lambda _: len(receiver.heard) >= 3)
        beat.cancel()
    assert all(one["WATCHDOG"] == "1" for one in receiver.heard)
    assert [one.get("STATUS") for one in receiver.heard[:3]] == ["at work", None, None]


async def test_without_a_watchdog_a_status_is_told_alone(tmp_path: Path) -> None:
    with notify_socket(str(tmp_path / "notify")) as receiver:
        beat = asyncio.create_task(Systemd(receiver.environment).beat(lambda: "at work"))
        assert await receiver.until_has(STATUS="at work") == {"STATUS": "at work"}
        beat.cancel()


def test_a_socket_that_is_gone_is_said_once_and_hurts_nobody(tmp_path: Path) -> None:
    systemd = Systemd({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    with capture_logs() as lines:
        systemd.ready("at work")
        systemd.ready("at work")
    assert len(lines) == 1
