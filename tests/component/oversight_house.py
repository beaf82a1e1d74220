"""Meetings without a server, and their oversight: what the focus's shell is to it, with time that stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from carillon.settings import AdminSettings, Settings, parse
from component.focus.bridge_client import BridgeClient
from component.focus.bridge_pool import BridgePool
from component.focus.bridge_report import BridgeReport
from component.focus.bridge_watch import Bridges
from component.focus.conference import Conference
from component.focus.effects import Effect
from component.focus.oversight import Order, Oversight
from component.stanza_error import StanzaError
from tests.component.focus_room import BRIDGE, FocusRoom

MUC = "conference.meet.lab"
WALL_CLOCK = 1_800_000_000.0
"""Unix time; on the clock of the conferences it is 1000.0 and more."""


def settings_of_administrators(*jids: str) -> Settings:
    """The reference settings with these administrators."""
    settings = parse("[xmpp]\ndomain = 'meet.lab'\n", Path("/nowhere/carillon.toml"))
    return replace(settings, admin=AdminSettings(jids))


class AnsweringBridge(BridgeClient):
    """A bridge that says what a test wants."""

    def __init__(self) -> None:
        super().__init__("http://bridge.test:8083")
        self.told: Any = None

    async def figures(self, meeting_id: str) -> Any:
        """What the test has put there."""
        return self.told


class House:
    """Some rooms by the part before the @, and their oversight."""

    def __init__(self, *names: str) -> None:
        self.bridge = AnsweringBridge()
        self.bridges = Bridges(settings_of_administrators())
        self.bridges.pool = BridgePool({BRIDGE: "bridge"})
        self.bridges.pool.answered(BRIDGE, BridgeReport(version="9.9"), 1000.0)
        self.bridges.clients = {BRIDGE: self.bridge}
        self.rooms = {f"{name}@{MUC}": FocusRoom(room=f"{name}@{MUC}").open() for name in names}
        self.time = 1000.0
        self.oversight = Oversight(self, settings_of_administrators(), clock=lambda: WALL_CLOCK)
        self._tickets = 1000

    def room(self, name: str) -> FocusRoom:
        """The room of this name."""
        return self.rooms[f"{name}@{MUC}"]

    # Meetings

    @property
    def conferences(self) -> Mapping[str, Conference]:
        """All."""
        return {jid: room.conference for jid, room in self.rooms.items()}

    def now(self) -> float:
        """The same until a test changes it."""
        return self.time

    def run(self, room: str, effects: list[Effect]) -> None:
        """At once."""
        self.rooms[room].run(effects)

    async def order(self, room: str, order: Order) -> None:
        """At once; what is not answered then never is."""
        self._tickets += 1
        where = self.rooms[room]
        self.run(room, order(where.conference, self._tickets))
        error: StanzaError | None = where.answers[self._tickets]
        if error is not None:
            raise error
