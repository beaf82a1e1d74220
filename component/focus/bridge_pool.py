"""All bridges: which one a conference goes to, and what is to be done when one fails. No I/O.

A whole conference is on one bridge. It goes to the least loaded healthy one; of several that are about
equally loaded, to the one that it was on before, else to one that its name decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from hashlib import blake2b

from component.focus.bridge_health import BridgeHealth, Health, Sign
from component.focus.bridge_report import BridgeReport

DISTRUST_S = 60.0
"""A bridge that media did not get through is the last to be chosen for so long: only who tries finds out
whether they do again."""
EQUAL = 0.03
"""Stress by which two bridges may differ and count as equally loaded."""
MAX_OWED = 1000
"""Conferences of one bridge that are to be ended when it is back."""


class Trouble(Enum):
    """Why there is no bridge for a conference: the presence of the focus says it, and the page in words."""

    DOWN = "down"
    """None answers."""
    DEAF = "deaf"
    """It answers, but media do not get through."""
    DRAINING = "draining"
    """All that answer are about to be shut down."""
    FULL = "full"
    """It takes nobody else."""


@dataclass
class _Bridge:
    name: str
    health: BridgeHealth = field(default_factory=BridgeHealth)
    owed: set[str] = field(default_factory=set)
    """Names of conferences that it did not hear the end of."""


class BridgePool:
    """See the module. Bridges are known by their REST addresses."""

    def __init__(self, names: Mapping[str, str]) -> None:
        """`names` has the name of each bridge, for people, by its address."""
        self._bridges = {url: _Bridge(name) for url, name in names.items()}
        self.doubt: Callable[[str], None] = lambda url: None
        """Told that a bridge has not answered a request: it should be asked how it is."""
        self._now = 0.0
        """When a bridge has answered last."""

    @property
    def urls(self) -> tuple[str, ...]:
        """Their addresses, the first one first."""
        return tuple(self._bridges)

    def name(self, url: str) -> str:
        """What a bridge is called; one that is not configured any more, by its address."""
        bridge = self._bridges.get(url)
        return bridge.name if bridge is not None else url

    def health(self, url: str) -> Health:
        """What may be expected of a bridge; nothing of one that is not configured (any more)."""
        bridge = self._bridges.get(url)
        return bridge.health.state if bridge is not None else Health.DOWN

    def sign(self, url: str) -> Sign | None:
        """What the last question to a bridge has shown: why its health is what it is."""
        bridge = self._bridges.get(url)
        return bridge.health.sign if bridge is not None else None

    def epoch(self, url: str) -> int:
        """See BridgeHealth."""
        bridge = self._bridges.get(url)
        return bridge.health.epoch if bridge is not None else 0

    def report(self, url: str) -> BridgeReport | None:
        """What a bridge said of itself last."""
        bridge = self._bridges.get(url)
        return bridge.health.report if bridge is not None else None

    # What the questions show

    def answered(self, url: str, report: BridgeReport, now: float) -> bool:
        """A bridge has said this of itself; whether anything follows for conferences."""
        self._now = now
        bridge = self._bridges[url]
        earlier = bridge.health.report
        changed = bridge.health.answered(report, now)
        if earlier is not None and report.is_another_instance(earlier):
            bridge.owed.clear()
        return changed

    def failed(self, url: str, sign: Sign) -> bool:
        """A bridge has not answered; whether anything follows for conferences."""
        return self._bridges[url].health.failed(sign)

    # Where conferences go

    def choose(self, room: str, last: str) -> str | None:
        """The bridge for a conference that was on `last` before ("" = on none); None: there is none."""
        usable = [url for url in self._bridges if self.health(url) not in (Health.DOWN, Health.DRAINING)]
        usable = self._best(usable, self._was_deaf)
        usable = self._best(usable, lambda url: self.health(url) is Health.DOUBTED)
        usable = self._best(usable, lambda url: self.health(url) is Health.NEW)
        if not usable:
            return None
        least = min(map(self._stress, usable))
        near = [url for url in usable if self._stress(url) <= least + EQUAL]
        return last if last in near else max(near, key=lambda url: blake2b(f"{room} {url}".encode()).digest())

    def trouble(self, url: str) -> Trouble:
        """Why a conference cannot be on the bridge `url`, or with "" on any."""
        states = [bridge.health for one, bridge in self._bridges.items() if url in ("", one)]
        if any(health.state is Health.DRAINING for health in states):
            return Trouble.DRAINING
        if any(health.state is Health.DOWN and health.sign is Sign.DEAF for health in states):
            return Trouble.DEAF
        return Trouble.DOWN

    def _best(self, urls: list[str], worse: Callable[[str], bool]) -> list[str]:
        """Those that are not worse, if there are any."""
        return [url for url in urls if not worse(url)] or urls

    def _was_deaf(self, url: str) -> bool:
        deaf_at = self._bridges[url].health.deaf_at
        return deaf_at is not None and self._now - deaf_at < DISTRUST_S

    def _stress(self, url: str) -> float:
        report = self.report(url)
        return report.stress if report is not None else 0.0

    # What is left behind

    def owe(self, url: str, meeting_id: str) -> None:
        """A bridge did not hear that a conference is over: it is to be told when it answers again."""
        bridge = self._bridges.get(url)
        if bridge is not None and len(bridge.owed) < MAX_OWED:
            bridge.owed.add(meeting_id)

    def settle(self, url: str) -> Iterable[str]:
        """The conferences that a bridge which answers again is to end now."""
        bridge = self._bridges[url]
        if bridge.health.state is Health.DOWN:
            return ()
        owed, bridge.owed = bridge.owed, set()
        return sorted(owed)
