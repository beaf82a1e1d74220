"""Whose address counts when a request came through proxies."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bosh.forwarded_for import MAX_HOPS, TrustedProxies

PROXIES = TrustedProxies(("127.0.0.1", "10.0.0.0/8", "::1", "2001:db8:1::/48"))
ADDRESSES = st.ip_addresses().map(str)
STRANGERS = ADDRESSES.filter(lambda text: not PROXIES.trusts(text))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        # from anybody else the header changes nothing
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("2001:db8:2::1", "198.51.100.7", "2001:db8:2::1"),
        ("", "198.51.100.7", ""),
        # one proxy, several
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("::1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "203.0.113.9,198.51.100.7,10.1.2.3 ,\t10.1.2.4", "198.51.100.7"),
        ("127.0.0.1", "10.1.2.3", "10.1.2.3"),
        ("127.0.0.1", "", "127.0.0.1"),
        # as they write addresses
        ("127.0.0.1", "198.51.100.7:50123", "198.51.100.7"),
        ("127.0.0.1", "2001:db8:2::7", "2001:db8:2::7"),
        ("127.0.0.1", "[2001:DB8:2:0::7]", "2001:db8:2::7"),
        ("127.0.0.1", "[2001:db8:2::7]:50123", "2001:db8:2::7"),
        ("127.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
        ("::ffff:127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "198.51.100.7, 2001:db8:1::5, ::ffff:10.0.0.1", "198.51.100.7"),
        # what cannot be read is no address, and nothing before it counts
        ("127.0.0.1", "198.51.100.7, unknown", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.7, , 10.1.2.3", "10.1.2.3"),
        ("127.0.0.1", "198.51.100.7,", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.256", "127.0.0.1"),
        ("127.0.0.1", "0198.51.100.7", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.7:", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.7:123456", "127.0.0.1"),
        ("127.0.0.1", "[198.51.100.7", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.7\n", "127.0.0.1"),
        ("127.0.0.1", "fe80::1%eth0", "127.0.0.1"),
        ("127.0.0.1", "\u0661.2.3.4", "127.0.0.1"),
        ("127.0.0.1", "for=198.51.100.7", "127.0.0.1"),
    ],
)
def test_the_last_hop_that_is_no_trusted_proxy_counts(peer: str, forwarded: str, client: str) -> None:
    assert PROXIES.client(peer, forwarded) == client


def test_nobody_is_trusted_by_default() -> None:
    nobody = TrustedProxies(())
    assert not nobody.trusts("127.0.0.1")
    assert nobody.client("127.0.0.1", "198.51.100.7") == "127.0.0.1"


def test_an_address_that_a_translator_may_make_a_proxy_of_is_none() -> None:
    for spelling in ("2002:7f00:1::", "64:ff9b::7f00:1"):
        assert not PROXIES.trusts(spelling)


def test_a_long_list_is_read_no_further_than_its_last_hops() -> None:
    assert PROXIES.client("127.0.0.1", "198.51.100.7" + ",10.0.0.1" * (MAX_HOPS - 1)) == "198.51.100.7"
    assert PROXIES.client("127.0.0.1", "198.51.100.7" + ",10.0.0.2" * MAX_HOPS) == "10.0.0.2"
    assert PROXIES.client("127.0.0.1", "10.0.0.9" + "," * 16384) == "127.0.0.1"


@given(peer=STRANGERS, forwarded=st.text())
def test_a_stranger_cannot_choose_an_address(peer: str, forwarded: str) -> None:
    assert PROXIES.client(peer, forwarded) == PROXIES.client(peer, "")


@given(
    before=st.text(),
    client=STRANGERS,
    proxies=st.lists(st.sampled_from(["10.1.1.1", "[2001:db8:1::1]:443", "127.0.0.1:1"]), max_size=5),
)
def test_a_client_behind_proxies_cannot_choose_an_address(
    before: str, client: str, proxies: list[str]
) -> None:
    counted = PROXIES.client("127.0.0.1", ", ".join((before, client, *proxies)))
    assert counted == TrustedProxies(()).client(client, "")


@given(peer=ADDRESSES, forwarded=st.lists(st.one_of(ADDRESSES, st.text(max_size=50))).map(",".join))
def test_what_counts_is_an_address_whatever_the_header_says(peer: str, forwarded: str) -> None:
    ipaddress.ip_address(PROXIES.client(peer, forwarded))
