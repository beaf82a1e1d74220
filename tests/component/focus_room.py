"""A conference's core under test: recorded stanzas in, effects out; a fake bridge and fake clients answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

from carillon.journal import Row
from carillon.settings import FocusSettings, parse
from component.focus.bridge_pool import BridgePool
from component.focus.conference import Conference
from component.focus.effects import (
    AnswerRequest,
    AskBridge,
    AskPeer,
    BridgeAnswer,
    Effect,
    Ended,
    Send,
)
from component.focus.features import DISCO_INFO, FeatureCache
from component.focus.occupant import parse_room_presence
from component.focus.own_presence import MUC_OWNER
from component.focus.recording import Recorder
from component.focus.recovery import Restored, read, take_up
from component.focus.roles import MUC_ADMIN
from component.link import LinkDown
from component.stanza import COMPONENT_NS, PRESENCE
from component.stanza_error import StanzaError
from jingle.colibri2 import ConferenceModified, ConferenceModify, Endpoint, Transport
from jingle.content import Action
from jingle.element import JINGLE_TAG, Jingle, parse_jingle
from jingle.ice import Candidate, Fingerprint, IceTransport
from jingle.jitsi.mute import TAGS, Mute, parse_mute

DATA = Path(__file__).parent.parent / "data"
MUC = "conference.meet.lab"
ROOM = f"stag24687@{MUC}"
BRIDGE = "http://bridge"
OWN_JID = "focus@focus.meet.lab/focus"
WALL = 1_700_000_000.0
"""Unix time at zero of a conference's clock."""
MUC_USER = "http://jabber.org/protocol/muc#user"

FIRST, SECOND, THIRD = "8f26c11d", "ac110002", "fd3a39bf"
"""The participants of the recording, in the order in which they join."""
RECORDED_JOIN = {
    FIRST: "0053-focus-from-server-presence.xml",
    SECOND: "0088-focus-from-server-presence.xml",
    THIRD: "0170-focus-from-server-presence.xml",
}
RECORDED_ACCEPT = {
    FIRST: "0117-focus-from-server-jingle-session-accept.xml",
    SECOND: "0115-focus-from-server-jingle-session-accept.xml",
    THIRD: "0186-focus-from-server-jingle-session-accept.xml",
}


def recorded(name: str, folder: str = "captures/ws-3tabs-staggered") -> Element:
    """A recorded stanza, in the namespace of a component's stream."""
    text = (DATA / folder / name).read_text()
    return fromstring(text.replace(" ", f" xmlns='{COMPONENT_NS}' ", 1))


def recorded_jingle(name: str, folder: str = "captures/ws-3tabs-staggered") -> Jingle:
    """The Jingle element of a recorded IQ."""
    return parse_jingle(recorded(name, folder)[0])


def presence(
    nick: str,
    *,
    type: str = "",
    affiliation: str = "none",
    role: str = "participant",
    codes: tuple[int, ...] = (),
    room: str = ROOM,
) -> Element:
    """A presence such as a MUC sends it."""
    stanza = Element(PRESENCE, {"from": f"{room}/{nick}", "to": OWN_JID})
    if type:
        stanza.set("type", type)
    x = Element(f"{{{MUC_USER}}}x")
    jid = OWN_JID if nick == "focus" else f"{nick}@guest.meet.lab/r"
    x.append(Element(f"{{{MUC_USER}}}item", {"affiliation": affiliation, "role": role, "jid": jid}))
    x.extend(Element(f"{{{MUC_USER}}}status", {"code": str(code)}) for code in codes)
    stanza.append(x)
    return stanza


def focus_settings(**changes: Any) -> FocusSettings:
    """The reference settings of the focus with changes."""
    return replace(parse("", Path("/nowhere/carillon.toml")).focus, **changes)


def bridge_transport(nick: str) -> IceTransport:
    """What the fake bridge allocates."""
    return IceTransport(
        ufrag=f"ufrag{nick}",
        pwd="passwordofthebridge1234",
        fingerprints=(Fingerprint("sha-256", ":".join(["AB"] * 32), setup="actpass"),),
        candidates=(Candidate("1", 1, "udp", 2130706431, "192.0.2.1", 10000, "host", id="c1"),),
        web_sockets=(f"ws://front.test/colibri-ws/default-id/m/{nick}?pwd=x",),
        rtcp_mux=True,
    )


def allocate(request: ConferenceModify) -> BridgeAnswer:
    """The answer of a bridge that does what it is asked."""
    return ConferenceModified(
        tuple(
            Endpoint(endpoint.id, transport=Transport(ice=bridge_transport(endpoint.id)))
            for endpoint in request.endpoints
            if endpoint.create
        )
    )


