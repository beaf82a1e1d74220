"""Many rooms of scripted participants: real signalling through server, focus and bridge, without media."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.figures import spread
from carillon.settings import Settings
from tests.component.guest import FEATURES, Guest
from tests.component.prosody import Client

FIRST_SSRC = 1_000_000


@dataclass
class Load:
    """What the participants saw; times in ms."""

    rooms: int = 0
    wall_s: float = 0.0
    request_ms: list[float] = field(default_factory=list)
    join_offer_ms: list[float] = field(default_factory=list)

    def line(self) -> dict[str, object]:
        """As it is printed."""
        return {
            "rooms": self.rooms,
            "wall_s": round(self.wall_s, 2),
            "rooms_per_s": round(self.rooms / self.wall_s, 1),
            "request_answer_ms": spread(self.request_ms),
            "join_offer_ms": spread(self.join_offer_ms),
        }


async def scripted_rooms(settings: Settings, rooms: int, *, size: int = 3, at_once: int = 10) -> Load:
    """Hold `rooms` meetings of `size`, `at_once` at a time.

    Everyone asks for the conference, joins, accepts with sources and waits for those of the others; then all
    leave.
    """
    load = Load(rooms)
    numbers = iter(range(rooms))
    begin = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(min(at_once, rooms)):
            group.create_task(_one_after_another(settings, size, lambda: next(numbers, None), load))
    load.wall_s = time.perf_counter() - begin
    return load


async def _one_after_another(
    settings: Settings, size: int, next_number: Callable[[], int | None], load: Load
) -> None:
    clients = [await Client.login(settings) for _ in range(size)]
    try:
        while (number := next_number()) is not None:
            room = f"bench{number}{secrets.token_hex(4)}"
            guests = [Guest(client, room, secrets.token_hex(4), FEATURES) for client in clients]
            await asyncio.gather(
                *(_meet(guest, guests, FIRST_SSRC + 10 * place, load) for place, guest in enumerate(guests))
            )
            for guest in guests:
                guest.leave()
    finally:
        for client in clients:
            await client.close()


async def _meet(guest: Guest, all_guests: list[Guest], first_ssrc: int, load: Load) -> None:
    others = {one.nick for one in all_guests if one is not guest}
    asked_at = time.perf_counter()
    assert (await guest.request()).ready
    load.request_ms.append((time.perf_counter() - asked_at) * 1000)
    guest.join()
    assert (await guest.accept(first_ssrc)).get("type") == "result"
    load.join_offer_ms.append((guest.invited_at - guest.joined_at) * 1000)
    await guest.until(lambda: others <= guest.known_sources().keys())
