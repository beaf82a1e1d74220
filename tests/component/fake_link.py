"""A link that only remembers: for services that are tested without a server."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element

from component import stanza as stanzas
from component.link.dispatch import Dispatch
from component.link.interface import IqHandler, LinkDown, StanzaHandler, StateHandler
from component.link.requests import Requests
from component.stanza import Kind
from component.stanza_error import read_error


class FakeLink:
    """Dispatches as the real one, keeps what is sent, and is never up."""

    def __init__(self, domain: str = "focus.example") -> None:
        self.domain = domain
        self.session = "s1"
        self.sent: list[Element] = []
        self._dispatch = Dispatch(domain, Requests(), self.send)

    def send(self, stanza: Element) -> None:
        """Keep it, after it has been written once: what cannot be written fails here too."""
        stanzas.serialise(stanza)
        self.sent.append(stanza)

    async def request(self, iq: Element, timeout_s: float = 15.0) -> Element:
        """Fail."""
        raise LinkDown

    async def expect(self, iq: Element, timeout_s: float = 15.0) -> Element:
        """Fail."""
        raise LinkDown

    def before_acknowledging(self, handler: Callable[[], None]) -> None:
        """There is nobody to tell."""

    def on_iq(self, type: str, payload_tag: str, handler: IqHandler) -> None:
        """As the real one."""
        self._dispatch.on_iq(type, payload_tag, handler)

    def on_presence(self, handler: StanzaHandler) -> None:
        """As the real one."""
        self._dispatch.on_stanza(Kind.PRESENCE, handler)

    def on_message(self, handler: StanzaHandler) -> None:
        """As the real one."""
        self._dispatch.on_stanza(Kind.MESSAGE, handler)

    def on_state(self, handler: StateHandler) -> None:
        """There is no state."""

    def deliver(self, stanza: Element) -> None:
        """Let a stanza arrive that nobody answers."""
        self._dispatch.receive(stanza)

    def ask(
        self, payload: Element, sender: str = "ann@example/r", to: str = "", type: str = "get"
    ) -> Element:
        """Let someone ask, and return the answer's payload. Raises the StanzaError of the answer."""
        request = stanzas.iq("get", to or self.domain, sender, payload, id="7")
        request.set("type", type)
        self._dispatch.receive(request)
        answer = self.sent.pop()
        assert not self.sent
        assert (answer.get("to"), answer.get("from"), answer.get("id")) == (sender, to or self.domain, "7")
        if answer.get("type") == "error":
            raise read_error(answer)
        found = stanzas.payload(answer)
        return answer if found is None else found
