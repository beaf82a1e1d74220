"""carillon.guard.addresses: classes that hold for every spelling of an address."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.guard.addresses import canonical, is_in, is_public, is_unicast, source, spellings

PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "192.0.1.0"]
PUBLIC += ["223.255.255.255", "2606:4700::1111", "2a00::1", "64:ff9b::808:808", "2002:808:808::1"]
PRIVATE = [
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.255",
]
PRIVATE += [
    "169.254.169.254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "198.19.255.255",
]
PRIVATE += ["192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1"]
PRIVATE += ["::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "2001:db8::1", "2001:10::1", "2001:2::1"]
PRIVATE += ["100::1", "3fff::1", "4000::1", "5f00::1", "64:ff9b:1::808:808"]
NOT_UNICAST = ["0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"]
NOT_UNICAST += ["::", "ff02::1", "ff0e::1"]


@pytest.mark.parametrize("ip", PUBLIC)
def test_public_addresses(ip: str) -> None:
    assert is_public(ip) and is_unicast(ip)


@pytest.mark.parametrize("ip", PRIVATE)
def test_addresses_that_are_not_public(ip: str) -> None:
    assert not is_public(ip)
    assert is_unicast(ip)


@pytest.mark.parametrize("ip", NOT_UNICAST)
def test_addresses_of_nobody_or_of_many(ip: str) -> None:
    assert not is_unicast(ip)
    assert not is_public(ip)


def embeddings(ip: str) -> list[str]:
    """IPv6 addresses that carry this IPv4 address."""
    number = int(ipaddress.IPv4Address(ip))
    texts = [
        int(ipaddress.IPv6Address("::ffff:0:0")) | number,
        int(ipaddress.IPv6Address("::ffff:0:0:0")) | number,
        number,
        int(ipaddress.IPv6Address("64:ff9b::")) | number,
        int(ipaddress.IPv6Address("2002::1")) | number << 80,
        int(ipaddress.IPv6Address("2001:0:101:101::")) | (number ^ 0xFFFFFFFF),
        int(ipaddress.IPv6Address("2a00::5efe:0:0")) | number,
        int(ipaddress.IPv6Address("2a00::200:5efe:0:0")) | number,
    ]
    return [str(ipaddress.IPv6Address(text)) for text in texts]


@pytest.mark.parametrize(
    "ip", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "224.0.0.1", "0.0.0.1", "255.255.255.255"]
)
def test_an_embedded_address_keeps_its_class(ip: str) -> None:
    for spelling in embeddings(ip):
        if spelling != "::1":
            assert not is_public(spelling), spelling
            assert is_unicast(spelling) == is_unicast(ip), spelling


def test_spellings_of_a_public_address_stay_public_where_they_are_routed() -> None:
    mapped, translated, compatible, nat64, sixtofour, teredo, isatap, isatap_global = embeddings("8.8.4.4")
    for spelling in (mapped, translated, compatible, nat64, sixtofour, isatap, isatap_global):
        assert is_public(spelling), spelling
    assert not is_public(teredo)


def test_canonical_is_what_is_meant() -> None:
    assert str(canonical("::ffff:127.0.0.1")) == "127.0.0.1"
    assert str(canonical("::7f00:1")) == "127.0.0.1"
    assert str(canonical("::1")) == "::1"
    assert str(canonical("fe80::1%eth0")) == "fe80::1"
    assert str(canonical("64:ff9b::1.2.3.4")) == "64:ff9b::102:304"
    with pytest.raises(ValueError, match="localhost"):
        canonical("localhost")


def test_networks_hold_addresses_in_every_spelling() -> None:
    networks = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
    for ip in ("127.1.2.3", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fd00::1"):
        assert is_in(ip, networks), ip
    for ip in (
        "126.255.255.255",
        "128.0.0.0",
        "10.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "fe00::1",
        "::1",
    ):
        assert not is_in(ip, networks), ip


@given(st.ip_addresses())
def test_every_address_has_a_class(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert canonical(address) in spellings(address)
    assert not is_public(address) or is_unicast(address)


@given(st.ip_addresses(v=4), st.integers(1, 32))
def test_membership_is_that_of_the_integers(address: ipaddress.IPv4Address, prefix: int) -> None:
    network = ipaddress.ip_network((int(address) >> (32 - prefix) << (32 - prefix), prefix))
    assert is_in(address, [network])
    outside = int(network.broadcast_address) + 1
    assert outside >> 32 or not is_in(ipaddress.IPv4Address(outside), [network])


def test_a_source_is_an_ipv4_address_or_a_64() -> None:
    assert source("192.0.2.7") == source("::ffff:192.0.2.7") == "192.0.2.7"
    assert source("2001:db8:1:2:3::4") == source("2001:db8:1:2::") == "2001:db8:1:2::/64"
    assert source("2001:db8:1:3::") != source("2001:db8:1:2::")
