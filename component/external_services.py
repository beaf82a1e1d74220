"""External service discovery (XEP-0215): where the TURN relay is, with credentials made for who asks.

Credentials name the bare JID of the asker, so that the relay can count and revoke by user. Only people of our
own hosts get them, whether they ask us or their server, where it delegates the question to us (XEP-0355).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement

from prometheus_client import Counter

from carillon import credentials
from carillon.guard.buckets import Buckets
from carillon.settings import TurnSettings
from component import stanza as stanzas
from component.delegation import Delegation
from component.link import Link, LinkDown, RequestTimeout
from component.offered_services import Asker, Askers, Entry, Offer, Service, changes, offered
from component.stanza import bare, domain, local
from component.stanza_error import StanzaError

NAMESPACES = ("urn:xmpp:extdisco:2", "urn:xmpp:extdisco:1")
_OLD = NAMESPACES[1]
"""Of the document's version 0.6: without what _NOT_IN_OLD names, and a service is named by its host alone."""
_NOT_IN_OLD = frozenset(("expires", "restricted", "action"))
# A client asks once per connection, some ask again for each version and for a single service.
BURST = 20.0
PER_SECOND = 0.1
# Services that one request for credentials may name; there are four.
MAX_NAMED = 16
TYPES = ("stun", "turn", "turns")
# Who is told of changes: whoever is not among them learns it with the next question. Pushes wait for each
# other, or a change in a large place is a burst that delays everybody's answers.
MAX_ASKERS = 1000
PUSHES_AT_A_TIME = 50
PUSH_TIMEOUT_S = 10.0
# A longer JID is named by its hash, and so a guest to the relay: with the expiry before it, USERNAME must be
# shorter than 513 bytes.
_MAX_NAME_BYTES = 400

_ISSUED = Counter("carillon_component_credentials_issued", "TURN credentials handed out")
_REFUSED = Counter("carillon_component_credentials_refused", "Requests for services refused", ["condition"])
_PUSHED = Counter(
    "carillon_component_services_pushed", "Changes of services pushed, by what came back", ["answer"]
)


