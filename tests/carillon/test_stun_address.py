"""carillon.stun.address: XOR addresses both ways."""

import contextlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.stun import StunError, parse_xor_address, xor_address

TID = bytes(range(12))


@given(st.ip_addresses(), st.integers(0, 65535), st.binary(min_size=12, max_size=12))
def test_addresses_come_back(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, transaction_id: bytes
) -> None:
    ip, read_port = parse_xor_address(xor_address(str(address), port, transaction_id), transaction_id)
    assert (ipaddress.ip_address(ip), read_port) == (address, port)


@given(st.binary(max_size=24))
def test_any_value_parses_or_raises_stun_error(value: bytes) -> None:
    with contextlib.suppress(StunError):
        ipaddress.ip_address(parse_xor_address(value, TID)[0])


@pytest.mark.parametrize(
    ("ip", "port"),
    [
        ("localhost", 1),
        ("", 1),
        ("1.2.3", 1),
        ("fe80::1%lo", 1),
        ("1.2.3.4\0", 1),
        ("::1", 65536),
        ("::1", -1),
    ],
)
def test_what_is_no_address_is_refused(ip: str, port: int) -> None:
    with pytest.raises(StunError):
        xor_address(ip, port, TID)


@pytest.mark.parametrize(
    "value", ["", "0001a147e112a6", "0002a147e112a643", "0003a147e112a643", "0001a147e112a64300"]
)
def test_values_of_wrong_form_are_refused(value: str) -> None:
    with pytest.raises(StunError):
        parse_xor_address(bytes.fromhex(value), TID)
