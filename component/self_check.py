"""What `carillon check` asks of a running component (`GET /check`): links, the server's clock, rights.

It looks over the sessions that there are, with addresses of its own: no meeting notices. What that means is
said elsewhere (component.check): the component only tells what it saw.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from xml.etree.ElementTree import Element

from aiohttp import web

from component.link import ComponentLink, LinkDown, LossKind, RequestTimeout
from component.rooms_probe import ANSWER_S, RoomsProbe, RoomsSeen
from component.stanza import iq
from component.stanza_error import StanzaError

TIME_NS = "urn:xmpp:time"
RESOURCE = "/check"


@dataclass(frozen=True)
class LinkSeen:
    """One link: its host, and why it has no session; "" and "" when it has one, or has not tried yet."""

    domain: str
    up: bool
    loss: LossKind | None = None
    detail: str = ""


@dataclass(frozen=True)
class Observation:
    """All that was seen."""

    links: tuple[LinkSeen, ...]
    """The first is that of the focus."""
    rooms: RoomsSeen | None = None
    """None when there is no session to try anything over."""
    utc: str = ""
    """The server's time as it told it (XEP-0202); "" when it does not."""
    age_s: float = 0.0
    """How long ago it told it."""

    def to_json(self) -> dict[str, object]:
        """As an object of scalars, lists and objects."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> Observation:
        """The other way. Raises ValueError for what another version wrote."""
        try:
            links = tuple(
                LinkSeen(**{**one, "loss": one["loss"] and LossKind(one["loss"])}) for one in value["links"]
            )
            rooms = RoomsSeen(**value["rooms"]) if value["rooms"] else None
            utc, age_s = value["utc"], value["age_s"]
        except (KeyError, TypeError) as error:
            raise ValueError("an observation of another version") from error
        if not links or not isinstance(utc, str) or not isinstance(age_s, int | float):
            raise ValueError("an observation of another version")
        return cls(links, rooms, utc, age_s)


class SelfCheck:
    """Looks over the links of a component; the first of them is the focus's."""

    def __init__(self, links: Sequence[ComponentLink], muc: str, server_domain: str) -> None:
        """`muc` is the MUC service, `server_domain` one that the server itself answers for."""
        self._links = links
        self._server_domain = server_domain
        self._rooms = RoomsProbe(links[0], muc)
        self._one_at_a_time = asyncio.Lock()

    def routes(self) -> Iterable[web.RouteDef]:
        """`GET /check`."""
        return (web.get(RESOURCE, self._answer),)

    async def look(self) -> Observation:
        """See what there is to see, within a few seconds."""
        links = tuple(_seen(link) for link in self._links)
        if not links[0].up:
            return Observation(links)
        loop = asyncio.get_running_loop()
        try:
            utc = await self._server_time()
            told = loop.time()
            rooms = await self._rooms.look()
        except LinkDown:
            return Observation(tuple(_seen(link) for link in self._links))
        return Observation(links, rooms, utc, loop.time() - told)

    async def _answer(self, _request: web.Request) -> web.Response:
        async with self._one_at_a_time:
            return web.json_response((await self.look()).to_json())

    async def _server_time(self) -> str:
        """The server's `<utc/>`, or "". Raises LinkDown."""
        link = self._links[0]
        question = iq("get", self._server_domain, link.domain, Element(f"{{{TIME_NS}}}time"))
        try:
            answer = await link.request(question, ANSWER_S)
        except (StanzaError, RequestTimeout):
            return ""
        return answer.findtext(f"{{{TIME_NS}}}time/{{{TIME_NS}}}utc") or ""


def _seen(link: ComponentLink) -> LinkSeen:
    loss = link.loss
    return LinkSeen(link.domain, link.up, loss.kind if loss else None, loss.text if loss else "")
