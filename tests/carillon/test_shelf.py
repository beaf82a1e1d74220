"""carillon.shelf: what a process has put there lives on when it is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

from carillon.shelf import VARIABLE, Shelf

OPENS = (
    "import os, socket, sys, time\n"
    "from carillon.shelf import Shelf\n"
    "listener = socket.create_server(('127.0.0.1', 0))\n"
    "assert Shelf.inherited(os.environ).put([listener])\n"
    "print(listener.getsockname()[1], flush=True)\n"
    "time.sleep(60)\n"
)
"""A program that puts a listener on its shelf and does not serve it."""


def test_a_listener_of_a_process_that_was_killed_still_takes_connections() -> None:
    shelf = Shelf()
    child = subprocess.Popen(
        [sys.executable, "-c", OPENS],
        stdout=subprocess.PIPE,
        env={**os.environ, **shelf.environment},
        pass_fds=shelf.descriptors,
    )
    assert child.stdout is not None
    port = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(b"anybody there?")
    (listener,) = shelf.take()
    with client, listener:
        connection, _ = listener.accept()
        connection.setblocking(True)
        with connection:
            assert connection.recv(100) == b"anybody there?"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    shelf.close()


def test_what_is_put_there_replaces_what_was() -> None:
    shelf = Shelf()
    first, second = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.create_server(("127.0.0.1", 0))
    assert shelf.put([first]) and shelf.put([second]) and shelf.put([second, first])
    taken = shelf.take()
    assert [one.getsockname() for one in taken] == [second.getsockname(), first.getsockname()]
    assert shelf.take() == []
    assert shelf.put([]) and shelf.take() == []
    for one in (first, second, *taken):
        one.close()
    shelf.close()


@pytest.mark.parametrize("value", ["", "1", "x y", "997 998"])
def test_without_a_shelf_there_is_none(value: str) -> None:
    assert Shelf.inherited({VARIABLE: value}) is None
    assert Shelf.inherited({}) is None
