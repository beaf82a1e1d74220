"""A small world around the calls, in simulated time: callers, a room with its focus, a bridge, a link.

The calls in it are the real ones with their real shell; what they reach is modelled. A process of them is
killed by cutting it off: from then on nothing that it does has an effect on anybody.
"""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from carillon.journal import Journal
from carillon.journal.memory_store import MemoryStore
from carillon.settings import parse
from component.calls.line import Line
from component.calls.records import CALL, LegRecord
from component.calls.service import Calls
from component.focus.occupant import MUC_USER
from component.focus.own_presence import MUC
from component.link.dispatch import Dispatch
from component.link.interface import StanzaHandler
from component.stanza import (
    COMPONENT_NS,
    IQ,
    MESSAGE,
    PRESENCE,
    Kind,
    bare,
    domain,
    iq,
    message,
    presence,
    resource,
    result,
)
from component.stanza_error import StanzaError
from jingle.content import Action, Content, Group
from jingle.element import JINGLE_TAG, Jingle, build_jingle, parse_jingle
from jingle.jmi import Invitation, Step, build_invitation, parse_invitation
from tests.component.call_under_test import STANZA_JS
from tests.component.focus_room import bridge_transport
from tests.component.focus_world import (
    WALL,
    Life,
    ProcessBridges,
    ProcessLink,
    ProcessStore,
    WorldBridge,
    WorldLink,
)

CALLS = "calls.localhost"
ROOM = "lounge@conference.localhost"
FOCUS = "focus@focus.localhost/focus"
_TWICE = StanzaError("unexpected-request", "out of order")


class CallsWorld:
    """Everything that outlives a process."""

    def __init__(self, rng: random.Random, pin: str = "") -> None:
        """With a PIN, rooms want it."""
        self.rng = rng
        self.pin = pin
        text = '[calls]\nrooms = "pin"\npin_file = "pin"\n' if pin else ""
        self.settings = parse(text, Path("/nowhere/carillon.toml"))
        self.link = WorldLink(self)  # type: ignore[arg-type]
        self.bridge = WorldBridge(self)  # type: ignore[arg-type]
        self.muc = Outside(self)
        self.room = Room(self)
        self.store = MemoryStore()
        self.session = "the server's session"
        self.process: CallsProcess | None = None
        self.callers: dict[str, WorldCaller] = {}
        self.drops_answers = False
        self.faults: list[str] = []

    def start(self, deeds: int | None = None) -> CallsProcess:
        """Start a process, which dies after so many deeds."""
        self.process = CallsProcess(self, deeds)
        self.process.link.tell(True)
        self.link.go_on()
        return self.process

    def kill(self) -> None:
        """The process is gone, wherever it was."""
        assert self.process is not None
        self.process.bury()
        self.process = None
        self.link.nobody_there()

    def soon(self, deed: Callable[[], None], *, within_s: float = 0.02) -> None:
        """Do something a little later."""
        asyncio.get_running_loop().call_later(self.rng.uniform(0.0, within_s), deed)

    def inconsistencies(self) -> list[str]:
        """What calls, callers, room and bridge do not agree about, when all have come to rest."""
        assert self.process is not None
        lines = self.process.calls._lines
        found = list(self.faults)
        known = {
            (caller.jid, sid): call for caller in self.callers.values() for sid, call in caller.calls.items()
        }
        active = {key for key, call in known.items() if call.active}
        if active != set(lines):
            found.append(f"callers have {active}, we have {set(lines)}")
        rooms = {
            resource(one.room.own_jid) for line in lines.values() if (one := _record(line)).room is not None
        }
        if set(self.room.occupants) != rooms:
            found.append(f"in the room are {set(self.room.occupants)}, calls lead to {rooms}")
        if set(self.room.sessions) != rooms:
            found.append(f"the focus has sessions with {set(self.room.sessions)}, calls lead to {rooms}")
        echoes = {one.echo.meeting_id for line in lines.values() if (one := _record(line)).echo is not None}
        if set(self.bridge.conferences) != echoes:
            found.append(f"the bridge has {set(self.bridge.conferences)}, calls lead to {echoes}")
        rows = [name for name in self.store.rows if name[0] == CALL]
        if len(rows) != len(lines):
            found.append(f"{len(rows)} rows of {len(lines)} calls")
        return found


def _record(line: Line) -> LegRecord:
    return line.call.record(0.0).leg


