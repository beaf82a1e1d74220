"""What may come on a component's stream: within its limits, beyond them, and what is no stream at all."""

from component.limited_stream import Limit, Limits

LIMITS = Limits(bytes=262144, depth=64, elements=5000, attributes=64)
HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' id='s1' from='focus.x'"
    b" xmlns:stream='http://etherx.jabber.org/streams'>"
)
PING = b"<iq id='1' type='get' from='a@b/c' to='focus.x'><ping xmlns='urn:xmpp:ping'/></iq>"


def iq(content: bytes, attributes: bytes = b"") -> bytes:
    """A request of a@b/c with this content."""
    return b"<iq id='7' type='set' from='a@b/c' to='focus.x'" + attributes + b">" + content + b"</iq>"


def nested(depth: int) -> bytes:
    """`depth` elements inside each other."""
    return b"<a>" * depth + b"</a>" * depth


WITHIN = {
    "deepest": iq(nested(63)),
    "most elements": iq(b"<a/>" * 4999),
    "most attributes": iq(b"<a " + b" ".join(b"a%d=''" % n for n in range(64)) + b"/>"),
    "longest": iq(b"<a>" + b"x" * 262000 + b"</a>"),
    "character references": iq(b"<a>&lt;&#x1F600;&amp;</a>"),
    "CDATA": iq(b"<a><![CDATA[<b>]]></a>"),
}
"""Stanzas that keep LIMITS."""

BEYOND = {
    "one too deep": (iq(nested(64)), Limit.DEPTH),
    "3000 deep": (iq(nested(3000)), Limit.DEPTH),
    "60000 deep": (iq(nested(60000)), Limit.DEPTH),
    "one element too many": (iq(b"<a/>" * 5000), Limit.ELEMENTS),
    "65 attributes": (iq(b"<a " + b" ".join(b"a%d=''" % n for n in range(65)) + b"/>"), Limit.ATTRIBUTES),
    "50000 attributes": (iq(b"", b"".join(b" a%d=''" % n for n in range(50000))), Limit.ATTRIBUTES),
    "65 prefixes": (iq(b"<a" + b"".join(b" xmlns:p%d='u'" % n for n in range(65)) + b"/>"), Limit.ATTRIBUTES),
    "300 KiB of text": (iq(b"<a>" + b"x" * 307200 + b"</a>"), Limit.BYTES),
    "300 KiB of lines": (iq(b"<a>" + b"x\n" * 153600 + b"</a>"), Limit.BYTES),
    "300 KiB in an attribute": (iq(b"<a b='" + b"x" * 307200 + b"'/>"), Limit.BYTES),
    "300 KiB in the stanza's own attribute": (iq(b"", b" b='" + b"x" * 307200 + b"'"), Limit.BYTES),
    "comment": (iq(b"<a><!-- x --></a>"), Limit.COMMENT),
    "processing instruction": (iq(b"<?php x?>"), Limit.INSTRUCTION),
}
"""Stanzas that break one of them."""

BREAKING = {
    "NUL": b"<iq>\0</iq>",
    "bad UTF-8": b"<iq>\xc3\x28</iq>",
    "surrogate": b"<iq>\xed\xa0\x80</iq>",
    "noncharacter": b"<iq>\xef\xbf\xbf</iq>",
    "unbound prefix": b"<p:iq/>",
    "wrong end tag": b"<iq></message>",
    "doubled attribute": b"<iq a='' a=''/>",
    "unknown entity": b"<iq>&lol;</iq>",
    "document type inside": b"<!DOCTYPE iq [<!ENTITY lol 'lol'>]>",
}
"""What ends the stream."""

NO_STREAMS = {
    "entity bomb": b"<!DOCTYPE a [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]>"
    + HEADER[21:],
    "external entity": b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'>" + HEADER[21:],
    "another root": b"<html>",
    "HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00",
}
"""What does not begin as a stream."""
