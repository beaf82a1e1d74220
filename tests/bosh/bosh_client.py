"""A client of BOSH written by hand over aiohttp, independent of the code it tests."""

from __future__ import annotations

import asyncio
import random
import re
from collections import deque
from collections.abc import Callable
from xml.sax.saxutils import quoteattr

import aiohttp
from lxml import etree

from bosh.main import Front
from tests.bosh.rfc7395_client import XmppClient

HTTPBIND = "http://jabber.org/protocol/httpbind"


def body(content: str = "", /, **attributes: object) -> str:
    """A body; `xmpp_x` is the attribute `xmpp:x`, `xml_lang` is `xml:lang`."""
    shown = "".join(
        f" {re.sub('^(xmpp|xml)_', lambda match: match[1] + ':', name)}={quoteattr(str(value))}"
        for name, value in attributes.items()
    )
    return f"<body xmlns='{HTTPBIND}' xmlns:xmpp='urn:xmpp:xbosh'{shown}>{content}</body>"


def condition(answer: str) -> str | None:
    """Why the session ended, "" when there is no reason; None when it has not."""
    root = etree.fromstring(answer)
    return root.get("condition", "") if root.get("type") == "terminate" else None


class BoshClient(XmppClient):
    """A client that has one request open at a time, unless a test posts by itself."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http = http
        self.url = url
        self.jid = ""
        self.sid = ""
        self.rid = random.randrange(1, 2**40)
        """Of the next request."""
        self.arrived: deque[str] = deque()
        """Elements that no test has looked at."""

    async def post_raw(self, data: str | bytes) -> str:
        """Post anything; the body that answers."""
        async with self.http.post(self.url, data=data) as response:
            assert response.status == 200, (response.status, await response.text())
            assert response.content_type == "text/xml" and response.charset == "utf-8"
            text = await response.text()
        assert etree.fromstring(text).tag == f"{{{HTTPBIND}}}body"
        return text

    async def post(self, content: str = "", /, **attributes: object) -> str:
        """Post the next request of the session; the body that answers."""
        rid, self.rid = self.rid, self.rid + 1
        return await self.post_raw(body(content, rid=rid, sid=self.sid, **attributes))

    def take(self, answer: str) -> None:
        """Note what a body brings."""
        self.arrived += [etree.tostring(element, encoding="unicode") for element in etree.fromstring(answer)]

    async def create(self, domain: str, **attributes: object) -> str:
        """Ask for a session; the body that answers."""
        wanted = {"wait": 2, "hold": 1, "ver": "1.11", "xml_lang": "en", "xmpp_version": "1.0", **attributes}
        rid, self.rid = self.rid, self.rid + 1
        answer = await self.post_raw(body(rid=rid, to=domain, **wanted))
        self.sid = etree.fromstring(answer).get("sid", "")
        return answer

    async def send(self, text: str) -> None:
        self.take(await self.post(text))

    async def receive(self, pattern: str) -> str:
        async with asyncio.timeout(20):
            while not self.arrived:
                self.take(await self.post())
        element = self.arrived.popleft()
        assert re.search(pattern, element, re.DOTALL), element
        return element

    async def open(self, domain: str) -> str:
        if self.sid:
            self.take(await self.post(to=domain, xmpp_restart="true"))
        else:
            self.take(await self.create(domain))
        return await self.receive("^<stream:features.*xmlns:stream=")


NewClient = Callable[[Front], BoshClient]
"""Makes a client of a front."""
