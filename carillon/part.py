"""What each part of carillon is to the command line: something that starts, answers and stops."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from aiohttp import web

from carillon.handover import Handover
from carillon.settings import FIRST_BRIDGE, Settings


class Part(Protocol):
    """One part (of PARTS), run in a process of its own by `carillon.part_process`."""

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


@runtime_checkable
class HandsOver(Protocol):
    """What a part has beside `Part` when a newer version can take over its work: see `carillon.handover`."""

    def hand_over(self) -> Handover:
        """Everything that a successor needs to go on, and its sockets.

        From now on nothing is read, accepted or sent on those; they stay open here, and all state is kept.
        Must not take long: nobody does this part's work meanwhile. Raises HandoverError when it cannot be
        handed over now; everything is as before then.
        """

    async def take_over(self, handover: Handover) -> None:
        """Instead of `start`: begin with what a predecessor has handed over, and work.

        What an older version does not say has a default, what a newer one says beyond that is ignored.
        Raises HandoverError (or PartError) when it cannot: the predecessor goes on then, with all of it.
        """

    async def resume(self) -> None:
        """The successor has not taken over: go on as if nothing had been handed over."""

    def released(self) -> None:
        """The successor is at work: let go of what it has, without a word to anybody.

        What could not be handed over goes on here, nothing new begins (as after `drain`), and `remaining`
        says how much is left. When nothing is, or after `operation.beside_s`, comes `stop`, which then must
        not say a farewell for what the successor has.
        """


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
    "link": PartName("component.server_link.main", "the connections to the XMPP server, for the component"),
    "component": PartName("component.main", "the conference focus and the services on the XMPP server"),
    "bridge": PartName("bridge.main", "the media bridge"),
    "relay": PartName("relay.main", "the STUN and TURN relay and the bytestream proxy"),
    "streams": PartName("bosh.streams.main", "guests' connections to the XMPP server, for the front"),
    "front": PartName("bosh.main", "the HTTP front"),
}


_PROXIES = ("link", "streams")
"""Parts between others and the XMPP server: who does without has `enabled = false` in their section."""


def parts_of(settings: Settings) -> tuple[str, ...]:
    """The parts that belong to this configuration, in the order in which they are started."""
    names = [name for name in PARTS if name not in _PROXIES or getattr(settings, name).enabled]
    after = names.index("bridge") + 1
    return *names[:after], *further_bridges(settings), *names[after:]


def further_bridges(settings: Settings) -> dict[str, str]:
    """The processes of `[bridges.NAME]`: the NAME of each by what it is called among the parts."""
    return {f"bridge-{name}": name for name in settings.bridges}


def process_name(part: str, settings: Settings) -> str:
    """What the process of a part is called: a further bridge by its name, any other as the part."""
    further = part == "bridge" and settings.bridge_name != FIRST_BRIDGE
    return f"{part}-{settings.bridge_name}" if further else part


def control_socket(name: str, settings: Settings) -> str:
    """The path of the control API of the part (or further bridge) `name`; "" when it has none."""
    further = further_bridges(settings)
    if name in further:
        return settings.bridges[further[name]].control
    name = "bridge" if name == process_name("bridge", settings) else name
    return {
        "link": settings.link.control,
        "component": settings.focus.control,
        "bridge": settings.bridge.control,
        "relay": settings.turn.control,
        "streams": settings.streams.control,
        "front": settings.front.control,
    }[name]
