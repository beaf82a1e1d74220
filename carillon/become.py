"""How a supervisor becomes its newer version: execve(2).

It keeps its children, its process id and its place with systemd. What the next one needs to know goes through
the environment, sockets by number.

Signals that come meanwhile wait (the mask of blocked signals goes through execve(2) too).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, NoReturn

VARIABLE = "_CARILLON_SUPERVISOR"
"""Holds the state. Its name begins with none of what names a setting."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Those that a supervisor handles."""


def become(
    argv: tuple[str, ...],
    environment: Mapping[str, str],
    state: Mapping[str, Any],
    descriptors: Iterable[int] = (),
) -> NoReturn:
    """Go on as this program, with these variables beside our own, and these descriptors open.

    Raises OSError: all is as it was then.
    """
    kept = tuple(descriptors)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        for descriptor in kept:
            os.set_inheritable(descriptor, True)
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(argv[0], argv, {**os.environ, **environment, VARIABLE: json.dumps(state)})
    finally:
        for descriptor in kept:
            os.set_inheritable(descriptor, False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def state_before(environment: MutableMapping[str, str]) -> dict[str, Any]:
    """The state of the supervisor that this process was, taken from the environment; {} when it was none."""
    text = environment.pop(VARIABLE, "")
    state = json.loads(text) if text else {}
    return state if isinstance(state, dict) else {}


def let_signals_in() -> None:
    """The signals have their handlers: those that have waited come now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
