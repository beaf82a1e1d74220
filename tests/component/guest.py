"""A scripted participant: a guest over real XMPP that does what a meeting page does, without media."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from carillon.settings import Settings
from component.focus.features import DISCO_INFO
from component.focus.occupant import MUC_USER, local_name
from jingle.content import Action, Content
from jingle.element import JINGLE_TAG, Jingle, build_jingle, parse_jingle
from jingle.ice import Fingerprint, IceTransport
from jingle.jitsi.conference import CONFERENCE, Conference, build_conference, parse_conference
from jingle.jitsi.mute import TAGS, Mute, build_mute, parse_mute
from jingle.rtp import RtpDescription
from jingle.sources import Source
from tests.component.focus_room import recorded
from tests.component.prosody import Client

MUC = "conference.localhost"
TIMEOUT_S = 10.0
NO_MEDIA = IceTransport("ufrag", "x" * 24, (Fingerprint("sha-256", ":".join(["CD"] * 32), setup="active"),))
"""The transport of somebody who will never send anything."""
FEATURES = tuple(
    feature.get("var", "")
    for feature in recorded("disco-info-result.xml", "focus").iter(f"{{{DISCO_INFO}}}feature")
)


class Inbox(list[Element]):
    """Everything that comes, each shown to the guest first."""

    def __init__(self, arrived: Callable[[Element], None]) -> None:
        super().__init__()
        self._arrived = arrived

    def append(self, stanza: Element) -> None:
        super().append(stanza)
        self._arrived(stanza)


class Guest:
    """One participant of one room."""

    def __init__(self, client: Client, room: str, nick: str, features: tuple[str, ...]) -> None:
        self.client = client
        self.room = f"{room}@{MUC}"
        self.nick = nick
        self.features = features
        self.told: list[Jingle] = []
        """Jingle requests of the focus, in order."""
        self.muted: list[Mute] = []
        self.owners: set[str] = set()
        """Nicks that the room shows as owners."""
        self.joined_at = self.invited_at = 0.0
        self.presences: dict[str, Element] = {}
        self._changed = asyncio.Event()
        self._ids = 0
        self._answers: list[str] = []
        client.received = Inbox(self._arrived)

    @classmethod
    async def login(
        cls, settings: Settings, room: str, nick: str, features: tuple[str, ...] = FEATURES
    ) -> Guest:
        """Log in as a guest."""
        return cls(await Client.login(settings), room, nick, features)

    # Doing

    async def ask(self, payload: Element, to: str, type: str = "set") -> Element:
        """Send an IQ and wait for the answer."""
        self._ids += 1
        text = tostring(payload, encoding="unicode")
        return await self.client.request(text, f"{self.nick}-{self._ids}", type, to)

    async def request(self, focus: str = "focus.localhost") -> Conference:
        """Ask for the conference."""
        answer = await self.ask(build_conference(Conference(self.room, machine_uid="uid")), focus)
        found = answer.find(CONFERENCE)
        assert found is not None, tostring(answer)
        return parse_conference(found)

    def join(self) -> None:
        """Enter the room."""
        self.joined_at = asyncio.get_running_loop().time()
        self.client.write(
            f"<presence to='{self.room}/{self.nick}'><x xmlns='http://jabber.org/protocol/muc'/>"
            f"<stats-id>{self.nick}-stats</stats-id></presence>"
        )

    async def enter(self) -> None:
        """Ask for the conference, then join."""
        answer = await self.request()
        assert answer.ready and answer.focus_jid == "focus@focus.localhost"
        self.join()

    def leave(self) -> None:
        """Leave the room."""
        self.client.write(f"<presence to='{self.room}/{self.nick}' type='unavailable'/>")

    async def tell(self, jingle: Jingle) -> Element:
        """A Jingle request to the focus."""
        return await self.ask(build_jingle(jingle), f"{self.room}/focus")

    async def accept(self, first_ssrc: int, transport: IceTransport = NO_MEDIA) -> Element:
        """Accept the last session with an audio and a video source; media would come from `transport`."""
        offer = await self.offered()
        contents = tuple(
            Content(
                content.name,
                creator="responder",
                senders="both",
                description=replace(
                    content.description or RtpDescription(content.name),
                    sources=(self.source(content.name, first_ssrc + number),),
                    groups=(),
                ),
                transport=transport,
            )
            for number, content in enumerate(offer.contents)
        )
        return await self.tell(Jingle(Action.SESSION_ACCEPT, offer.sid, contents=contents))

    def source(self, media: str, ssrc: int) -> Source:
        """A source of this guest."""
        return Source(
            ssrc, name=f"{self.nick}-{media[0]}{ssrc % 10}", msid=f"{self.nick}-{ssrc} track-{ssrc}"
        )

    async def mute(self, nick: str, muted: bool = True, media: str = "audio") -> Element:
        """Ask the focus to mute somebody."""
        return await self.ask(build_mute(Mute(media, muted, f"{self.room}/{nick}")), f"{self.room}/focus")

    # Seeing

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Wait until something that arrives makes the condition true."""
        async with asyncio.timeout(TIMEOUT_S):
            while not (value := condition()):
                self._changed.clear()
                await self._changed.wait()
        return value

    async def offered(self) -> Jingle:
        """The last session-initiate."""
        offers = await self.until(lambda: self.of(Action.SESSION_INITIATE))
        assert isinstance(offers[-1], Jingle)
        return offers[-1]

    async def knows(self, others: int) -> None:
        """Wait until sources of so many others are told."""
        await self.until(lambda: len(self.known_sources()) == others)

    def of(self, action: Action) -> list[Jingle]:
        """What the focus told with this action."""
        return [jingle for jingle in self.told if jingle.action is action]

    def known_sources(self) -> dict[str, set[int]]:
        """SSRCs by owner, as far as the focus has told."""
        known: dict[str, set[int]] = {}
        for jingle in self.told:
            if jingle.action is Action.SESSION_INITIATE:
                known.clear()
            for owner, ssrcs in _sources(jingle).items():
                if jingle.action is Action.SOURCE_REMOVE:
                    known.get(owner, set()).difference_update(ssrcs)
                else:
                    known.setdefault(owner, set()).update(ssrcs)
        return known

    def _arrived(self, stanza: Element) -> None:
        kind = local_name(stanza)
        if kind == "iq" and stanza.get("type") in ("get", "set"):
            self._asked(stanza)
        elif kind == "presence":
            self._seen(stanza)
        self._changed.set()

    def _asked(self, iq: Element) -> None:
        payload = iq[0]
        answer = ""
        if payload.tag == f"{{{DISCO_INFO}}}query":
            query = Element(payload.tag)
            for feature in self.features:
                SubElement(query, f"{{{DISCO_INFO}}}feature", {"var": feature})
            answer = tostring(query, encoding="unicode")
        elif payload.tag == JINGLE_TAG:
            self.told.append(parse_jingle(payload))
            if self.told[-1].action is Action.SESSION_INITIATE:
                self.invited_at = asyncio.get_running_loop().time()
        elif payload.tag in TAGS:
            self.muted.append(parse_mute(payload))
        self.client.write(f"<iq type='result' id='{iq.get('id')}' to='{iq.get('from')}'>{answer}</iq>")

    def _seen(self, presence: Element) -> None:
        nick = presence.get("from", "").partition("/")[2]
        self.presences[nick] = presence
        item = presence.find(f".//{{{MUC_USER}}}item")
        if item is not None and item.get("affiliation") == "owner" and presence.get("type") is None:
            self.owners.add(nick)


def _sources(jingle: Jingle) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for owner, owned in (jingle.json_sources or {}).items():
        found.setdefault(owner, set()).update(source.ssrc for media in owned for source in media.sources)
    for content in jingle.contents:
        for source in content.description.sources if content.description else ():
            found.setdefault(source.owner, set()).add(source.ssrc)
    return found