class FocusRoom:
    """One conference, its time, and everything it has sent."""

    def __init__(
        self,
        *,
        room: str = ROOM,
        bridges: tuple[str, ...] = (BRIDGE,),
        restored: Restored | None = None,
        now: float = 1000.0,
        epoch: float = WALL,
        **settings: Any,
    ) -> None:
        self.now = now
        self.epoch = epoch
        """Unix time at zero of its clock."""
        self.room = room
        self.features = FeatureCache()
        self.bridges = BridgePool({url: url.rpartition("/")[2] for url in bridges})
        self.bridge_asked: list[str] = []
        """Which bridge each of `requests` went to."""
        self.bridge: Callable[[ConferenceModify], BridgeAnswer | None] = allocate
        """Answers the requests to the bridge; None keeps one unanswered, in `unanswered`."""
        self.disco: Element | StanzaError | None = recorded("disco-info-result.xml", "focus")
        self.session_answer: StanzaError | LinkDown | None = None
        self.unanswered: list[AskBridge | AskPeer] = []
        self.stanzas: list[Element] = []
        self.requests: list[ConferenceModify] = []
        self.iqs: list[Element] = []
        self.answers: dict[int, StanzaError | None] = {}
        self.ended = False
        self.asked = False
        self._to_do: deque[Effect] = deque()
        self.expected: list[AskPeer] = []
        """What a process before this one has asked."""
        numbers = count(1 if restored is None else 1001)
        self.conference = Conference(
            room,
            focus_settings(**settings),
            own_jid=OWN_JID,
            features=self.features,
            bridges=self.bridges,
            new_id=lambda: f"id{next(numbers)}",
            now=self.now,
            continued=restored.conference if restored is not None else None,
        )
        self.rows: dict[tuple[str, str, str], bytes | None] = {}
        """What the journal has."""
        known: list[Row] = []
        if restored is not None:
            take_up(self.conference, restored, self.epoch, self.now)
            known = restored.rows
            self.rows = {row.name: row.value for row in known}
        self._recorder = Recorder(self.conference, "", self.epoch, known)
        self.run(self.conference.begin())

    def killed(self, *, after_s: float = 2.0) -> FocusRoom:
        """The next process of the focus, whose clock is another one; the room still has to answer it."""
        (restored,) = read(Row(*name, value) for name, value in self.rows.items() if value is not None)
        now = 5000.0
        epoch = self.epoch + self.now + after_s - now
        return FocusRoom(room=self.room, restored=restored, now=now, epoch=epoch)

    # Driving

    def run(self, effects: list[Effect]) -> None:
        """Do what the core asks, with the fakes; what follows from an answer comes last."""
        idle = not self._to_do
        self._to_do.extend(effects)
        while idle and self._to_do:
            effect = self._to_do[0]
            match effect:
                case Send():
                    self.stanzas.append(effect.stanza)
                case AskPeer(sent=True):
                    self.expected.append(effect)
                case AskPeer():
                    self.iqs.append(effect.iq)
                    self._answer_peer(effect)
                case AskBridge():
                    self.requests.append(effect.request)
                    self.bridge_asked.append(effect.bridge)
                    answer = self.bridge(effect.request)
                    if answer is None:
                        self.unanswered.append(effect)
                    else:
                        self.answer(effect, answer)
                case AnswerRequest():
                    self.answers[effect.ticket] = effect.error
                case Ended():
                    self.ended = True
            self._to_do.popleft()
        if idle:
            self._record()

    def _record(self) -> None:
        """Write to the journal what has changed: it has then all that it should have."""
        for row in self._recorder.changes():
            self.rows[row.name] = row.value
        found = {name: value for name, value in self.rows.items() if value is not None}
        assert found == {row.name: row.value for row in self._recorder.everything()}

    def answer(self, effect: AskBridge | AskPeer, answer: Any) -> None:
        """Hand an answer to the core."""
        self.run(self.conference.answered(effect.done, answer, self.now))

    def _answer_peer(self, effect: AskPeer) -> None:
        tag = effect.iq[0].tag
        result: Any = Element(f"{{{COMPONENT_NS}}}iq", {"type": "result"})
        if tag == f"{{{DISCO_INFO}}}query":
            result = self.disco
        elif tag == JINGLE_TAG and self.session_answer is not None:
            result = self.session_answer
        self.answer(effect, result)

    def receive(self, stanza: Element) -> None:
        """A presence arrives."""
        self.run(self.conference.presence(parse_room_presence(stanza), self.now))

    def wait(self, seconds: float) -> None:
        """Let time pass, tick by tick as the shell does."""
        until = self.now + seconds
        while (at := self.conference.next_time()) is not None and at <= until:
            self.now = max(self.now, at)
            self.run(self.conference.tick(self.now))
        self.now = until

    def request(self, ticket: int = 1, sender: str = "somebody@guest.meet.lab/r") -> None:
        """A conference request."""
        self.asked = True
        self.run(self.conference.request(ticket, sender, self.now))

    def open(self) -> FocusRoom:
        """The MUC lets the focus in, after somebody's request."""
        if not self.asked:
            self.request(0, "first@guest.meet.lab/r")
        self.receive(presence("focus", affiliation="owner", role="moderator", codes=(201, 110)))
        return self

    def join(self, *nicks: str) -> FocusRoom:
        """Participants of the recording, or others, join."""
        for nick in nicks:
            name = RECORDED_JOIN.get(nick)
            self.receive(recorded(name) if name and self.room == ROOM else presence(nick, room=self.room))
        return self

    def leave(self, nick: str) -> None:
        """A participant leaves."""
        self.receive(presence(nick, type="unavailable", role="none"))

    def jingle(self, nick: str, jingle: Jingle) -> StanzaError | None:
        """A participant's Jingle request; the refusal or None."""
        effects, refusal = self.conference.jingle(nick, jingle, self.now)
        self.run(effects)
        self.wait(0)
        return refusal

    def mute(self, nick: str, mute: Mute) -> StanzaError | None:
        """A participant's mute request; the refusal or None."""
        effects, refusal = self.conference.mute(nick, mute)
        self.run(effects)
        return refusal

    def accept(self, *nicks: str) -> FocusRoom:
        """Participants accept their session as recorded."""
        for nick in nicks:
            accept = replace(recorded_jingle(RECORDED_ACCEPT[nick]), sid=self.sid(nick))
            assert self.jingle(nick, accept) is None
        return self

    def meeting(self, *nicks: str) -> FocusRoom:
        """A room in which these participants have active sessions, and nothing sent before counts."""
        self.request()
        self.open().join(*nicks).accept(*nicks)
        self.forget()
        return self

    def forget(self) -> None:
        """Forget what was sent."""
        self.stanzas.clear()
        self.requests.clear()
        self.bridge_asked.clear()
        self.iqs.clear()

    # Looking

    def sid(self, nick: str) -> str:
        """The sid of a participant's session."""
        session = self.conference.participants[nick].session
        assert session is not None, f"{nick} has no session"
        return session.sid

    def bridge_session(self, nick: str) -> str:
        """The id of a participant's bridge session."""
        session = self.conference.participants[nick].session
        assert session is not None
        return session.bridge_session

    def told(self, nick: str, action: Action | None = None) -> list[Jingle]:
        """The Jingle requests sent to a participant."""
        sent = [
            parse_jingle(iq[0])
            for iq in self.iqs
            if iq[0].tag == JINGLE_TAG and iq.get("to") == f"{self.room}/{nick}"
        ]
        return [jingle for jingle in sent if action is None or jingle.action is action]

    def invited(self) -> list[str]:
        """The nicks to whom a session-initiate went."""
        return [
            iq.get("to", "").partition("/")[2]
            for iq in self.iqs
            if iq[0].tag == JINGLE_TAG and iq[0].get("action") == "session-initiate"
        ]

    def muted(self) -> list[tuple[str, Mute]]:
        """The mute orders sent, with their receivers."""
        return [
            (iq.get("to", "").partition("/")[2], parse_mute(iq[0])) for iq in self.iqs if iq[0].tag in TAGS
        ]

    def owners_made(self) -> list[str]:
        """The JIDs for which ownership was asked."""
        return [iq[0][0].get("jid", "") for iq in self.iqs if iq[0].tag == f"{{{MUC_ADMIN}}}query"]

    def forms_sent(self) -> int:
        """How often the room was configured."""
        return sum(iq[0].tag == f"{{{MUC_OWNER}}}query" for iq in self.iqs)

    def properties(self) -> dict[str, str]:
        """The conference properties in the last presence of the focus."""
        tag = "{http://jitsi.org/protocol/focus}property"
        return {one.get("key", ""): one.get("value", "") for one in self.stanzas[-1].iter(tag)}

    def endpoints(self) -> list[Endpoint]:
        """All endpoints in the requests to the bridge, in order."""
        return [endpoint for request in self.requests for endpoint in request.endpoints]
