"""External service discovery (XEP-0215): where the TURN relay is, with credentials made for who asks.

Credentials name the bare JID of the asker, so that the relay can count and revoke by user. Only people of our
own hosts get them. Both versions of the protocol are served; they differ in nothing that matters here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement

from prometheus_client import Counter

from carillon import credentials
from carillon.guard.buckets import Buckets
from carillon.settings import TurnSettings
from component.link import Link
from component.stanza import bare, domain, local
from component.stanza_error import StanzaError

NAMESPACES = ("urn:xmpp:extdisco:2", "urn:xmpp:extdisco:1")
# A client asks once per connection, some ask again for each version and for a single service.
BURST = 20.0
PER_SECOND = 0.1
# A longer JID is named by its hash, and so a guest to the relay: with the expiry before it, USERNAME must be
# shorter than 513 bytes.
_MAX_NAME_BYTES = 400

_ISSUED = Counter("carillon_component_credentials_issued", "TURN credentials handed out")
_REFUSED = Counter("carillon_component_credentials_refused", "Requests for services refused", ["condition"])


@dataclass(frozen=True, slots=True)
class Service:
    """One entry; `restricted` ones need credentials."""

    type: str
    transport: str
    host: str
    port: int
    restricted: bool


class ExternalServices:
    """Answers `<services/>` and `<credentials/>` on the component's domain."""

    def __init__(
        self,
        link: Link,
        turn: TurnSettings,
        secret: str,
        local_domains: frozenset[str],
        clock: Callable[[], float],
    ) -> None:
        """`clock` gives Unix time; users of `local_domains` are served."""
        self._domain = link.domain
        self._credential_ttl_s = turn.credential_ttl_s
        self._secret = secret
        self._local_domains = local_domains
        self._clock = clock
        self._buckets = Buckets(PER_SECOND, BURST)
        host = turn.advertise
        self._services = [
            Service("stun", "udp", host, turn.udp_port, False),
            Service("turn", "udp", host, turn.udp_port, True),
            Service("turn", "tcp", host, turn.tcp_port, True),
        ]
        if turn.tls_port:
            self._services.append(Service("turns", "tcp", turn.tls_host, turn.tls_port, True))
        for namespace in NAMESPACES:
            link.on_iq("get", f"{{{namespace}}}services", self._on_services)
            link.on_iq("get", f"{{{namespace}}}credentials", self._on_credentials)

    def _on_services(self, iq: Element) -> Element:
        """XEP-0215 §3: all services, or those of one type."""
        name = self._asker(iq)
        wanted = iq[0].get("type")
        services = [service for service in self._services if wanted in (None, service.type)]
        answer = self._answer(iq[0], services, name)
        if wanted is not None:
            answer.set("type", wanted)
        return answer

    def _on_credentials(self, iq: Element) -> Element:
        """XEP-0215 §4: the service with this host and type (and port), with credentials."""
        name = self._asker(iq)
        asked = next(iter(iq[0]), None)
        if asked is None or not asked.get("host") or not asked.get("type"):
            raise _refusal("bad-request", "a service with host and type is needed")
        services = [
            service
            for service in self._services
            if asked.get("host") == service.host
            and asked.get("type") == service.type
            and asked.get("port") in (None, str(service.port))
            and asked.get("transport") in (None, service.transport)
        ]
        if not services:
            raise _refusal("item-not-found", "no such service")
        return self._answer(iq[0], services, name)

    def _asker(self, iq: Element) -> str:
        """The bare JID that asks, if it may."""
        if iq.get("to") != self._domain:
            raise _refusal("service-unavailable", "")
        name = bare(iq.get("from", ""))
        if domain(name) not in self._local_domains or not local(name):
            raise _refusal("forbidden", "only users of this server")
        if not self._buckets.take(name, self._clock()):
            raise _refusal("resource-constraint", "asked too often")
        return name

    def _answer(self, asked: Element, services: list[Service], name: str) -> Element:
        namespace = asked.tag[1:].partition("}")[0]
        answer = Element(asked.tag)
        secrets = self._credentials(name) if any(service.restricted for service in services) else {}
        for service in services:
            entry = {
                "host": service.host,
                "port": str(service.port),
                "transport": service.transport,
                "type": service.type,
            }
            SubElement(answer, f"{{{namespace}}}service", entry | secrets if service.restricted else entry)
        return answer

    def _credentials(self, name: str) -> dict[str, str]:
        if len(name.encode()) > _MAX_NAME_BYTES:
            name = hashlib.sha256(name.encode()).hexdigest()
        now = self._clock()
        credential = credentials.issue(self._secret, name, self._credential_ttl_s, now)
        _ISSUED.inc()
        expires = datetime.fromtimestamp(int(now) + credential.ttl, UTC)
        return {
            "username": credential.username,
            "password": credential.password,
            "expires": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),  # XEP-0082
            "restricted": "1",
        }


def _refusal(condition: str, text: str) -> StanzaError:
    _REFUSED.labels(condition).inc()
    return StanzaError(condition, text)
