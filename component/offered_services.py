"""What external service discovery (XEP-0215) offers, what changed in it, and who has to hear of that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from carillon.settings import TurnSettings


@dataclass(frozen=True, slots=True)
class Service:
    """One entry; `restricted` ones need credentials."""

    type: str
    transport: str
    host: str
    port: int
    restricted: bool

    def attributes(self) -> dict[str, str]:
        """Those of `<service/>` that say which one it is (XEP-0215 §2)."""
        return {
            "host": self.host,
            "port": str(self.port),
            "transport": self.transport,
            "type": self.type,
        }


@dataclass(frozen=True, slots=True)
class Offer:
    """All services, and how often the secret of their credentials has changed."""

    services: tuple[Service, ...]
    secrets: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A service in an answer, or in a push: there `action` is add, remove or modify (XEP-0215 §2)."""

    service: Service
    action: str = ""


@dataclass(slots=True)
class Asker:
    """Who has asked for services: in which version, of which type (None: all), when, and what it was told."""

    namespace: str
    type: str | None
    asked_at: float
    told: Offer


class Askers:
    """Those who asked last, by full JID. With `most` of them the one who asked longest ago is forgotten."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._askers: dict[str, Asker] = {}

    def __len__(self) -> int:
        return len(self._askers)

    def remember(self, jid: str, asker: Asker) -> None:
        """Enter who has asked, in place of what the same one asked before."""
        self._askers.pop(jid, None)
        if len(self._askers) >= self._most:
            del self._askers[next(iter(self._askers))]
        self._askers[jid] = asker

    def forget(self, jid: str, asker: Asker) -> None:
        """Take out who is gone, unless the same one has asked again."""
        if self._askers.get(jid) is asker:
            del self._askers[jid]

    def since(self, time: float) -> Iterator[tuple[str, Asker]]:
        """Who has asked after that time, latest first: what earlier ones were told has expired."""
        return ((jid, asker) for jid, asker in reversed(tuple(self._askers.items())) if asker.asked_at > time)


def offered(turn: TurnSettings) -> tuple[Service, ...]:
    """The services of our relay."""
    services = (
        Service("stun", "udp", turn.advertise, turn.udp_port, False),
        Service("turn", "udp", turn.advertise, turn.udp_port, True),
        Service("turn", "tcp", turn.advertise, turn.tcp_port, True),
    )
    if not turn.tls_port:
        return services
    return (*services, Service("turns", "tcp", turn.tls_host, turn.tls_port, True))


def changes(before: Offer, after: Offer) -> list[Entry]:
    """What has become of the services. With another secret all credentials are others."""
    renewed = before.secrets != after.secrets
    return [
        *(Entry(service, "remove") for service in before.services if service not in after.services),
        *(Entry(service, "add") for service in after.services if service not in before.services),
        *(
            Entry(service, "modify")
            for service in after.services
            if renewed and service.restricted and service in before.services
        ),
    ]
