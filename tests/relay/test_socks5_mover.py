"""The mover: every byte arrives, ends and resets are passed on, who does not read stops who sends."""

from __future__ import annotations

import hashlib
import os
import queue
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from relay.socks5 import mover as mover_module
from relay.socks5 import pipes as pipes_module
from relay.socks5.mover import Ended, EndReason, Mover

WAIT_S = 10.0
SIZES = (1, 4097, 5000, 8192, 12289)


class House:
    """A running mover, and streams over TCP on loopback."""

    def __init__(self, idle_timeout_s: float = 600.0) -> None:
        self.ends: queue.Queue[Ended] = queue.Queue()
        self.mover = Mover(idle_timeout_s, self.ends.put)
        self.mover.start()
        self._stack = ExitStack()

    def connected(self, buffer: int = 0) -> tuple[socket.socket, socket.socket]:
        """A client, and our side of its connection."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = self._stack.enter_context(socket.socket())
            if buffer:
                for one in (listener, client):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            client.settimeout(WAIT_S)
            client.connect(listener.getsockname())
            ours, _ = listener.accept()
        ours.setblocking(False)
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client, ours

    def stream(self, digest: str = "s", buffer: int = 0) -> tuple[socket.socket, socket.socket]:
        """The two clients of a stream that is active."""
        (first, ours), (second, others) = self.connected(buffer), self.connected(buffer)
        self.mover.add(digest, ours, others)
        return first, second

    def end(self) -> Ended:
        return self.ends.get(timeout=WAIT_S)

    def close(self) -> None:
        self._stack.close()
        self.mover.stop(0.0)


@contextmanager
def house(idle_timeout_s: float = 600.0) -> Iterator[House]:
    made = House(idle_timeout_s)
    try:
        yield made
    finally:
        made.close()


def read(client: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size and (more := client.recv(size - len(found))):
        found += more
    return found


def send_in_thread(client: socket.socket, data: bytes) -> threading.Thread:
    thread = threading.Thread(target=client.sendall, args=(data,), daemon=True)
    thread.start()
    return thread


def digest_of(client: socket.socket) -> tuple[int, str]:
    """Size and hash of everything until the end."""
    size, found = 0, hashlib.sha256()
    while more := client.recv(1 << 18):
        size += len(more)
        found.update(more)
    return size, found.hexdigest()


@pytest.mark.parametrize("size", SIZES)
def test_a_tail_arrives_without_more_data_and_without_an_end(size: int) -> None:
    data = os.urandom(size)
    with house() as one:
        sender, receiver = one.stream()
        for _ in range(8):
            sender.sendall(data)
            assert read(receiver, size) == data


def test_both_directions_flow_at_once_and_whole() -> None:
    there, back = random.Random(1).randbytes(16 << 20), random.Random(2).randbytes(11_000_003)
    with house() as one:
        first, second = one.stream()
        for sender, data in ((first, there), (second, back)):
            threading.Thread(
                target=lambda s=sender, d=data: (s.sendall(d), s.shutdown(socket.SHUT_WR)), daemon=True
            ).start()
        found: dict[str, tuple[int, str]] = {}
        reader = threading.Thread(target=lambda: found.update(back=digest_of(first)), daemon=True)
        reader.start()
        assert digest_of(second) == (len(there), hashlib.sha256(there).hexdigest())
        reader.join(WAIT_S)
        assert found["back"] == (len(back), hashlib.sha256(back).hexdigest())
        end = one.end()
        assert (end.moved, end.reason) == (len(there) + len(back), EndReason.CLOSED)
        assert one.mover.moved == end.moved


def test_data_sent_before_the_activation_arrive() -> None:
    with house() as one:
        (sender, ours), (receiver, others) = one.connected(), one.connected()
        sender.sendall(b"too early")
        sender.shutdown(socket.SHUT_WR)
        one.mover.add("s", ours, others)
        assert (read(receiver, 9), receiver.recv(1)) == (b"too early", b"")


def test_an_end_is_passed_on_and_the_other_direction_lives() -> None:
    with house() as one:
        first, second = one.stream()
        first.sendall(b"question")
        first.shutdown(socket.SHUT_WR)
        assert (read(second, 8), second.recv(1)) == (b"question", b"")
        second.sendall(b"answer")
        assert read(first, 6) == b"answer"
        second.close()
        assert first.recv(1) == b""
        assert one.end() == Ended("s", 14, EndReason.CLOSED)


def test_a_reset_is_passed_on() -> None:
    with house() as one:
        first, second = one.stream()
        first.sendall(b"half")
        assert read(second, 4) == b"half"
        first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        first.close()
        with pytest.raises(ConnectionResetError):
            second.recv(1)
        assert one.end().reason is EndReason.RESET


def test_who_does_not_read_stops_who_sends_and_nobody_else() -> None:
    with house() as one:
        sender, receiver = one.stream("slow", buffer=1 << 16)
        data = random.Random(3).randbytes(24 << 20)
        sending = send_in_thread(sender, data)
        first, second = one.stream("quick")
        for _ in range(50):
            first.sendall(b"x" * 5000)
            assert read(second, 5000) == b"x" * 5000
        assert sending.is_alive()
        # The pipe and the buffers of two sockets; the kernel lets them grow to some MiB.
        assert one.mover.moved_of("slow") < 16 << 20
        assert hashlib.sha256(read_large(receiver, len(data))).digest() == hashlib.sha256(data).digest()
        sending.join(WAIT_S)
        assert not sending.is_alive()


def read_large(client: socket.socket, size: int) -> bytes:
    buffer = bytearray(size)
    view, got = memoryview(buffer), 0
    while got < size:
        got += client.recv_into(view[got:])
    return bytes(buffer)


def test_more_blocked_streams_than_large_pipes_still_get_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipes_module, "MAX_LARGE", 1)
    data = random.Random(4).randbytes(9 << 20)
    with house() as one:
        pairs = [one.stream(str(number), buffer=1 << 15) for number in range(3)]
        threads = [send_in_thread(sender, data) for sender, _ in pairs]
        for _, receiver in pairs:
            assert read_large(receiver, len(data)) == data
        for thread in threads:
            thread.join(WAIT_S)


def test_a_silent_stream_is_ended_by_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mover_module, "SWEEP_S", 0.01)
    with house(idle_timeout_s=0.1) as one:
        first, second = one.stream()
        first.sendall(b"half a file")
        assert read(second, 11) == b"half a file"
        assert one.end() == Ended("s", 11, EndReason.IDLE)
        for client in (first, second):
            with pytest.raises(ConnectionResetError):
                client.recv(1)


def test_a_half_closed_stream_waits_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mover_module, "SWEEP_S", 0.01)
    monkeypatch.setattr(mover_module, "HALF_CLOSED_S", 0.05)
    with house() as one:
        first, second = one.stream()
        first.sendall(b"all of it")
        first.shutdown(socket.SHUT_WR)
        assert one.end() == Ended("s", 9, EndReason.IDLE)
        assert (read(second, 9), second.recv(1)) == (b"all of it", b"")


def test_stopping_ends_what_still_runs_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mover_module, "SWEEP_S", 0.01)
    one = House()
    first, second = one.stream()
    first.sendall(b"x")
    assert read(second, 1) == b"x"
    assert one.mover.works
    one.mover.stop(0.02)
    assert one.end() == Ended("s", 1, EndReason.STOPPED)
    with pytest.raises(ConnectionResetError):
        second.recv(1)
    assert not one.mover.works
    first.close()
    second.close()


def test_a_stream_that_ends_in_time_is_not_hurt_by_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mover_module, "SWEEP_S", 0.01)
    one = House()
    first, second = one.stream()
    stopping = threading.Thread(target=one.mover.stop, args=(WAIT_S,))
    stopping.start()
    first.sendall(b"the rest")
    first.close()
    assert (read(second, 8), second.recv(1)) == (b"the rest", b"")
    second.close()
    stopping.join(WAIT_S)
    assert one.end() == Ended("s", 8, EndReason.CLOSED)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_descriptors_come_back() -> None:
    with house() as one:
        before = descriptors()
        for number in range(20):
            first, second = one.stream(str(number))
            first.sendall(b"x")
            assert read(second, 1) == b"x"
            first.close()
            second.close()
            one.end()
        pipe = 2  # one is kept for the next stream
        assert descriptors() <= before + pipe
