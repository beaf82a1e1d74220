"""Tries for real what the focus may do on the MUC service (XEP-0045), in two rooms that end a moment later.

In the first one a stranger, an address of the component that has no rights, is there before the focus: only
an administrator of the service is owner of it all the same. (Where only the focus may open rooms, the focus
gives a stranger its room in the end, and has its own rights taken away.) In the second one strangers come
between the focus's joining and its configuring (is a new room locked?) and behind it (do they see the focus's
real JID?).
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

from component.disco import DISCO_INFO_NS
from component.focus import own_presence
from component.focus.occupant import RoomPresence, parse_room_presence
from component.link import Link, LinkDown, RequestTimeout
from component.stanza import bare, iq
from component.stanza_error import StanzaError

ANSWER_S = 3.0
"""A MUC answers within milliseconds."""
TIMEOUT = "timeout"
"""Stands where a condition would, when there was no answer."""
NO_MUC = "no MUC"
"""The same where somebody answers who offers no rooms."""
MAX_PRESENCES = 200
"""Of one occupant: the rooms are ours alone, and hold three."""

_MUC_ADMIN = "http://jabber.org/protocol/muc#admin"
_LOCKED = "item-not-found"
_PERSISTENT = "muc_persistent"


@dataclass(frozen=True)
class RoomsSeen:
    """What the MUC service did; each text is a stanza error's condition, or "" when there was none."""

    no_service: str = ""
    """Why there is no MUC service: the answer to disco#info, or NO_MUC. The rest is not tried then."""
    stranger_creates: str = ""
    """Somebody without rights opens a room: refused where rooms are the focus's business."""
    locked: bool = False
    """Who comes after the one who opened a room is refused until that one has configured it."""
    stranger_affiliation: str = ""
    """What the focus is in the stranger's room; "" when it could not be found out."""
    stranger_refuses: str = ""
    """Why the focus cannot enter the stranger's room, once that is unlocked."""
    creates: str = ""
    """Why the focus cannot open a room."""
    affiliation: str = ""
    """What the focus is in a room that it opened."""
    configures: str = ""
    """Why it cannot configure that room."""
    enters: str = ""
    """Why somebody without rights cannot enter it then."""
    real_jid: bool = False
    """Whether that one sees the real JID of the focus."""


@dataclass(frozen=True)
class Entry:
    """How an attempt to enter a room ended."""

    condition: str = ""
    affiliation: str = ""
    others: tuple[RoomPresence, ...] = ()


