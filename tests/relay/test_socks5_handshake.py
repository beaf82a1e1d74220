"""The handshake of the bytestream proxy: what is taken, what is refused and how, in pieces of any size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.socks5.handshake import Handshake, HandshakeRefused, Reason, Reply
from relay.socks5.state import Step

DIGEST = b"0123456789abcdef0123456789ABCDEF01234567"
GREETING = b"\5\1\0"
DESTINATION = b"\3\x28" + DIGEST + b"\0\0"
CONNECT = b"\5\1\0" + DESTINATION
NOTHING = b"\1\0\0\0\0\0\0"


def shake(data: bytes, sizes: list[int] | None = None) -> tuple[Handshake, bytes, bytes]:
    """Feed as much as is wanted, in pieces of at most these sizes; gives what was sent and what was left."""
    handshake, sent, sizes = Handshake(), b"", list(sizes or [])
    while data and handshake.wanted:
        size = min(handshake.wanted, sizes.pop() if sizes else handshake.wanted)
        sent += handshake.feed(data[:size])
        data = data[size:]
    return handshake, sent, data


def refused(data: bytes) -> HandshakeRefused:
    with pytest.raises(HandshakeRefused) as caught:
        shake(data)
    return caught.value


@pytest.mark.parametrize("greeting", [GREETING, b"\5\2\2\0", b"\5\xff" + bytes(range(254, -1, -1))])
def test_a_request_for_a_hash_is_taken(greeting: bytes) -> None:
    handshake, sent, left = shake(greeting + CONNECT)
    assert (handshake.step, handshake.wanted) == (Step.DONE, 0)
    assert (sent, left) == (b"\5\0", b"")
    assert handshake.reply(Reply.SUCCEEDED) == b"\5\0\0" + DESTINATION


def test_a_hash_in_capitals_is_the_same_stream() -> None:
    assert shake(GREETING + CONNECT)[0].digest == DIGEST.decode().lower()


def test_what_follows_the_request_is_not_read() -> None:
    handshake, _, left = shake(GREETING + CONNECT + b"the file")
    assert left == b"the file"
    with pytest.raises(ValueError, match="more than was wanted"):
        handshake.feed(b"t")


@pytest.mark.parametrize(
    "first", [b"\4\1\0\x50\x7f\0\0\1\0", b"GET / HTTP/1.1\r\n\r\n", b"\x16\3\1\2\0", b"\0\0"]
)
def test_what_is_not_socks5_gets_no_answer(first: bytes) -> None:
    refusal = refused(first)
    assert (refusal.reason, refusal.answer) == (Reason.VERSION, b"")


@pytest.mark.parametrize("greeting", [b"\5\0", b"\5\1\2", b"\5\2\1\2"])
def test_without_the_method_no_authentication_there_is_none(greeting: bytes) -> None:
    refusal = refused(greeting)
    assert (refusal.reason, refusal.answer) == (Reason.METHODS, b"\5\xff")


@pytest.mark.parametrize(
    ("request_", "reason", "code"),
    [
        (b"\4\1\0" + DESTINATION, Reason.MALFORMED, Reply.GENERAL_FAILURE),
        (b"\5\1\1" + DESTINATION, Reason.MALFORMED, Reply.GENERAL_FAILURE),
        (b"\5\2\0" + DESTINATION, Reason.COMMAND, Reply.COMMAND_NOT_SUPPORTED),
        (b"\5\3\0" + DESTINATION, Reason.COMMAND, Reply.COMMAND_NOT_SUPPORTED),
        (b"\5\1\0\1\x7f\0\0\1\0\x50", Reason.ADDRESS_TYPE, Reply.ADDRESS_TYPE_NOT_SUPPORTED),
        (b"\5\1\0\4" + bytes(15) + b"\1\0\x50", Reason.ADDRESS_TYPE, Reply.ADDRESS_TYPE_NOT_SUPPORTED),
        (b"\5\1\0\2ab", Reason.ADDRESS_TYPE, Reply.ADDRESS_TYPE_NOT_SUPPORTED),
    ],
)
def test_every_other_request_gets_its_reply_code(request_: bytes, reason: Reason, code: Reply) -> None:
    refusal = refused(GREETING + request_)
    assert (refusal.reason, refusal.answer) == (reason, bytes((5, code, 0)) + NOTHING)


@pytest.mark.parametrize(
    "destination",
    [
        b"\x0bexample.org\0\x50",
        b"\x28" + b"z" * 40 + b"\0\0",
        b"\x28" + DIGEST + b"\0\x50",
        b"\x27" + DIGEST[:39] + b"\0\0",
        b"\x29" + DIGEST + b"0\0\0",
        b"\x28" + bytes(40) + b"\0\0",
        b"\0\0\0",
    ],
)
def test_every_destination_but_a_hash_is_refused(destination: bytes) -> None:
    refusal = refused(GREETING + b"\5\1\0\3" + destination)
    assert refusal.reason is Reason.DESTINATION
    assert refusal.answer == b"\5\2\0\3" + destination


@given(st.lists(st.integers(1, 60), max_size=100))
def test_pieces_of_any_size_make_the_same_handshake(sizes: list[int]) -> None:
    handshake, sent, left = shake(b"\5\3\1\0\2" + CONNECT + b"rest", sizes)
    assert (sent, handshake.digest, left) == (b"\5\0", DIGEST.decode().lower(), b"rest")


_NEARLY = st.lists(
    st.one_of(
        st.sampled_from([GREETING, b"\5\1\0\3", b"\x28", DIGEST, b"\0\0", b"\5", b"\1", b"\4"]),
        st.binary(max_size=60),
    ),
    max_size=8,
).map(b"".join)


@given(st.one_of(st.binary(max_size=600), _NEARLY), st.lists(st.integers(1, 300), max_size=50))
def test_any_bytes_give_a_request_or_the_one_error(data: bytes, sizes: list[int]) -> None:
    try:
        handshake, sent, _ = shake(data, sizes)
    except HandshakeRefused as refusal:
        assert len(refusal.answer) <= 262
        return
    assert sent in (b"", b"\5\0")
    assert 0 <= handshake.wanted <= 257
    assert (handshake.step is Step.DONE) == (len(handshake.digest) == 40) == (handshake.wanted == 0)
