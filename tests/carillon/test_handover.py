"""Messages between an old and a new process: any state, any number of sockets, and nothing but that."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.handover import MAX_STATE_BYTES, PIECE, Connection, Handover, HandoverError, path_beside
from carillon.succession import Predecessor, Successor, bound

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=20)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    yield one, other
    one.close()
    other.close()


async def passed(ends: tuple[socket.socket, socket.socket], handover: Handover) -> Handover:
    """What comes out at the other end."""
    one, other = map(Connection, ends)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(one.send(handover.state, handover.descriptors))
        receiving = group.create_task(other.receive())
    handover.close()
    state, descriptors = receiving.result()
    came = Handover(state)
    came.adopt(descriptors)
    return came


async def test_a_socket_is_the_same_one_on_the_other_side(ends: tuple[socket.socket, socket.socket]) -> None:
    handover = Handover()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as original:
        original.bind(("127.0.0.1", 0))
        handover.state = {"socket": handover.lend(original)}
        came = await passed(ends, handover)
        with came.take(came.state["socket"]) as taken:
            assert taken.getsockname() == original.getsockname()
            assert not os.get_inheritable(taken.fileno())


async def test_more_sockets_than_one_piece_carries(ends: tuple[socket.socket, socket.socket]) -> None:
    handover = Handover()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as original:
        original.bind(("127.0.0.1", 0))
        numbers = [handover.lend(original) for _ in range(PIECE + 20)]
        came = await passed(ends, handover)
        assert len(came.descriptors) == len(numbers)
        for number in numbers:
            with came.take(number) as taken:
                assert taken.getsockname() == original.getsockname()


async def test_a_state_larger_than_any_buffer(ends: tuple[socket.socket, socket.socket]) -> None:
    state = {"text": "x" * (4 << 20)}
    assert (await passed(ends, Handover(state))).state == state


@given(st.dictionaries(st.text(), JSON))
def test_any_state_comes_as_it_was(state: dict[str, object]) -> None:
    async def run() -> None:
        ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            assert (await passed(ends, Handover(state))).state == state
        finally:
            for end in ends:
                end.close()

    asyncio.run(run())


@given(st.binary(max_size=200))
def test_what_is_no_message_is_an_error_and_nothing_else(data: bytes) -> None:
    async def run() -> None:
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with one, other:
            one.sendall(data)
            one.close()
            try:
                message, _ = await Connection(other).receive()
            except HandoverError:
                return
            assert isinstance(message, dict)

    asyncio.run(run())


async def test_a_message_that_is_too_large_is_refused_before_it_is_read(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ends[0].sendall(struct.pack("!II", MAX_STATE_BYTES + 1, 0))
    with pytest.raises(HandoverError, match="too large"):
        await Connection(ends[1]).receive()


def test_a_number_that_names_no_socket_is_an_error() -> None:
    with pytest.raises(HandoverError, match="socket 0"):
        Handover().take(0)


def test_what_nobody_takes_is_closed() -> None:
    handover = Handover()
    with socket.socket() as original:
        handover.lend(original)
    (descriptor,) = handover.descriptors
    handover.close()
    with pytest.raises(OSError):
        os.fstat(descriptor)


def test_the_socket_stands_beside_the_control_socket() -> None:
    assert path_beside("/run/carillon/bridge.sock") == "/run/carillon/bridge.next"


def test_without_a_control_socket_there_is_none() -> None:
    assert path_beside("") == ""


class Old:
    """A predecessor that hands over a number."""

    def __init__(self, path: Path, within_s: float = 5.0) -> None:
        self.happened: list[str] = []
        self._within_s = within_s
        self.end = Predecessor("bridge", bound(str(path)), self._give, self._resume, self._released)

    async def _give(self) -> Handover:
        self.happened.append("gives")
        return Handover({"number": 7}, self._within_s)

    async def _resume(self) -> None:
        self.happened.append("resumes")

    def _released(self) -> None:
        self.happened.append("released")


async def test_the_state_is_taken_and_the_old_one_is_released(tmp_path: Path) -> None:
    old = Old(tmp_path / "next")
    old.end.start()
    successor = Successor("bridge", str(tmp_path / "next"))
    handover = await successor.receive()
    assert handover is not None
    assert handover.state == {"number": 7}
    await successor.taken()
    await old.end.stop()
    assert old.happened == ["gives", "released"]


async def test_where_nobody_listens_there_is_nothing_to_take(tmp_path: Path) -> None:
    assert await Successor("bridge", str(tmp_path / "next")).receive() is None


async def test_another_part_is_refused(tmp_path: Path) -> None:
    old = Old(tmp_path / "next")
    old.end.start()
    with pytest.raises(HandoverError, match="the other the bridge"):
        await Successor("relay", str(tmp_path / "next")).receive()
    await old.end.stop()
    assert old.happened == []


async def test_a_successor_that_goes_away_leaves_the_work_to_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []
    monkeypatch.setattr("carillon.succession._end", ended.append)
    old = Old(tmp_path / "next")
    old.end.start()
    successor = Successor("bridge", str(tmp_path / "next"))
    assert await successor.receive() is not None
    successor.close()
    async with asyncio.timeout(5):
        while "resumes" not in old.happened:  # noqa: ASYNC110
            await asyncio.sleep(0)
    await old.end.stop()
    assert old.happened == ["gives", "resumes"]
    assert ended == [os.getpid()]


async def test_a_successor_that_is_too_late_hears_that_the_old_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carillon.succession._end", lambda pid: None)
    old = Old(tmp_path / "next", within_s=0.0)
    old.end.start()
    successor = Successor("bridge", str(tmp_path / "next"))
    assert await successor.receive() is not None
    async with asyncio.timeout(5):
        while "resumes" not in old.happened:  # noqa: ASYNC110
            await asyncio.sleep(0)
    with pytest.raises(HandoverError, match="goes on itself"):
        await successor.taken()
    await old.end.stop()


async def test_when_the_old_one_dies_the_successor_goes_on_alone(tmp_path: Path) -> None:
    old = Old(tmp_path / "next")
    old.end.start()
    successor = Successor("bridge", str(tmp_path / "next"))
    assert await successor.receive() is not None
    await old.end.stop()
    await successor.taken()
