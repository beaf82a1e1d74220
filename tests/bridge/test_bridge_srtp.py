"""SRTP of one endpoint: both directions, both profiles, and everything that must be dropped."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.srtp import MAX_PLAIN_BYTES, MAX_RECEIVE_SOURCES, PROFILES, SrtpError, SrtpProfile, SrtpSession
from bridge.srtp import split_keys as split


def rtp(sequence: int, ssrc: int = 0x1234, payload: bytes = b"payload") -> bytes:
    return struct.pack("!BBHII", 0x80, 111, sequence, sequence * 960, ssrc) + payload


def rtcp(ssrc: int = 0x1234) -> bytes:
    return struct.pack("!BBHI", 0x80, 201, 1, ssrc)


def pair(profile: SrtpProfile = PROFILES[0]) -> tuple[SrtpSession, SrtpSession]:
    """The client's and the bridge's session."""
    material = bytes(range(2 * (profile.key_length + profile.salt_length)))
    keys = split(profile, material)
    return SrtpSession(keys, server=False), SrtpSession(keys)


def test_keys_are_cut_in_the_order_of_rfc_5764() -> None:
    keys = split(PROFILES[1], bytes(range(60)))
    assert keys.client == bytes([*range(16), *range(32, 46)])
    assert keys.server == bytes([*range(16, 32), *range(46, 60)])
    assert "0" not in repr(keys).replace("SHA1_80", "").replace("AES128", "")


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name.decode())
def test_packets_pass_in_both_directions(profile: SrtpProfile) -> None:
    client, bridge = pair(profile)
    for sequence in (65534, 65535, 0, 1):
        assert bridge.unprotect_rtp(client.protect_rtp(rtp(sequence))) == rtp(sequence)
        assert client.unprotect_rtp(bridge.protect_rtp(rtp(sequence))) == rtp(sequence)
    assert bridge.unprotect_rtcp(client.protect_rtcp(rtcp())) == rtcp()
    assert client.unprotect_rtcp(bridge.protect_rtcp(rtcp())) == rtcp()


def reason(session: SrtpSession, packet: bytes, *, control: bool = False) -> str:
    with pytest.raises(SrtpError) as caught:
        (session.unprotect_rtcp if control else session.unprotect_rtp)(packet)
    return caught.value.reason


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name.decode())
def test_a_replayed_or_altered_packet_is_dropped(profile: SrtpProfile) -> None:
    client, bridge = pair(profile)
    packet = client.protect_rtp(rtp(10))
    altered = packet[:-1] + bytes([packet[-1] ^ 1])
    assert reason(bridge, altered) == "authentication"
    assert bridge.unprotect_rtp(packet) == rtp(10)
    assert reason(bridge, packet) == "replay"
    control = client.protect_rtcp(rtcp())
    bridge.unprotect_rtcp(control)
    assert reason(bridge, control, control=True) == "replay"


def test_an_old_packet_and_a_forged_jump_are_dropped() -> None:
    client, bridge = pair()
    old = client.protect_rtp(rtp(1))
    for sequence in range(2, 1200):  # further than the replay window
        bridge.unprotect_rtp(client.protect_rtp(rtp(sequence)))
    assert reason(bridge, old) == "replay"
    jump = bytearray(client.protect_rtp(rtp(1200)))
    jump[2:4] = b"\xff\x00"
    assert reason(bridge, bytes(jump)) == "authentication"
    assert bridge.unprotect_rtp(client.protect_rtp(rtp(1201))) == rtp(1201)


def test_a_packet_of_another_endpoint_is_dropped() -> None:
    client, _ = pair()
    profile = PROFILES[0]
    other = SrtpSession(split(profile, bytes(2 * (profile.key_length + profile.salt_length))))
    assert reason(other, client.protect_rtp(rtp(1))) == "authentication"


def test_the_number_of_sources_is_bounded_and_forged_ones_do_not_count() -> None:
    client, bridge = pair()
    for ssrc in range(1000):
        assert reason(bridge, rtp(1, ssrc) + bytes(16)) == "authentication"
    for ssrc in range(MAX_RECEIVE_SOURCES):
        bridge.unprotect_rtp(client.protect_rtp(rtp(1, ssrc)))
    assert reason(bridge, client.protect_rtp(rtp(1, 5000))) == "sources"
    assert reason(bridge, client.protect_rtcp(rtcp(5000)), control=True) == "sources"
    assert bridge.unprotect_rtp(client.protect_rtp(rtp(2, 0))) == rtp(2, 0)


def test_a_packet_that_is_too_long_is_refused_in_both_directions() -> None:
    client, bridge = pair()
    longest = rtp(1, payload=bytes(MAX_PLAIN_BYTES - 12))
    assert client.unprotect_rtp(bridge.protect_rtp(longest)) == longest
    with pytest.raises(SrtpError, match="malformed"):
        bridge.protect_rtp(longest + b"x")
    assert reason(bridge, bytes(3000)) == "malformed"


def test_a_number_that_was_used_before_is_not_sent_again() -> None:
    _, bridge = pair()
    bridge.protect_rtp(rtp(7))
    with pytest.raises(SrtpError, match="replay"):
        bridge.protect_rtp(rtp(7))


@given(st.binary(max_size=200))
def test_rubbish_raises_nothing_but_the_declared_error(data: bytes) -> None:
    _, bridge = pair()
    for unprotect in (bridge.unprotect_rtp, bridge.unprotect_rtcp):
        with pytest.raises(SrtpError):
            unprotect(data)
    for protect in (bridge.protect_rtp, bridge.protect_rtcp):
        try:
            protect(data)
        except SrtpError:
            continue
