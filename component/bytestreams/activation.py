"""What a requester asks with `<activate/>` (XEP-0065 §6.3.5), and the hash that names its stream. No I/O."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element

from component.stanza import domain, local
from component.stanza_error import StanzaError

BYTESTREAMS_NS: Final = "http://jabber.org/protocol/bytestreams"
QUERY: Final = f"{{{BYTESTREAMS_NS}}}query"
ACTIVATE: Final = f"{{{BYTESTREAMS_NS}}}activate"

MAX_SID_CHARS: Final = 128
MAX_JID_PART_BYTES: Final = 1023
"""RFC 7622 §3.1, of each part of a JID."""


@dataclass(frozen=True, slots=True)
class Activation:
    """A stream that is to be activated, named by the one who asked for it."""

    sid: str
    initiator: str
    """The full JID of who asks, as its server vouches for it."""
    target: str

    @property
    def digest(self) -> str:
        """SHA-1 of sid, requester and target, in hexadecimal digits (XEP-0065 §5.3.2).

        Who asks is a part of it: nobody can name a stream that another has asked for.
        """
        return hashlib.sha1(f"{self.sid}{self.initiator}{self.target}".encode()).hexdigest()


def parse_activation(iq: Element) -> Activation:
    """Read an IQ whose payload is `<query/>`. Raises StanzaError (bad-request, jid-malformed)."""
    query = iq[0]
    sid, targets = query.get("sid", ""), query.findall(ACTIVATE)
    if not sid or len(sid) > MAX_SID_CHARS or len(targets) != 1:
        raise StanzaError(
            "bad-request", f"a sid of at most {MAX_SID_CHARS} characters and one target are needed"
        )
    target = (targets[0].text or "").strip()
    if not _is_jid(target):
        raise StanzaError("jid-malformed", "the target is not a JID")
    return Activation(sid, iq.get("from", ""), target)


def _is_jid(text: str) -> bool:
    """Whether the text has the form of a JID; whose it is does not matter, the hash decides."""
    at, slash = "@" in text.partition("/")[0], "/" in text
    parts = [domain(text), *([local(text)] if at else []), *([text.partition("/")[2]] if slash else [])]
    return text.isprintable() and all(0 < len(part.encode()) <= MAX_JID_PART_BYTES for part in parts)
