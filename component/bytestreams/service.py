"""The proxy as clients see it (XEP-0065 §4 and §6): its address, and the activation of their streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from xml.etree.ElementTree import Element, SubElement

from carillon.guard.buckets import Buckets
from carillon.settings import Settings
from component.bytestreams import metrics
from component.bytestreams.activation import BYTESTREAMS_NS, QUERY, parse_activation
from component.bytestreams.relay_client import RelayClient
from component.disco import Disco, Identity
from component.link import Link
from component.stanza import bare, domain
from component.stanza_error import StanzaError

BURST: Final = 30.0
PER_SECOND: Final = 1.0
"""Requests of one bare JID: a file takes two, and people send files by the handful."""

_ACTIVE: Final = "conflict"
"""What the relay says of a stream that is active. Only this requester can have activated it, whose JID is in
its name: a process before this one has, and could not answer any more. Nothing of a stream is kept here."""

_TEXTS: Final = {
    "item-not-found": "no connection of a stream with this sid, requester and target",
    "not-allowed": "only one of requester and target is connected",
    "resource-constraint": "too many streams at the moment",
}


class Bytestreams:
    """Answers on the proxy's host."""

    def __init__(self, settings: Settings, link: Link, clock: Callable[[], float]) -> None:
        """`clock` gives seconds."""
        self._domain = link.domain
        self._clock = clock
        self._buckets = Buckets(PER_SECOND, BURST)
        self._relay = RelayClient(settings.turn.control)
        self.reload(settings)
        Disco(link, Identity("proxy", "bytestreams", "SOCKS5 Bytestreams"), (BYTESTREAMS_NS,))
        link.on_iq("get", QUERY, self._on_address)
        link.on_iq("set", QUERY, self._on_activate)

    def reload(self, settings: Settings) -> None:
        """Tell other addresses, and serve people of other domains, from now on."""
        socks5, xmpp = settings.socks5, settings.xmpp
        self._domains = frozenset((xmpp.domain, xmpp.guest_domain, *socks5.remote_domains))
        self._address = Element(QUERY)
        for host in socks5.advertise:
            SubElement(
                self._address,
                f"{{{BYTESTREAMS_NS}}}streamhost",
                {"jid": self._domain, "host": host, "port": str(socks5.port)},
            )

    async def start(self) -> None:
        """Make ready."""
        await self._relay.start()

    async def stop(self) -> None:
        """Close what is open; idempotent."""
        await self._relay.stop()

    def _on_address(self, iq: Element) -> Element:
        """The streamhosts, the best first; who asks with a sid gets it back."""
        try:
            self._admit(iq)
        except StanzaError as error:
            raise _refused("address", error) from None
        metrics.ADDRESS_QUERIES.inc()
        sid = iq[0].get("sid")
        if not sid:
            return self._address
        answer = Element(QUERY, {"sid": sid})
        answer.extend(self._address)
        return answer

    async def _on_activate(self, iq: Element) -> None:
        try:
            self._admit(iq)
            activation = parse_activation(iq)
            await self._relay.activate(activation.digest, bare(activation.initiator), bare(activation.target))
        except StanzaError as error:
            if error.condition == _ACTIVE:
                return
            text = error.text or _TEXTS.get(error.condition, "")
            raise _refused("activate", StanzaError(error.condition, text)) from None
        metrics.ACTIVATED.inc()

    def _admit(self, iq: Element) -> None:
        """Raise StanzaError unless this is somebody who may use the proxy, and not too often."""
        if iq.get("to") != self._domain:
            raise StanzaError("service-unavailable")
        asker = bare(iq.get("from", ""))
        if domain(asker) not in self._domains:
            raise StanzaError("forbidden", "only people of this server and its guests may use the proxy")
        if not self._buckets.take(asker, self._clock()):
            raise StanzaError("resource-constraint", "asked too often")


def _refused(request: str, error: StanzaError) -> StanzaError:
    metrics.REFUSED.labels(request, error.condition).inc()
    return error