class CallsLink(ProcessLink):
    """The link of the calls' host."""

    domain = CALLS

    def __init__(self, process: CallsProcess) -> None:
        super().__init__(process)  # type: ignore[arg-type]
        self.session = process.world.session
        self.dispatch = Dispatch(CALLS, self._requests, self.send, clock=asyncio.get_running_loop().time)

    def on_message(self, handler: StanzaHandler) -> None:
        """See Link.on_message."""
        self.dispatch.on_stanza(Kind.MESSAGE, handler)


class CallsProcess:
    """One process of the calls."""

    def __init__(self, world: CallsWorld, deeds: int | None) -> None:
        self.world = world
        self.life = Life(deeds)
        self.link = CallsLink(self)
        loop = asyncio.get_running_loop()
        journal = Journal(ProcessStore(self), 3600.0, clock=lambda: WALL + loop.time())  # type: ignore[arg-type]
        self.calls = Calls(
            world.settings,
            self.link,
            world.pin,
            ProcessBridges(self),  # type: ignore[arg-type]
            journal,
            clock=lambda: WALL + loop.time(),
        )

    def bury(self) -> None:
        """Nothing runs any more."""
        self.life.ended.set()
        self.calls.abandon()
        self.link.dispatch.cancel()


class Outside:
    """What takes the stanzas of the calls."""

    def __init__(self, world: CallsWorld) -> None:
        self._world = world

    def receive(self, stanza: Element) -> None:
        """One of them; who it is for answers a little later."""
        to = stanza.get("to", "")
        if to in self._world.callers:
            self._world.callers[to].receive(stanza)
        elif bare(to) == ROOM:
            self._world.room.receive(stanza)
        elif domain(to) == "focus.localhost" and stanza.get("type") in ("get", "set"):
            self.answer(result(stanza))

    def answer(self, stanza: Element) -> None:
        """Somebody says something to the calls."""
        self._world.link.receive(stanza)


@dataclass
class KnownCall:
    """A call as its caller sees it."""

    called: str
    active: bool = True
    accepted: int = 0
    hung_up: bool = False
    words: list[Action] = field(default_factory=list)


class WorldCaller:
    """A plain client; it calls, adds nothing that it does not take back, and hangs up or does not."""

    def __init__(self, world: CallsWorld, name: str) -> None:
        self.jid = f"{name}@localhost/phone"
        self.calls: dict[str, KnownCall] = {}
        self.steps: list[Step] = []
        """What came of proposals (XEP-0353)."""
        self._world = world
        self._ids = 0
        world.callers[self.jid] = self

    def call(self, called: str, sid: str) -> None:
        """Begin a call."""
        self.calls[sid] = KnownCall(called)
        initiate = Jingle(Action.SESSION_INITIATE, sid, contents=STANZA_JS.contents, groups=STANZA_JS.groups)
        self._ask(called, initiate)

    def trickle(self, sid: str) -> None:
        """Send a candidate, as clients do at once after the session-initiate."""
        place = Content(STANZA_JS.contents[0].name, transport=STANZA_JS.contents[0].transport)
        self._ask(self.calls[sid].called, Jingle(Action.TRANSPORT_INFO, sid, contents=(place,)))

    def hang_up(self, sid: str) -> None:
        """End a call, if it is there."""
        call = self.calls[sid]
        if call.active:
            call.active, call.hung_up = False, True
            self._ask(call.called, Jingle(Action.SESSION_TERMINATE, sid))

    def direct(self, sid: str, senders: str) -> None:
        """Say anew who sends, in an accepted call."""
        call = self.calls[sid]
        if call.active and call.accepted:
            content = Content(STANZA_JS.contents[0].name, senders=senders)
            self._ask(call.called, Jingle(Action.CONTENT_MODIFY, sid, contents=(content,)))

    def say(self, called: str, text: str) -> None:
        """Write something."""
        body = Element(f"{{{COMPONENT_NS}}}body")
        body.text = text
        self._message(called, body)

    def propose(self, called: str, id: str) -> None:
        """Propose a call."""
        self._message(called, build_invitation(Invitation(Step.PROPOSE, id, ("audio",))))

    def _message(self, to: str, payload: Element) -> None:
        self._ids += 1
        self._world.muc.answer(message("chat", to, self.jid, payload, id=f"{self.jid}-{self._ids}"))

    def _ask(self, to: str, jingle: Jingle) -> None:
        self._ids += 1
        self._world.muc.answer(iq("set", to, self.jid, build_jingle(jingle), id=f"{self.jid}-{self._ids}"))

    def receive(self, stanza: Element) -> None:
        """Something for this client."""
        invitation = parse_invitation(stanza) if stanza.tag == MESSAGE else None
        if invitation is not None:
            self.steps.append(invitation.step)
        if stanza.tag != IQ or stanza.get("type") not in ("get", "set"):
            return
        jingle = parse_jingle(stanza[0])
        call = self.calls.get(jingle.sid)
        error: StanzaError | None = None
        if call is None or not call.active:
            error = StanzaError("item-not-found", "unknown session")
        elif jingle.action is Action.SESSION_ACCEPT:
            if call.accepted:
                error = _TWICE
            call.accepted = 1
        elif jingle.action is Action.SESSION_TERMINATE:
            call.active = False
        if call is not None:
            call.words.append(jingle.action)
        answer = result(stanza) if error is None else error.reply(stanza)
        self._world.soon(lambda: self._world.muc.answer(answer))


