"""Ports for the servers that tests start: free now, and nobody else's until the server has them.

They lie below the ephemeral ones, which the kernel gives to everybody who binds port 0 or connects; and each
process of a test run has ports of its own to choose from.
"""

from __future__ import annotations

import itertools
import os
import random
import socket

PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
"""Which process of how many this is (pytest-xdist)."""

SINGLE = range(3000, 12000)[PROCESS::PROCESSES]
BASES = range(12000, 32000, 300)[PROCESS::PROCESSES]
"""Base ports of `carillon dev`, as far apart as its layout needs."""

LAYOUT = (*range(8), 100, 299)
"""Ports of the layout, counted from the base port, that must be free (of the relay ports just the ends)."""

# In an order of chance, because others test at the same time, and none again before all had their turn.
_singles = itertools.cycle(random.sample(SINGLE, len(SINGLE)))
_bases = itertools.cycle(random.sample(BASES, len(BASES)))


class NoFreePorts(Exception):
    """All ports there are to choose from are in use."""


def free_port() -> int:
    """A port that nothing on loopback uses now, neither for TCP nor for UDP. Raises NoFreePorts."""
    for port in itertools.islice(_singles, len(SINGLE)):
        if _is_free(port):
            return port
    raise NoFreePorts


def free_base_port() -> int:
    """A base port whose layout nothing on loopback uses now. Raises NoFreePorts."""
    for base in itertools.islice(_bases, len(BASES)):
        if all(_is_free(base + offset) for offset in LAYOUT):
            return base
    raise NoFreePorts


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
