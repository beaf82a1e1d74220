"""A participant in the world around the focus: does what a meeting page does, and notes what is wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from xml.etree.ElementTree import Element, SubElement

from component.focus.features import DISCO_INFO, JSON_SOURCES
from component.focus.own_presence import MUC, NICK
from component.stanza import COMPONENT_NS, IQ, PRESENCE, bare, iq, presence, resource, result
from component.stanza_error import StanzaError, read_error
from jingle.content import Action, Content
from jingle.element import JINGLE_TAG, Jingle, build_jingle, parse_jingle
from jingle.ice import Fingerprint, IceTransport
from jingle.jitsi.conference import Conference, build_conference
from jingle.jitsi.mute import TAGS, Mute, build_mute, parse_mute
from jingle.jitsi.session import BridgeSession
from jingle.rtp import RtpDescription
from jingle.sources import Source
from tests.component.focus_room import recorded
from tests.component.focus_world import FOCUS_DOMAIN, World

FEATURES = tuple(
    feature.get("var", "")
    for feature in recorded("disco-info-result.xml", "focus").iter(f"{{{DISCO_INFO}}}feature")
)
_FINGERPRINT = Fingerprint("sha-256", ":".join(["CD"] * 32), setup="active")
Then = Callable[[StanzaError | None], None]


class WorldClient:
    """One client; `nick` is its name in `room`."""

    def __init__(self, world: World, room: str, nick: str) -> None:
        self._world = world
        self.room = room
        self.nick = nick
        self.jid = f"{nick}@guest.meet.lab/r"
        self.present = False
        self.sid = ""
        """Of its session, "" = none."""
        self.accepted = False
        """Whether the focus has answered its accept."""
        self.known: dict[int, str] = {}
        """Whose sources it was told, by SSRC."""
        self.own: dict[int, Source] = {}
        self.ufrag = ""
        self.ordered = False
        """It was muted by order and has not unmuted itself since."""
        self.unmuted = False
        """It has unmuted itself, and the focus has answered."""
        self.orders = self.orders_due = 0
        """Orders to mute that it has got, and how many at least it should get: the focus has taken them."""
        self.told_twice = 0
        self._json = world.rng.random() < 0.7
        self._audio_muted = False
        self._bridge_session = ""
        self._protected = ""
        self._waiting: dict[str, Then] = {}
        self._inbox: deque[Element] = deque()
        self._last_id = 0
        world.clients[self.jid] = self

    # What it does

    def enter(self) -> None:
        """Ask for the conference, then join."""
        payload = build_conference(Conference(self.room, machine_uid="uid"))
        self._send_request(payload, FOCUS_DOMAIN, self._join)

    def _join(self, error: StanzaError | None) -> None:
        if error is not None:
            self._fault(f"the conference request is refused: {error}")
            return
        self.present = True
        self._show(Element(f"{{{MUC}}}x"))

    def leave(self) -> None:
        """Leave the room."""
        if self.present:
            self.present = False
            self._forget_session()
            self.ordered = self.unmuted = False
            self.orders_due = 0
            self._world.muc.receive(presence(f"{self.room}/{self.nick}", self.jid, type="unavailable"))

    def add_source(self) -> None:
        """Begin to send one more stream."""
        if self.accepted and len(self.own) < 6:
            source = self._source("video")
            self.own[source.ssrc] = source
            self._tell(Action.SOURCE_ADD, (_content("video", (source,)),))

    def remove_source(self) -> None:
        """End a stream."""
        if self.accepted and len(self.own) > 2:
            source = self.own.pop(max(self.own))
            self._tell(Action.SOURCE_REMOVE, (_content("video", (source,)),))

    def restart(self) -> None:
        """Ask for a new session."""
        if self.accepted:
            session = BridgeSession(self._bridge_session, restart=True)
            jingle = Jingle(Action.SESSION_TERMINATE, self.sid, bridge_session=session)
            self._forget_session()
            self._ask(build_jingle(jingle), lambda error: self._unless(error, "a restart"))

    def restart_ice(self) -> None:
        """Ask for new credentials of the bridge."""
        if self.accepted:
            session = BridgeSession(self._bridge_session, ice_restart=True)
            jingle = Jingle(Action.SESSION_INFO, self.sid, bridge_session=session)
            self._ask(build_jingle(jingle), self._unless_over(self.sid, "a restart of ICE"))

    def mute(self, other: WorldClient) -> None:
        """Have somebody else muted; only moderators may."""

        due = other.orders + 1

        def taken(error: StanzaError | None) -> None:
            if error is None and other.present:
                other.orders_due = max(due, other.orders_due)

        self._ask(build_mute(Mute("audio", True, f"{self.room}/{other.nick}")), taken)

    def unmute(self) -> None:
        """Unmute itself."""
        if self._audio_muted:
            self._audio_muted = self.ordered = False
            self._show()

            def taken(error: StanzaError | None) -> None:
                self.unmuted = error is None and not self.ordered

            self._ask(build_mute(Mute("audio", False, f"{self.room}/{self.nick}")), taken)

    def protect(self) -> None:
        """The focus was killed: a session that it had confirmed goes on."""
        if self.accepted:
            self._protected = self.sid

    # What it is told

    def arrives(self, stanza: Element) -> None:
        """Something is on its way to it."""
        self._inbox.append(stanza)
        self._world.soon(lambda: self._read(self._inbox.popleft()))

    def _read(self, stanza: Element) -> None:
        if stanza.tag == PRESENCE and stanza.get("type") == "unavailable":
            gone = resource(stanza.get("from", ""))
            self.known = {ssrc: owner for ssrc, owner in self.known.items() if owner != gone}
        if stanza.tag != IQ or not (self.present or bare(stanza.get("from", "")) == FOCUS_DOMAIN):
            return
        if stanza.get("type") in ("result", "error"):
            then = self._waiting.pop(stanza.get("id", ""), None)
            if then is not None:
                then(read_error(stanza) if stanza.get("type") == "error" else None)
            return
        answer: Element | None = None
        tag = stanza[0].tag
        try:
            if tag == f"{{{DISCO_INFO}}}query":
                answer = Element(tag)
                for feature in FEATURES:
                    if self._json or feature != JSON_SOURCES:
                        SubElement(answer, f"{{{DISCO_INFO}}}feature", {"var": feature})
            elif tag == JINGLE_TAG:
                self._jingle(parse_jingle(stanza[0]))
            elif tag in TAGS:
                self._muted(parse_mute(stanza[0]))
        except StanzaError as error:
            self._world.muc.receive(error.reply(stanza))
        else:
            self._world.muc.receive(result(stanza, answer))

    def _jingle(self, jingle: Jingle) -> None:
        if jingle.action is Action.SESSION_INITIATE:
            if self.sid:
                self._fault("invited while it has a session")
            self._forget_session()
            self.sid = jingle.sid
            self._bridge_session = jingle.bridge_session.id if jingle.bridge_session else ""
            self._learn(jingle)
            self._world.soon(lambda: self._accept(jingle.sid), within_s=self._world.rng.choice((0.01, 0.5)))
            return
        if jingle.sid != self.sid:
            raise StanzaError("item-not-found", "unknown session")
        if jingle.action is Action.SESSION_TERMINATE:
            moved = jingle.reason is not None and jingle.reason.text == "moving"
            if moved and self.sid == self._protected:
                self._fault("invited again although its session was active")
            self._forget_session()
        elif jingle.action is Action.SOURCE_ADD:
            self._learn(jingle)
        elif jingle.action is Action.SOURCE_REMOVE:
            for ssrc in _ssrcs(jingle):
                self.known.pop(ssrc, None)
        elif jingle.action is Action.TRANSPORT_INFO and jingle.contents[0].transport is not None:
            generation = jingle.contents[0].transport.ice_generation
            self.ufrag = f"{self.nick}{generation}"
            transport = IceTransport(self.ufrag, "x" * 24, (_FINGERPRINT,), ice_generation=generation)
            self._tell(Action.TRANSPORT_INFO, (Content("audio", transport=transport),))

    def _learn(self, jingle: Jingle) -> None:
        for ssrc, owner in _ssrcs(jingle).items():
            self.told_twice += ssrc in self.known
            self.known[ssrc] = owner

    def _accept(self, sid: str) -> None:
        if self.sid != sid or not self.present:
            return
        self.own = {}
        self.ufrag = f"{self.nick}-{sid}"
        transport = IceTransport(self.ufrag, "x" * 24, (_FINGERPRINT,))
        contents = []
        for media in ("audio", "video"):
            source = self._source(media)
            self.own[source.ssrc] = source
            contents.append(_content(media, (source,), transport))

        def answered(error: StanzaError | None) -> None:
            self._unless_over(sid, "an accept")(error)
            self.accepted = self.sid == sid and error is None

        self._ask(build_jingle(Jingle(Action.SESSION_ACCEPT, sid, contents=tuple(contents))), answered)

    def _muted(self, mute: Mute) -> None:
        self.orders += 1
        self.ordered, self.unmuted = True, False
        self._audio_muted = True
        self._show()

    def _forget_session(self) -> None:
        self.sid = self._protected = ""
        self.accepted = False
        self.known.clear()

    # Stanzas

    def _show(self, *payloads: Element) -> None:
        flag = Element(f"{{{COMPONENT_NS}}}audiomuted")
        flag.text = "true" if self._audio_muted else "false"
        to = f"{self.room}/{self.nick}"
        self._world.muc.receive(presence(to, self.jid, *payloads, flag))

    def _tell(self, action: Action, contents: tuple[Content, ...]) -> None:
        jingle = Jingle(action, self.sid, contents=contents)
        self._ask(build_jingle(jingle), self._unless_over(self.sid, action.value))

    def _ask(self, payload: Element, then: Then) -> None:
        self._send_request(payload, f"{self.room}/{NICK}", then)

    def _send_request(self, payload: Element, to: str, then: Then) -> None:
        self._last_id += 1
        id = f"{self.nick}-{self._last_id}"
        self._waiting[id] = then
        self._world.muc.receive(iq("set", to, self.jid, payload, id=id))

    def _unless(self, error: StanzaError | None, what: str) -> None:
        if error is not None and self.present:
            self._fault(f"{what} is refused: {error.condition} {error}")

    def _unless_over(self, sid: str, what: str) -> Then:
        """A refusal is a fault unless the session is over by then."""
        return lambda error: self._unless(error if sid == self.sid else None, what)

    def _fault(self, what: str) -> None:
        self._world.faults.append(f"{self.nick}: {what}")

    def _source(self, media: str) -> Source:
        self._world.ssrc += 1
        ssrc = self._world.ssrc
        return Source(ssrc, name=f"{self.nick}-{media[0]}{ssrc}", msid=f"{self.nick}-s{ssrc} t{ssrc}")


def _content(media: str, sources: tuple[Source, ...], transport: IceTransport | None = None) -> Content:
    return Content(media, description=RtpDescription(media, sources=sources), transport=transport)


def _ssrcs(jingle: Jingle) -> dict[int, str]:
    """Owners by SSRC, without the bridge's own."""
    found = {
        source.ssrc: owner
        for owner, owned in (jingle.json_sources or {}).items()
        for media in owned
        for source in media.sources
    }
    for content in jingle.contents:
        for source in content.description.sources if content.description is not None else ():
            found[source.ssrc] = source.owner
    return {ssrc: owner for ssrc, owner in found.items() if owner != "jvb"}