class ExternalServices:
    """Answers `<services/>` and `<credentials/>` on the component's domain, and for the server on its own."""

    def __init__(
        self,
        link: Link,
        delegation: Delegation,
        turn: TurnSettings,
        secret: str,
        local_domains: frozenset[str],
        *,
        clock: Callable[[], float],
    ) -> None:
        """`clock` gives Unix time; users of `local_domains` are served."""
        self._link = link
        self._turn = turn
        self._secret = secret
        self._local_domains = local_domains
        self._clock = clock
        self._buckets = Buckets(PER_SECOND, BURST)
        self._offer = Offer(offered(turn))
        self._askers = Askers(MAX_ASKERS)
        self._pushing: asyncio.Task[None] | None = None
        for namespace in NAMESPACES:
            for way in (link, delegation):
                way.on_iq("get", f"{{{namespace}}}services", self._on_services)
                way.on_iq("get", f"{{{namespace}}}credentials", self._on_credentials)

    def reload(self, turn: TurnSettings, secret: str) -> None:
        """Offer what `turn` says from now on, with credentials of this secret.

        Who has asked us lately is told what changed (XEP-0215 §3.2). Who has asked the server is not:
        nobody may push in its name.
        """
        offer = Offer(offered(turn), self._offer.secrets + (secret != self._secret))
        self._turn, self._secret = turn, secret
        if offer == self._offer:
            return
        self._offer = offer
        if self._pushing is not None:
            self._pushing.cancel()
        self._pushing = asyncio.create_task(self._push())

    def _on_services(self, iq: Element) -> Element:
        """XEP-0215 §3.1 and §3.2: all services, or those of one type."""
        name = self._asker(iq)
        wanted = iq[0].get("type")
        services = [service for service in self._offer.services if wanted in (None, service.type)]
        if iq.get("to") == self._link.domain and wanted in (None, *TYPES):
            namespace = iq[0].tag[1:].partition("}")[0]
            asker = Asker(namespace, wanted, self._clock(), self._offer)
            self._askers.remember(iq.get("from", ""), asker)
        return self._answer(iq[0].tag, wanted, map(Entry, services), name)

    def _on_credentials(self, iq: Element) -> Element:
        """XEP-0215 §3.3: the services with these hosts and types (and ports), with credentials."""
        name = self._asker(iq)
        namespace = iq[0].tag[1:].partition("}")[0]
        asked = iq[0].findall(f"{{{namespace}}}service")
        needed = ("host",) if namespace == _OLD else ("host", "type")
        if not asked or not all(one.get(key) for one in asked for key in needed):
            raise _refusal("bad-request", f"a service with {' and '.join(needed)} is needed")
        if len(asked) > MAX_NAMED:
            raise _refusal("policy-violation", f"at most {MAX_NAMED} services in one request")
        services = [
            service for service in self._offer.services if any(_is_named(service, one) for one in asked)
        ]
        if not services:
            raise _refusal("item-not-found", "no such service")
        return self._answer(iq[0].tag, None, map(Entry, services), name)

    def _asker(self, iq: Element) -> str:
        """The bare JID that asks, if it may."""
        if iq.get("to") not in (self._link.domain, *self._local_domains):
            raise _refusal("service-unavailable", "")
        name = bare(iq.get("from", ""))
        if domain(name) not in self._local_domains or not local(name):
            raise _refusal("forbidden", "only users of this server")
        if not self._buckets.take(name, self._clock()):
            raise _refusal("resource-constraint", "asked too often")
        return name

    async def _push(self) -> None:
        """Tell the askers, some at a time, what they do not know yet."""
        places = asyncio.Semaphore(PUSHES_AT_A_TIME)
        latest = self._clock() - self._turn.credential_ttl_s
        pushes = (self._push_to(jid, asker, places) for jid, asker in self._askers.since(latest))
        await asyncio.gather(*pushes)

    async def _push_to(self, jid: str, asker: Asker, places: asyncio.Semaphore) -> None:
        async with places:
            payload = self._news(bare(jid), asker)
            if payload is None:
                return
            known, asker.told = asker.told, self._offer
            push = stanzas.iq("set", jid, self._link.domain, payload)
            try:
                await self._link.request(push, PUSH_TIMEOUT_S)
            except LinkDown:
                asker.told = known
                _PUSHED.labels("down").inc()
            except (StanzaError, RequestTimeout) as error:
                self._askers.forget(jid, asker)  # gone, or it does not understand
                _PUSHED.labels("none" if isinstance(error, RequestTimeout) else "error").inc()
            else:
                _PUSHED.labels("result").inc()

    def _news(self, name: str, asker: Asker) -> Element | None:
        """What an asker has to hear, or None. The old version has no way to say that a service is gone."""
        news = [
            entry
            for entry in changes(asker.told, self._offer)
            if asker.type in (None, entry.service.type)
            if entry.action != "remove" or asker.namespace != _OLD
        ]
        return self._answer(f"{{{asker.namespace}}}services", asker.type, news, name) if news else None

    def _answer(self, tag: str, type: str | None, entries: Iterable[Entry], name: str) -> Element:
        """A list of services with credentials for `name`; entries with an action are a push."""
        namespace = tag[1:].partition("}")[0]
        answer = Element(tag, {} if type is None else {"type": type})
        secrets: dict[str, str] = {}
        for entry in entries:
            attributes = entry.service.attributes()
            if entry.service.restricted and entry.action != "remove":
                secrets = secrets or self._credentials(name)
                attributes |= secrets
            if entry.action:
                attributes["action"] = entry.action
            if namespace == _OLD:
                attributes = {key: attributes[key] for key in attributes if key not in _NOT_IN_OLD}
            SubElement(answer, f"{{{namespace}}}service", attributes)
        return answer

    def _credentials(self, name: str) -> dict[str, str]:
        if len(name.encode()) > _MAX_NAME_BYTES:
            name = hashlib.sha256(name.encode()).hexdigest()
        now = int(self._clock())
        # Expiries lie on a grid: as many as fit into the life are all the credentials that one name can have.
        life_s = self._turn.credential_ttl_s
        step_s = -(-life_s // self._turn.credentials_per_user)
        credential = credentials.issue(self._secret, name, life_s - (now + life_s) % step_s, now)
        _ISSUED.inc()
        expires = datetime.fromtimestamp(now + credential.ttl, UTC)
        return {
            "username": credential.username,
            "password": credential.password,
            "expires": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),  # XEP-0082
            "restricted": "1",
        }


def _is_named(service: Service, asked: Element) -> bool:
    """Whether a request for credentials means this service: what it says of it is right."""
    return all(asked.get(key) in (None, value) for key, value in service.attributes().items())


def _refusal(condition: str, text: str) -> StanzaError:
    _REFUSED.labels(condition).inc()
    return StanzaError(condition, text)
