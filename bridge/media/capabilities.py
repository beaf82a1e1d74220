"""What an endpoint negotiated: payload types and header extension ids, looked up by what they mean."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.media import rtp
from jingle.colibri2 import Media
from jingle.rtp import PayloadType

Codec = tuple[str, int]
"""Name in lower case and clock rate: what makes two payload types the same."""

VP8: Codec = ("vp8", 90000)
UNFORWARDABLE = ("rtx", "red", "ulpfec", "flexfec-03")
"""Names of payload types whose packets hold other payload types: they are not forwarded as they are."""


class Capabilities:
    """The negotiated part of one endpoint's `<media/>` elements, indexed for the forwarding path."""

    __slots__ = (
        "audio_level_id",
        "codecs",
        "fir",
        "nack",
        "payload_types",
        "pli",
        "remb",
        "rtx_payload_types",
        "rtx_payloads",
        "transport_cc_id",
        "video_orientation_id",
    )

    def __init__(self, media: Iterable[Media] = ()) -> None:
        self.codecs: dict[int, Codec] = {}
        """Payload type to codec."""
        self.payload_types: dict[Codec, int] = {}
        """Codec to the first payload type that stands for it."""
        self.rtx_payloads: dict[int, int] = {}
        """RTX payload type to the payload type it repairs (`apt`)."""
        self.rtx_payload_types: dict[int, int] = {}
        """The other way round."""
        self.audio_level_id = self.video_orientation_id = self.transport_cc_id = -1
        """Header extension ids; -1 = not negotiated."""
        self.nack = self.pli = self.fir = self.remb = False
        """Whether the endpoint answers these feedbacks about its VP8."""
        for one in media:
            for payload_type in one.payload_types:
                self._add(payload_type)
            for extension in one.header_extensions:
                if extension.uri == rtp.AUDIO_LEVEL and one.type == "audio":
                    self.audio_level_id = extension.id
                elif extension.uri == rtp.VIDEO_ORIENTATION and one.type == "video":
                    self.video_orientation_id = extension.id
                elif extension.uri == rtp.TRANSPORT_CC:
                    self.transport_cc_id = extension.id

    def _add(self, payload_type: PayloadType) -> None:
        name = payload_type.name.lower()
        if name == "rtx":
            for key, value in payload_type.parameters:
                if key == "apt" and value.isascii() and value.isdigit() and len(value) <= 3:
                    self.rtx_payloads[payload_type.id] = int(value)
                    self.rtx_payload_types.setdefault(int(value), payload_type.id)
            return
        codec = (name, payload_type.clockrate)
        if name in UNFORWARDABLE:
            return
        self.codecs[payload_type.id] = codec
        self.payload_types.setdefault(codec, payload_type.id)
        if codec == VP8:
            told = {(feedback.type, feedback.subtype) for feedback in payload_type.feedback}
            self.nack = ("nack", "") in told
            self.pli = ("nack", "pli") in told
            self.fir = ("ccm", "fir") in told
            self.remb = ("goog-remb", "") in told

    @property
    def vp8(self) -> int:
        """The payload type of VP8, or -1."""
        return self.payload_types.get(VP8, -1)

    def mapping_to(self, receiver: Capabilities) -> dict[int, int]:
        """This endpoint's payload types to those of a receiver, where both know the codec."""
        return {
            own: receiver.payload_types[codec]
            for own, codec in self.codecs.items()
            if codec in receiver.payload_types
        }
