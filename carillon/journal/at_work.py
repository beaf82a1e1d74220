"""The journal of a running component: its clock, and its place in the control API, for `carillon journal`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from aiohttp import web

from carillon.journal.journal import Journal

TICK_S: Final = 1.0
RESOURCE: Final = "/journal"
"""GET: `{"trouble": TEXT or null}`."""
PRUNE: Final = "/journal/prune"
"""POST: `{"rows": number}`, those that are gone."""


async def keep(journal: Journal) -> None:
    """Tick for ever."""
    loop = asyncio.get_running_loop()
    while True:
        journal.tick(loop.time())
        await asyncio.sleep(TICK_S)


def routes(journal: Journal) -> Iterable[web.RouteDef]:
    """What the component adds to its control API."""

    async def show(_request: web.Request) -> web.Response:
        return web.json_response({"trouble": journal.trouble()})

    async def prune(_request: web.Request) -> web.Response:
        return web.json_response({"rows": journal.prune()})

    return web.get(RESOURCE, show), web.post(PRUNE, prune)
