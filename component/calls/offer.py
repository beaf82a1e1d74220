"""A caller's session-initiate, judged: what of it the bridge can carry, and why not the rest.

The bridge takes Opus and VP8 over ICE-UDP with DTLS-SRTP, RTP and RTCP on one port. It is the DTLS server, so
the caller has to be able to be the client. Contents without BUNDLE have each a transport of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from component.calls import reasons
from jingle.colibri2 import Media
from jingle.content import Content, Reason
from jingle.element import Jingle
from jingle.ice import Fingerprint, IceTransport
from jingle.rtp import HeaderExtension, PayloadType, RtcpFeedback, RtpDescription

CODECS: Final = {"audio": ("opus", 48000), "video": ("vp8", 90000)}
"""By media the one codec that the bridge carries, in lower case, with its clock rate."""
HASHES: Final = frozenset({"sha-256", "sha-384", "sha-512"})
EXTENSIONS: Final = {
    "audio": frozenset({"urn:ietf:params:rtp-hdrext:ssrc-audio-level"}),
    "video": frozenset[str](),
}
TRANSPORT_CC: Final = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
FEEDBACK: Final = frozenset(
    {
        RtcpFeedback("ccm", "fir"),
        RtcpFeedback("nack"),
        RtcpFeedback("nack", "pli"),
        RtcpFeedback("goog-remb"),
        RtcpFeedback("transport-cc"),
    }
)


class OfferRefused(Exception):
    """The whole offer cannot be taken; `reason` tells the caller why, in words."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"{reason.condition}: {reason.text}")
        self.reason = reason


@dataclass(frozen=True)
class OfferedContent:
    """A content that is taken, cut down to what the bridge carries."""

    name: str
    creator: str
    senders: str
    media: Media
    """Codec and header extensions under the caller's own numbers."""
    transport: IceTransport
    """The caller's: credentials and fingerprints. Candidates are not needed: the bridge learns them."""

    @property
    def kind(self) -> str:
        """Audio or video."""
        return self.media.type

    def knows(self, transport: IceTransport) -> bool:
        """Whether these are the credentials that the caller has for this content."""
        return (self.transport.ufrag, self.transport.pwd) == (transport.ufrag, transport.pwd)

    @property
    def description(self) -> RtpDescription:
        """The description that answers it, without sources."""
        return RtpDescription(
            self.kind,
            payload_types=self.media.payload_types,
            header_extensions=self.media.header_extensions,
            rtcp_mux=True,
        )


@dataclass(frozen=True)
class Offer:
    """What of a session-initiate is taken."""

    contents: tuple[OfferedContent, ...]
    declined: tuple[Content, ...] = ()
    """Contents that the bridge cannot carry."""
    bundled: bool = False
    """All contents share one transport."""


def judge(jingle: Jingle) -> Offer:
    """What of a session-initiate is taken. Raises OfferRefused."""
    if not jingle.contents:
        raise OfferRefused(reasons.NO_CONTENTS)
    offer = judge_contents(jingle.contents)
    bundles = [frozenset(group.contents) for group in jingle.groups if group.semantics == "BUNDLE"]
    names = {content.name for content in jingle.contents}
    return replace(offer, bundled=any(names <= bundle for bundle in bundles))


def judge_contents(contents: Iterable[Content]) -> Offer:
    """As `judge`, for the contents alone. Raises OfferRefused when none can be taken."""
    taken: dict[str, OfferedContent] = {}
    declined: list[Content] = []
    refusal: OfferRefused | None = None
    for content in contents:
        try:
            offered = _content(content)
            if offered.kind in taken:
                raise OfferRefused(reasons.NOT_CARRIED)
            taken[offered.kind] = offered
        except OfferRefused as error:
            if error.reason.condition == "security-error":
                raise
            refusal = refusal or error
            declined.append(content)
    if not taken and refusal is not None:
        raise refusal
    return Offer(tuple(taken.values()), tuple(declined))


def _content(content: Content) -> OfferedContent:
    description = content.description
    if description is None or description.media not in CODECS:
        raise OfferRefused(reasons.ONLY_CALLS)
    if content.transport is None:
        raise OfferRefused(reasons.NO_ICE)
    transport = _transport(content.transport, sdes=bool(description.encryption))
    if not description.rtcp_mux and not content.transport.rtcp_mux:
        raise OfferRefused(reasons.NO_RTCP_MUX)
    payload_types = _payload_types(description)
    if not payload_types:
        raise OfferRefused(reasons.NO_OPUS if description.media == "audio" else reasons.NO_VP8)
    return OfferedContent(
        content.name,
        content.creator,
        content.senders or "both",
        Media(description.media, payload_types, _extensions(description)),
        transport,
    )


def _transport(offered: IceTransport, *, sdes: bool) -> IceTransport:
    fingerprints = tuple(one for one in offered.fingerprints if one.hash.lower() in HASHES)
    if not fingerprints:
        raise OfferRefused(reasons.SDES_ONLY if sdes else reasons.NOT_ENCRYPTED)
    if not offered.ufrag or not offered.pwd:
        raise OfferRefused(reasons.NO_CREDENTIALS)
    return IceTransport(
        offered.ufrag,
        offered.pwd,
        tuple(
            Fingerprint(one.hash, one.value, "active" if one.setup == "active" else "passive")
            for one in fingerprints
        ),
        rtcp_mux=True,
    )


def _payload_types(description: RtpDescription) -> tuple[PayloadType, ...]:
    """The first of the codec, then its retransmission (RFC 4588) if the caller has it."""
    name, clockrate = CODECS[description.media]
    for one in description.payload_types:
        if one.name.lower() == name and one.clockrate == clockrate:
            rtx = tuple(
                other
                for other in description.payload_types
                if other.name.lower() == "rtx" and dict(other.parameters).get("apt") == str(one.id)
            )
            feedback = (*one.feedback, *description.feedback)
            kept = tuple(dict.fromkeys(fb for fb in feedback if fb in FEEDBACK))
            return (replace(one, feedback=kept), *rtx[:1])
    return ()


def _extensions(description: RtpDescription) -> tuple[HeaderExtension, ...]:
    wanted = EXTENSIONS[description.media] | {TRANSPORT_CC}
    return tuple(
        HeaderExtension(one.id, one.uri) for one in description.header_extensions if one.uri in wanted
    )
