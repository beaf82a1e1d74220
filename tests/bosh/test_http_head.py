"""Request heads: what is ambiguous or too large is refused, each with a good one beside it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bosh.http import (
    HEADER_COUNT,
    HttpError,
    Request,
    Response,
    encode,
    head_end,
    parse_head,
    text_response,
)


def head(*lines: str | bytes) -> bytes:
    return b"\r\n".join(line if isinstance(line, bytes) else line.encode() for line in lines) + b"\r\n\r\n"


GET = "GET /room?a=b HTTP/1.1"
POST = "POST /http-bind HTTP/1.1"
HOST = "Host: h"


def read(data: bytes) -> Request:
    end = head_end(data)
    assert end is not None
    return parse_head(data[:end])


def test_a_head_is_read() -> None:
    request = read(head(GET, HOST, "Accept-Encoding: gzip, br", "accept-encoding: zstd", "X-Empty:"))
    assert (request.method, request.path, request.query, request.version) == ("GET", "/room", "a=b", "1.1")
    assert request.tokens("accept-encoding") == {"gzip", "br", "zstd"}
    assert request.headers["x-empty"] == ""
    assert request.keep_alive and not request.upgrades_to_websocket


def test_an_upgrade_is_recognised() -> None:
    request = read(head(GET, HOST, "Connection: keep-alive, Upgrade", "Upgrade: WebSocket"))
    assert request.upgrades_to_websocket


@pytest.mark.parametrize(
    ("lines", "keep_alive"),
    [
        ((GET, HOST), True),
        ((GET, HOST, "Connection: close"), False),
        ((GET.replace("1.1", "1.0"),), False),
        ((GET.replace("1.1", "1.0"), "Connection: keep-alive"), False),
    ],
)
def test_connections_are_kept_only_with_http_1_1(lines: tuple[str, ...], keep_alive: bool) -> None:
    assert read(head(*lines)).keep_alive is keep_alive


def test_a_head_that_is_not_whole_is_awaited() -> None:
    whole = head(GET, HOST)
    assert all(head_end(whole[:size]) is None for size in range(len(whole)))
    assert head_end(whole + b"more") == len(whole)


GOOD = head(GET, HOST, "Content-Length: 0")


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        (head(GET, HOST, "Content-Length: 0", "Transfer-Encoding: chunked"), 400),
        (head(GET, HOST, "Content-Length: 0", "Content-Length: 0"), 400),
        (head(GET, HOST, "Content-Length: 0, 0"), 400),
        (head(GET, HOST, "Transfer-Encoding: xchunked"), 400),
        (head(GET, HOST, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400),
        (head(GET, HOST, "Transfer-Encoding : chunked"), 400),
        (head(GET, HOST, "X: y", " folded"), 400),
        (head(GET, HOST, b"X: y\0"), 400),
        (head(GET, HOST, b"X: y\rZ: z"), 400),
        (head(GET, HOST, b"X: y\nZ: z"), 400),
        (b"GET / HTTP/1.1\nHost: h\n\r\n\r\n", 400),
        (head(GET), 400),
        (head(GET, HOST, HOST), 400),
        (head(GET, HOST, "Content-Length: 5"), 400),
        (head(GET, HOST, "Content-Length: -5"), 400),
        (head(GET, HOST, "Content-Length: 0x10"), 400),
        (head(GET, HOST, "Content-Length: +0"), 400),
        (head(GET, HOST, "Content-Length: 12abc"), 400),
        (head(GET, HOST, "Content-Length: 1000000000000"), 400),
        (head(GET, HOST, ": nameless"), 400),
        (head(GET, HOST, "no colon"), 400),
        (head("GET /  HTTP/1.1", HOST), 400),
        (head("GET / HTTP/2.0", HOST), 400),
        (head("GET / HTTP/1.1 ", HOST), 400),
        (head("get / HTTP/1.1", HOST), 400),
        (head("GET http://other/ HTTP/1.1", HOST), 400),
        (head("GET / ü HTTP/1.1", HOST), 400),
        (head("", GET, HOST), 400),
        (head("POST / HTTP/1.1", HOST), 405),
        (head("TRACE / HTTP/1.1", HOST), 405),
        (head("OPTIONS / HTTP/1.1", HOST), 405),
        (head("PUT / HTTP/1.1", HOST, "Content-Length: 30000000"), 405),
        (head(GET, HOST, *["X: y"] * HEADER_COUNT), 431),
        (head(GET, HOST, "X: " + "y" * 17_000), 431),
        (head("GET /" + "x" * 65536 + " HTTP/1.1", HOST), 414),
    ],
)
def test_what_is_ambiguous_or_too_much_is_refused(bad: bytes, status: int) -> None:
    assert read(GOOD).method == "GET"
    with pytest.raises(HttpError) as refused:
        read(bad)
    assert refused.value.status == status


def test_a_head_within_the_limits_is_not_refused() -> None:
    read(head("GET /" + "x" * 8000 + " HTTP/1.1", HOST, *["X: y"] * (HEADER_COUNT - 1)))


@given(
    st.binary(max_size=200)
    | st.lists(
        st.sampled_from(
            [GET, POST, HOST, "X: y", "Content-Length: 0", "Content-Length: 5", "é", " ", "\0", ":"]
        )
    ).map(lambda lines: head(*lines))
)
def test_nothing_but_http_errors_leaves_the_parser(data: bytes) -> None:
    for posts in (frozenset[str](), frozenset(("/http-bind",))):
        try:
            end = head_end(data + b"\r\n\r\n")
            assert end is not None
            parse_head((data + b"\r\n\r\n")[:end], posts)
        except HttpError as error:
            assert 400 <= error.status < 500


def test_a_response_names_no_product() -> None:
    sent = encode(Response(200, b"body", headers={"X": "y"}), keep_alive=True)
    lines = sent.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK" and lines[-1] == b"body"
    assert b"Content-Length: 4" in lines and b"X: y" in lines and b"Connection: keep-alive" in lines
    assert b"X-Content-Type-Options: nosniff" in lines
    assert b"server" not in sent.lower() and b"carillon" not in sent.lower()


def test_a_response_to_head_has_the_length_and_no_body() -> None:
    sent = encode(text_response(404, "no"), head_only=True)
    assert b"Content-Length: 3" in sent and sent.endswith(b"\r\n\r\n")