class RoomsProbe:
    """Occupants of the component's own, on one link."""

    def __init__(self, link: Link, muc: str) -> None:
        self._link = link
        self._muc = muc
        self._waiting: dict[str, asyncio.Queue[RoomPresence]] = {}
        """By full JID, as long as it tries to enter a room."""
        link.on_presence(self._on_presence)

    async def look(self) -> RoomsSeen:
        """Try everything; takes some round trips. Raises LinkDown."""
        mark = secrets.token_hex(8)
        focus = f"focus@{self._link.domain}/check-{mark}"
        strangers = [f"check@{self._link.domain}/{mark}-{number}" for number in range(2)]
        theirs, own = (f"carillon-check-{mark}-{number}@{self._muc}" for number in range(2))
        entered: list[tuple[str, str]] = []
        try:
            if lacking := await self._no_service(focus):
                return RoomsSeen(no_service=lacking)
            return await self._look(focus, strangers, theirs, own, entered)
        finally:
            await self._leave(entered)

    async def _look(
        self, focus: str, strangers: list[str], theirs: str, own: str, entered: list[tuple[str, str]]
    ) -> RoomsSeen:
        guest = await self._enter(theirs, strangers[0], entered)
        if guest.condition == TIMEOUT:
            return RoomsSeen(no_service=TIMEOUT)
        locked, second = False, Entry()
        if not guest.condition:
            second = await self._enter(theirs, focus, entered)
            if second.condition == _LOCKED:
                locked = True
                await self._configure(theirs, strangers[0])
                second = await self._enter(theirs, focus, entered)
        first = await self._enter(own, focus, entered)
        if first.condition:
            return RoomsSeen(
                stranger_creates=guest.condition,
                locked=locked,
                stranger_affiliation=second.affiliation,
                stranger_refuses=second.condition,
                creates=first.condition,
            )
        early = await self._enter(own, strangers[0], entered)
        configures = await self._configure(own, focus)
        late = await self._enter(own, strangers[1], entered)
        inherent = second.affiliation
        if guest.condition and not late.condition:
            inherent = await self._without_rights_of_its_own(own, focus, strangers[1])
        return RoomsSeen(
            stranger_creates=guest.condition,
            locked=locked or early.condition == _LOCKED,
            stranger_affiliation=inherent,
            stranger_refuses=second.condition,
            affiliation=first.affiliation,
            configures=configures,
            enters=late.condition,
            real_jid=any(one.real_jid == focus for one in late.others),
        )

    async def _without_rights_of_its_own(self, room: str, focus: str, stranger: str) -> str:
        """What the focus still is in its room when the room is the stranger's; "" when that cannot be had."""
        if await self._ask(iq("set", room, focus, _affiliation(stranger, "owner"))):
            return ""
        # Some services refuse this for their administrators: then they are owners for good as well.
        await self._ask(iq("set", room, stranger, _affiliation(focus, "none")))
        form = Element(f"{{{own_presence.MUC_OWNER}}}query")
        return "none" if await self._ask(iq("get", room, focus, form)) else "owner"

    async def _enter(self, room: str, jid: str, entered: list[tuple[str, str]]) -> Entry:
        """Join as an occupant with a nick of its own; who is in it is entered into `entered`."""
        nick = jid.rpartition("/")[2]
        arrivals = self._waiting[jid] = asyncio.Queue(MAX_PRESENCES)
        others: list[RoomPresence] = []
        try:
            self._link.send(own_presence.join_presence(room, jid, nick))
            async with asyncio.timeout(ANSWER_S):
                while True:
                    seen = await arrivals.get()
                    if seen.room != room:
                        continue
                    if seen.kind == "error":
                        return Entry(seen.error)
                    if seen.nick == nick:
                        entered.append((room, jid))
                        return Entry("", seen.affiliation, tuple(others))
                    others.append(seen)
        except TimeoutError:
            entered.append((room, jid))  # it may have got in
            return Entry(TIMEOUT)
        finally:
            del self._waiting[jid]

    async def _configure(self, room: str, owner: str) -> str:
        """Send the form that the focus sends; why it is refused, or ""."""
        return await self._ask(iq("set", room, owner, own_presence.room_form()))

    async def _leave(self, entered: list[tuple[str, str]]) -> None:
        """Leave all rooms: an empty one is gone. One that would stay is destroyed by who opened it."""
        for room, owner in dict(reversed(entered)).items():
            if await self._is_persistent(room, owner):
                destroy = Element(f"{{{own_presence.MUC_OWNER}}}query")
                SubElement(destroy, f"{{{own_presence.MUC_OWNER}}}destroy")
                await self._ask(iq("set", room, owner, destroy))
        for room, jid in entered:
            self._link.send(own_presence.leave_presence(room, jid, jid.rpartition("/")[2]))

    async def _no_service(self, jid: str) -> str:
        """Why there is no MUC service, or ""."""
        features = await self._features(self._muc, jid)
        if isinstance(features, str):
            return features
        return "" if own_presence.MUC in features else NO_MUC

    async def _is_persistent(self, room: str, jid: str) -> bool:
        features = await self._features(room, jid)
        return not isinstance(features, str) and _PERSISTENT in features

    async def _features(self, of: str, jid: str) -> frozenset[str] | str:
        """What somebody can do (XEP-0030), or why that is not told."""
        answer = await self._answer(iq("get", of, jid, Element(f"{{{DISCO_INFO_NS}}}query")))
        if isinstance(answer, str):
            return answer
        return frozenset(one.get("var", "") for one in answer.iter(f"{{{DISCO_INFO_NS}}}feature"))

    async def _ask(self, request: Element) -> str:
        """Why a request is refused, or ""."""
        answer = await self._answer(request)
        return answer if isinstance(answer, str) else ""

    async def _answer(self, request: Element) -> Element | str:
        try:
            return await self._link.request(request, ANSWER_S)
        except StanzaError as refusal:
            return refusal.condition
        except (RequestTimeout, LinkDown):
            return TIMEOUT

    def _on_presence(self, presence: Element) -> None:
        if self._waiting and (arrivals := self._waiting.get(presence.get("to", ""))) and not arrivals.full():
            arrivals.put_nowait(parse_room_presence(presence))


def _affiliation(jid: str, affiliation: str) -> Element:
    """The payload that changes somebody's affiliation (XEP-0045 §10.3)."""
    query = Element(f"{{{_MUC_ADMIN}}}query")
    SubElement(query, f"{{{_MUC_ADMIN}}}item", {"jid": bare(jid), "affiliation": affiliation})
    return query
