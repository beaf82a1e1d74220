"""The echo test: a conference at the bridge whose endpoint gets its own media back (Colibri2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from component.calls.answer import Downlink
from component.calls.endpoint import CAPABILITIES, announced, downlink, endpoint_id
from component.calls.leg import LegListener
from component.calls.offer import OfferedContent
from component.focus import single_stream
from component.focus.effects import BridgeAnswer
from component.focus.outbox import Outbox
from jingle.colibri2 import Colibri2Error, ConferenceModified, ConferenceModify, Endpoint, Transport
from jingle.content import Reason

ECHO = "echo"
"""The capability of an endpoint that gets its own media back."""
UNREACHABLE = Reason("general-error", "The media bridge does not answer. Please call again in a moment.")
FULL = Reason("busy", "The media bridge is full. Please call again later.")
GONE = Reason("connectivity-error", "Nothing was heard of this call any more.")


class EchoLeg:
    """Implements `Leg` with a conference of its own at the bridge."""

    def __init__(
        self, outbox: Outbox, leg: str, meeting_id: str, new_ssrc: Callable[[], int], listener: LegListener
    ) -> None:
        self._outbox = outbox
        self._leg = leg
        self._meeting_id = meeting_id
        self._new_ssrc = new_ssrc
        self._listener = listener
        self._bundled = False
        self._created = False
        self._endpoints: list[str] = []

    def begin(self, contents: tuple[OfferedContent, ...], *, bundled: bool, now: float) -> None:
        """See Leg.begin."""
        self._bundled = bundled
        for carried in [contents] if bundled else [(content,) for content in contents]:
            self._allocate(carried, self._answered)

    def add(self, content: OfferedContent, now: float) -> None:
        """See Leg.add."""
        media = content.kind
        if self._bundled or endpoint_id(self._leg, media, bundled=False) in self._endpoints:
            words = "Contents cannot be added to this call: please call again with audio and video."
            self._listener.unreachable(media, Reason("unsupported-applications", words), now)
            return
        self._allocate((content,), self._added)

    def show(self, muted: frozenset[str]) -> None:
        """See Leg.show: nobody looks on."""

    def check(self, now: float) -> None:
        """See Leg.check."""
        for endpoint in self._endpoints:
            request = ConferenceModify(
                self._meeting_id, endpoints=(Endpoint(endpoint, transport=Transport()),)
            )
            self._outbox.ask_bridge(request, self._checked)

    def end(self) -> None:
        """See Leg.end."""
        if self._created:
            self._created = False
            self._outbox.ask_bridge(ConferenceModify(self._meeting_id, expire=True), lambda answer, now: None)

    def _allocate(
        self,
        contents: tuple[OfferedContent, ...],
        answered: Callable[[str, tuple[OfferedContent, ...], BridgeAnswer, float], None],
    ) -> None:
        name = endpoint_id(self._leg, contents[0].kind, bundled=self._bundled)
        endpoint = Endpoint(
            name,
            create=True,
            capabilities=(*CAPABILITIES, ECHO),
            media=tuple(content.media for content in contents),
            transport=Transport(ice_controlling=False, ice=contents[0].transport),
            sources=tuple(announced(self._leg, one.kind, self._new_ssrc()) for one in contents),
        )
        request = ConferenceModify(
            self._meeting_id, name=ECHO, create=not self._created, endpoints=(endpoint,)
        )
        self._created = True
        self._endpoints.append(name)
        self._outbox.ask_bridge(request, partial(answered, name, contents))

    def _answered(
        self, name: str, contents: tuple[OfferedContent, ...], answer: BridgeAnswer, now: float
    ) -> None:
        found = _downlinks(name, contents, answer)
        if found is None:
            self._listener.lost(_reason(answer), now)
        else:
            self._listener.reached(found, now)

    def _added(
        self, name: str, contents: tuple[OfferedContent, ...], answer: BridgeAnswer, now: float
    ) -> None:
        found = _downlinks(name, contents, answer)
        if found is None:
            self._endpoints.remove(name)
            self._listener.unreachable(contents[0].kind, _reason(answer), now)
        else:
            self._listener.reached(found, now)

    def _checked(self, answer: BridgeAnswer, now: float) -> None:
        if isinstance(answer, Colibri2Error) and answer.reason in (
            "unknown_endpoint",
            "conference_not_found",
        ):
            self._listener.lost(GONE, now)


def _downlinks(
    name: str, contents: tuple[OfferedContent, ...], answer: BridgeAnswer
) -> dict[str, Downlink] | None:
    if not isinstance(answer, ConferenceModified):
        return None
    endpoint = next((one for one in answer.endpoints if one.id == name), None)
    ice = single_stream.ice_of(endpoint)
    if endpoint is None or ice is None:
        return None
    return {one.kind: downlink(one.kind, ice, endpoint) for one in contents}


def _reason(answer: BridgeAnswer) -> Reason:
    return FULL if isinstance(answer, Colibri2Error) and answer.reason == "graceful_shutdown" else UNREACHABLE
