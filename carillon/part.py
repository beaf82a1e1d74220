"""What each part of carillon is to the command line: something that starts, answers and stops."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from carillon.settings import Settings


class Part(Protocol):
    """One part (component, bridge, relay, front), run in a process of its own by `carillon.part_process`."""

    async def start(self) -> None:
        """Open the listeners or links, without waiting for peers.

        Raises PartError when it cannot, SettingsError when a file that the configuration names is of no use.
        """

    def trouble(self) -> str | None:
        """Why the part does not answer yet, in words, or None when it does its work."""

    async def stop(self) -> None:
        """Close everything; idempotent."""

    def routes(self) -> Iterable[web.RouteDef]:
        """What the part adds to its control API (beside /about/health, /about/version and /metrics)."""

    def reload(self, settings: Settings) -> None:
        """Take up these settings, and read again the files that they name; nothing that runs is ended.

        They differ from those of the start only in what `carillon.settings.live` calls live for this part.
        Raises SettingsError when a file is of no use: nothing has changed then.
        """

    def drain(self) -> None:
        """Begin nothing new from now on; what runs goes on. Idempotent."""

    def remaining(self) -> Mapping[str, int]:
        """How much of what runs is left, by the word for it; a part that drains ends when all are 0."""


class PartError(Exception):
    """A part cannot start: the text says what is wrong and what to do (for example which port is in use)."""


MakePart = Callable[[Settings], Part]


@dataclass(frozen=True)
class PartName:
    """Where the command line finds a part; by name of its module, so that nothing here imports a part."""

    module: str
    """The module with `make(settings) -> Part`."""
    summary: str


PARTS = {
    "component": PartName("component.main", "the conference focus and the services on the XMPP server"),
    "bridge": PartName("bridge.main", "the media bridge"),
    "relay": PartName("relay.main", "the STUN and TURN relay and the bytestream proxy"),
    "front": PartName("bosh.main", "the HTTP front"),
}


def control_socket(name: str, settings: Settings) -> str:
    """The path of the control API of the part `name`; "" when it has none."""
    return {
        "component": settings.focus.control,
        "bridge": settings.bridge.control,
        "relay": settings.turn.control,
        "front": settings.front.control,
    }[name]
