"""The HTTP/1.1 that the front speaks (RFC 9110, RFC 9112): heads in, responses out. No I/O.

httptools parses; what it or another parser on the way might read in two ways is refused before that. A body
is taken only with POST, only where the caller says, and only with its length in the head: any other request
that announces one is refused and its connection closed, so nothing can be smuggled in it.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus

import httptools

HEAD_BYTES = 16384
"""A whole head: browsers stay below 4 kB, cookies of other services on the same host may add to it."""
TARGET_BYTES = 8192
"""A request target: a room name and a token in the query."""
HEADER_COUNT = 100
"""Header lines of one request."""

POSTING = ("GET", "HEAD", "OPTIONS", "POST")
"""Methods of an address that takes bodies."""

_REQUEST_LINE = re.compile(rb"([A-Z]{1,20}) (/[\x21-\x7e]*) HTTP/1\.([01])")
_HEADER_LINES = re.compile(rb"(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]++:[\t\x20-\x7e\x80-\xff]*+)*+")
_ONCE = frozenset(("host", "origin", "sec-websocket-key", "sec-websocket-version", "content-length"))
"""Headers that two parsers could choose differently from when they stand twice."""


class HttpError(Exception):
    """A request that is answered with this status and the connection closed."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Request:
    """One request head."""

    method: str
    path: str
    """Path as sent, percent-encoded."""
    query: str
    headers: dict[str, str]
    """By lower-case name; several lines of one name are joined by a comma."""
    version: str
    """`1.0` or `1.1`."""
    head: bytes
    """The bytes it came as, for passing it on."""
    length: int = 0
    """Bytes of the body that follows."""

    def tokens(self, name: str) -> set[str]:
        """The comma-separated tokens of a header, in lower case."""
        return {token.strip().lower() for token in self.headers.get(name, "").split(",")}

    @property
    def keep_alive(self) -> bool:
        """Whether the connection is kept for another request: never with HTTP/1.0."""
        return self.version == "1.1" and "close" not in self.tokens("connection")

    @property
    def upgrades_to_websocket(self) -> bool:
        """Whether it asks for WebSocket (RFC 6455 §4.1)."""
        return "websocket" in self.tokens("upgrade") and "upgrade" in self.tokens("connection")


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered: the headers every response has are added by `encode`."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)


def text_response(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """A short text for people."""
    return Response(status, f"{text}\n".encode(), headers={"Cache-Control": "no-store", **(headers or {})})


class _Head:
    """What httptools reports of one request."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add one header line."""
        key, text = name.decode("ascii").lower(), value.decode("latin-1")
        if key in self.headers:
            if key in _ONCE:
                raise HttpError(400, f"{key} stands twice")
            text = f"{self.headers[key]}, {text}"
        self.headers[key] = text

    def on_headers_complete(self) -> None:
        """The blank line is there."""
        self.complete = True


def head_end(buffer: bytes | bytearray) -> int | None:
    """Length of the head that begins `buffer`, None when it is not whole. Raises HttpError if too long."""
    end = buffer.find(b"\r\n\r\n", 0, HEAD_BYTES)
    line_end = buffer.find(b"\r\n", 0, TARGET_BYTES)
    if line_end < 0 and len(buffer) > TARGET_BYTES:
        raise HttpError(414, "the address is too long")
    if end >= 0:
        return end + 4
    if len(buffer) > HEAD_BYTES:
        raise HttpError(431, "the request head is too long")
    return None


def parse_head(head: bytes, posts: frozenset[str] = frozenset()) -> Request:
    """Read one whole head; `posts` are the paths that take bodies.

    Raises HttpError for what is malformed or ambiguous, and for a body that is not expected.
    """
    line_end = head.index(b"\r\n")
    request_line = _REQUEST_LINE.fullmatch(head, 0, line_end)
    if request_line is None:
        raise HttpError(400, "a malformed request line")
    if head.count(b"\r\n") - 2 > HEADER_COUNT:
        raise HttpError(431, "too many headers")
    if not _HEADER_LINES.fullmatch(head, line_end, len(head) - 4):
        raise HttpError(400, "a malformed header")
    parsed = _Head()
    parser = httptools.HttpRequestParser(parsed)
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserCallbackError as error:
        if isinstance(error.__context__, HttpError):
            raise error.__context__ from None
        raise HttpError(400, "a malformed request") from error
    except httptools.HttpParserError as error:
        raise HttpError(400, "a malformed request") from error
    if not parsed.complete:
        raise HttpError(400, "a malformed request")
    return _checked(request_line, parsed.headers, head, posts)


def _checked(line: re.Match[bytes], headers: dict[str, str], head: bytes, posts: frozenset[str]) -> Request:
    method, target, version = line[1].decode(), line[2].decode("ascii"), f"1.{line[3].decode()}"
    if version == "1.1" and not headers.get("host"):
        raise HttpError(400, "no Host header")
    if "transfer-encoding" in headers and "content-length" in headers:
        raise HttpError(400, "two ways to tell the length of the body")
    path, _, query = target.partition("?")
    if path not in posts:
        if method not in ("GET", "HEAD"):
            raise HttpError(405, "this address can only be read", {"Allow": "GET, HEAD"})
    elif method not in POSTING:
        raise HttpError(405, "this address is posted to", {"Allow": ", ".join(POSTING)})
    if method == "POST":
        return Request(method, path, query, headers, version, head, _length(headers))
    if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
        raise HttpError(400, "no body is expected")
    return Request(method, path, query, headers, version, head)


def _length(headers: dict[str, str]) -> int:
    """How long the body of a POST is (RFC 9112 §6.2)."""
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise HttpError(415, "compressed bodies are not taken", {"Accept-Encoding": "identity"})
    text = headers.get("content-length")
    if text is None:
        raise HttpError(411, "a body must tell its length")
    if not text.isdecimal() or not text.isascii() or len(text) > 18:
        raise HttpError(400, "a malformed length")
    return int(text)


def encode(response: Response, *, head_only: bool = False, keep_alive: bool = False) -> bytes:
    """The bytes of a response. Nothing in it tells product or version."""
    headers = {
        "Date": _date(int(time.time())),
        "Content-Type": response.content_type,
        "Content-Length": str(len(response.body)),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Connection": "keep-alive" if keep_alive else "close",
        **response.headers,
    }
    if response.status == 304:
        del headers["Content-Type"], headers["Content-Length"]
    head = status_line(response.status) + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    body = b"" if head_only or response.status == 304 else response.body
    return f"{head}\r\n".encode("latin-1") + body


@functools.lru_cache(maxsize=1)
def _date(second: int) -> str:
    """The time as HTTP writes it (RFC 9110 §5.6.7)."""
    return formatdate(second, usegmt=True)


@functools.cache
def status_line(status: int) -> str:
    """The first line of a response."""
    known = status in HTTPStatus._value2member_map_
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase if known else 'Other'}\r\n"
