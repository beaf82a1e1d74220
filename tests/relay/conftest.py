"""Which event loops the relay is tested on: uvloop is what runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import uvloop

LoopFactories = dict[str, Callable[[], asyncio.AbstractEventLoop]]


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(item: pytest.Item) -> LoopFactories:
    """Both loops where sockets are the matter."""
    factories: LoopFactories = {"uvloop": uvloop.new_event_loop}
    if item.path.name in ("test_turn_sockets.py", "test_turn_tls.py", "test_socks5_proxy.py"):
        factories["asyncio"] = asyncio.new_event_loop
    return factories