class Room:
    """A room whose focus invites everybody."""

    def __init__(self, world: CallsWorld) -> None:
        self._world = world
        self.occupants: dict[str, str] = {}
        """Real JIDs by nick."""
        self.sessions: dict[str, bool] = {}
        """By nick, whether it has been accepted."""
        self._ids = 0

    def receive(self, stanza: Element) -> None:
        """Something for the room or for the focus in it."""
        nick, jid = resource(stanza.get("to", "")), stanza.get("from", "")
        if stanza.tag == PRESENCE:
            self._presence(nick, jid, stanza)
        elif stanza.tag == IQ and stanza.get("type") in ("get", "set"):
            self._asked(jid, stanza)

    def kick(self, nick: str) -> None:
        """Remove an occupant."""
        jid = self.occupants.pop(nick, None)
        self.sessions.pop(nick, None)
        if jid is not None:
            self._show(jid, nick, jid, "unavailable", "110", "307")

    def _presence(self, nick: str, jid: str, stanza: Element) -> None:
        if stanza.get("type") == "unavailable":
            if self.occupants.get(nick) == jid:
                del self.occupants[nick]
                self.sessions.pop(nick, None)
            return
        joins = stanza.find(f"{{{MUC}}}x") is not None
        if not joins and nick not in self.occupants:
            return
        new = nick not in self.occupants
        self.occupants[nick] = jid
        if joins:
            self._show(jid, "focus", FOCUS, "")
        self._show(jid, nick, jid, "", "110")
        if new:
            self._world.soon(lambda: self._invite(nick), within_s=0.2)

    def _show(self, to: str, nick: str, jid: str, type: str, *codes: str) -> None:
        shown = presence(to, f"{ROOM}/{nick}", type=type or None)
        x = SubElement(shown, f"{{{MUC_USER}}}x")
        SubElement(x, f"{{{MUC_USER}}}item", {"jid": jid, "affiliation": "none", "role": "participant"})
        for code in codes:
            SubElement(x, f"{{{MUC_USER}}}status", {"code": code})
        self._world.muc.answer(shown)

    def _invite(self, nick: str) -> None:
        jid = self.occupants.get(nick)
        if jid is None or nick in self.sessions:
            return
        self.sessions[nick] = False
        contents = tuple(
            Content(
                one.description.media,
                description=one.description,
                transport=bridge_transport(nick),
            )
            for one in STANZA_JS.contents
            if one.description is not None
        )
        names = tuple(one.name for one in contents)
        offer = Jingle(
            Action.SESSION_INITIATE, f"s-{nick}", contents=contents, groups=(Group("BUNDLE", names),)
        )
        self._ids += 1
        self._world.muc.answer(iq("set", jid, f"{ROOM}/focus", build_jingle(offer), id=f"f{self._ids}"))

    def _asked(self, jid: str, stanza: Element) -> None:
        nick = next((nick for nick, real in self.occupants.items() if real == jid), None)
        payload = stanza.find(JINGLE_TAG)
        if nick is None or payload is None:
            answer = StanzaError("item-not-found").reply(stanza)
        elif parse_jingle(payload).action is Action.SESSION_ACCEPT:
            if self.sessions.get(nick) is not False:
                answer = _TWICE.reply(stanza)
            else:
                self.sessions[nick] = True
                answer = result(stanza)
        else:
            answer = result(stanza)
        answer = copy.deepcopy(answer)
        answer.set("to", jid)
        answer.set("from", f"{ROOM}/focus")
        self._world.soon(lambda: self._world.muc.answer(answer))
