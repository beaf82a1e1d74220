"""Stanzas as the framer gives them, for tests of what the link does with them."""

from component.limited_stream import Limits
from component.server_link.framer import Framer, Stanza

_LIMITS = Limits(bytes=1_000_000, depth=64, elements=5000, attributes=64)
_HEADER = (
    b"<stream:stream xmlns='jabber:component:accept' id='s1' xmlns:stream='http://etherx.jabber.org/streams'>"
)


def framed(xml: str) -> Stanza:
    """The stanza that is written so."""
    _, stanza = Framer(_LIMITS).feed(_HEADER + xml.encode())
    assert isinstance(stanza, Stanza)
    return stanza


def message(number: int, size: int = 0) -> Stanza:
    """A message of a room with a number, and a body of so many characters."""
    body = f"<body>{'x' * size}</body>" if size else ""
    return framed(f"<message id='{number}' type='groupchat' from='r@m/n' to='f@x/y'>{body}</message>")


def request(number: int, type: str = "get") -> Stanza:
    """A request with a number."""
    return framed(f"<iq id='{number}' type='{type}' from='a@b/c' to='f@x'><q xmlns='u'/></iq>")


def presence(number: int, type: str = "") -> Stanza:
    """A presence with a number."""
    said = f" type='{type}'" if type else ""
    return framed(f"<presence id='{number}'{said} from='r@m/n' to='f@x/y'/>")


def numbers(stanzas: list[Stanza]) -> list[int]:
    """The numbers of stanzas."""
    return [int(stanza.attributes["id"]) for stanza in stanzas]
