"""What the services see of a component link, and the errors it raises."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol
from xml.etree.ElementTree import Element

IqHandler = Callable[[Element], Awaitable[Element | None] | Element | None]
"""Gets the whole `<iq/>`; gives the payload of the result (None: empty result) or raises StanzaError."""
StanzaHandler = Callable[[Element], None]
StateHandler = Callable[[bool], None]


class LinkDown(Exception):
    """There is no session with the server (any more), or it takes nothing: the request got no answer."""


class RequestTimeout(Exception):
    """The peer did not answer in time."""


class StanzaTooLarge(Exception):
    """A stanza of ours that a server would end the stream for."""


class Link(Protocol):
    """A session with the XMPP server as the component `domain`. Tags inside are those of XEP-0114."""

    domain: str
    """The component's host, for example `focus.example.org`."""

    @property
    def session(self) -> str:
        """The id of the server's session, "" while there is none.

        It outlives this process when a link holds it: what the server knows of us it still knows then.
        """

    def send(self, stanza: Element) -> None:
        """Send a stanza that nobody answers; while there is no session it is dropped and counted.

        Raises StanzaTooLarge or StanzaInvalid: nothing was sent then.
        """

    async def request(self, iq: Element, timeout_s: float = 15.0) -> Element:
        """Send an IQ get or set (`id` assigned if missing) and return the whole result.

        Raises StanzaError (the peer's), RequestTimeout, LinkDown, StanzaTooLarge or StanzaInvalid.
        """

    def expect(self, iq: Element, timeout_s: float = 15.0) -> Awaitable[Element]:
        """The answer to a request that a process before this one has sent; it may be on its way.

        It is waited for from now on. Raises as `request`, when awaited.
        """

    def before_acknowledging(self, handler: Callable[[], None]) -> None:
        """Call `handler` before the link is told what has been handled: it must be in the journal by then."""

    def on_iq(self, type: str, payload_tag: str, handler: IqHandler) -> None:
        """Let `handler` answer IQs of this type ("get", "set") whose payload has this tag ("{ns}name").

        Handlers that return an awaitable run concurrently.
        """

    def on_presence(self, handler: StanzaHandler) -> None:
        """Call `handler` with every presence, errors included."""

    def on_message(self, handler: StanzaHandler) -> None:
        """Call `handler` with every message, errors included."""

    def on_state(self, handler: StateHandler) -> None:
        """Call `handler` with True when a session begins and with False when it is lost."""
