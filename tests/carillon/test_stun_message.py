"""carillon.stun.message against RFC 5769 and against bytes nobody should send."""

import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.stun import (
    Attribute,
    Message,
    MessageClass,
    Method,
    StunError,
    build,
    is_stun,
    parse,
    parse_xor_address,
)

REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff"
    "80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf"
)
IPV4_RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
IPV6_RESPONSE = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9fa"
    "a5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"
)
LONG_TERM = bytes.fromhex(
    "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b90000"
    "0015001c662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b6578616d706c652e6f726700"
    "00080014f67024656dd64a3e02b8e0712e85c9a28ca89666"
)
SHORT_TERM_KEY = b"VOkJxbRl1RmTxUk/WvJxBt"
LONG_TERM_KEY = hashlib.md5("マトリックス:example.org:TheMatrIX".encode()).digest()
TID = bytes(range(12))


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (REQUEST, SHORT_TERM_KEY),
        (IPV4_RESPONSE, SHORT_TERM_KEY),
        (IPV6_RESPONSE, SHORT_TERM_KEY),
        (LONG_TERM, LONG_TERM_KEY),
    ],
)
def test_rfc_5769_samples_parse_and_are_signed(data: bytes, key: bytes) -> None:
    message = parse(data)
    assert is_stun(data)
    assert message.method == Method.BINDING
    assert message.integrity_ok(key)
    assert not message.integrity_ok(key + b"x")


def test_rfc_5769_attributes_are_read() -> None:
    request = parse(REQUEST)
    assert request.cls is MessageClass.REQUEST
    assert request.get(Attribute.USERNAME) == b"evtj:h6vY"
    assert request.get(Attribute.PRIORITY) == bytes.fromhex("6e0001ff")
    for data, ip in ((IPV4_RESPONSE, "192.0.2.1"), (IPV6_RESPONSE, "2001:db8:1234:5678:11:2233:4455:6677")):
        response = parse(data)
        assert response.cls is MessageClass.SUCCESS
        value = response.get(Attribute.XOR_MAPPED_ADDRESS)
        assert value is not None
        assert parse_xor_address(value, response.transaction_id) == (ip, 32853)


def test_what_follows_message_integrity_is_dropped() -> None:
    signed = build(Method.ALLOCATE, MessageClass.REQUEST, TID, [(Attribute.USERNAME, b"u")], key=b"k")
    body = signed[20:] + bytes.fromhex("0012000801010101010101")
    data = signed[:2] + (len(body) + 1).to_bytes(2, "big") + signed[4:20] + body + b"\x01"
    message = parse(data)
    assert message.get(Attribute.XOR_PEER_ADDRESS) is None
    assert message.integrity_ok(b"k")


def test_a_changed_body_is_noticed() -> None:
    signed = bytearray(build(Method.REFRESH, MessageClass.REQUEST, TID, [(0x0D, bytes(4))], key=b"k"))
    assert parse(bytes(signed)).integrity_ok(b"k")
    signed[27] ^= 1
    assert not parse(bytes(signed)).integrity_ok(b"k")


def test_only_the_first_of_equal_attributes_counts() -> None:
    data = build(Method.BINDING, MessageClass.REQUEST, TID, [(6, b"first"), (6, b"second")])
    assert parse(data).get(6) == b"first"


MALFORMED = {
    "empty": b"",
    "19 bytes": REQUEST[:19],
    "truncated": REQUEST[:-4],
    "trailing bytes": REQUEST + bytes(4),
    "first bits not zero": b"\x80" + REQUEST[1:],
    "wrong cookie (RFC 3489)": REQUEST[:4] + bytes(4) + REQUEST[8:],
    "length not a multiple of four": b"\x00\x01\x00\x02" + REQUEST[4:20] + bytes(2),
    "attribute past the end": b"\x00\x01\x00\x04" + REQUEST[4:20] + bytes.fromhex("00060004"),
    "wrong FINGERPRINT": REQUEST[:-1] + b"\x00",
    "FINGERPRINT not last": build(1, MessageClass.REQUEST, TID, [(0x8028, bytes(4)), (6, b"")]),
    "MESSAGE-INTEGRITY of 4 bytes": build(1, MessageClass.REQUEST, TID, [(8, bytes(4))]),
    "65 attributes": build(1, MessageClass.REQUEST, TID, [(0x8000, b"")] * 65),
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(StunError):
        parse(data)


@pytest.mark.parametrize("data", [b"", REQUEST[:19], b"\x40\x00\x00\x00", bytes(20), REQUEST + b"\x00"])
def test_other_protocols_are_no_stun(data: bytes) -> None:
    assert not is_stun(data)


def test_what_does_not_fit_is_not_built() -> None:
    for transaction_id, value in ((bytes(11), b""), (TID, bytes(65_536)), (TID, bytes(65_500))):
        with pytest.raises(StunError):
            build(Method.DATA, MessageClass.INDICATION, transaction_id, [(Attribute.DATA, value)])


attributes = st.lists(
    st.tuples(
        st.integers(0, 0xFFFF).filter(lambda kind: kind not in (0x0008, 0x8028)), st.binary(max_size=40)
    ),
    max_size=10,
)


@given(
    st.integers(0, 0xFFF),
    st.sampled_from(MessageClass),
    st.binary(min_size=12, max_size=12),
    attributes,
    st.none() | st.binary(min_size=1, max_size=30),
    st.booleans(),
)
def test_what_is_built_is_read_back(  # noqa: PLR0917
    method: int,
    cls: MessageClass,
    transaction_id: bytes,
    attributes: list[tuple[int, bytes]],
    key: bytes | None,
    fingerprint: bool,
) -> None:
    data = build(method, cls, transaction_id, attributes, key=key, fingerprint=fingerprint)
    message = parse(data)
    assert is_stun(data) == (method < 0x100)  # RFC 7983 leaves STUN the first bytes 0 to 3
    assert (message.method, message.cls, message.transaction_id) == (method, cls, transaction_id)
    assert message.attributes[: len(attributes)] == tuple(attributes)
    assert key is None or message.integrity_ok(key)


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_raise_stun_error(data: bytes) -> None:
    with contextlib.suppress(StunError):
        assert isinstance(parse(data), Message)


@given(
    st.sampled_from([REQUEST, IPV4_RESPONSE, LONG_TERM]), st.data(), st.lists(st.integers(0, 255), max_size=4)
)
def test_mutated_messages_parse_or_raise_stun_error(
    data: bytes, draw: st.DataObject, values: list[int]
) -> None:
    mutated = bytearray(data)
    for value in values:
        mutated[draw.draw(st.integers(0, len(data) - 1))] = value
    with contextlib.suppress(StunError):
        parse(bytes(mutated)).integrity_ok(b"key")
