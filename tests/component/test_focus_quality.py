"""What the bridge tells of participants, read; a bridge may answer anything."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from component.focus.quality import Picture, Quality, Relays, Way, is_direct, read_qualities

RELAYS = Relays(frozenset({"192.0.2.7"}), (49152, 65535))
Json = dict[str, Any]


def figures(remote: Json | None = None, sends: list[Json] | None = None) -> Json:
    """What our bridge says of a meeting of ann, who sends, and bob, who gets it."""
    ann = {
        "connected": True,
        "rtt_ms": 34.5,
        "received_bps": 1_200_000,
        "sent_bps": 300_000,
        "sends": [
            {"ssrc": 1, "source": "ann-a0", "rate_bps": 40_000, "loss": 0.01, "jitter_ms": 4.0},
            {"ssrc": 2, "source": "ann-v0", "layer": 0, "height": 180, "active": True, "rate_bps": 200_000},
            {"ssrc": 3, "source": "ann-v0", "layer": 1, "height": 360, "active": True, "loss": 0.05},
            {"ssrc": 4, "source": "ann-v0", "layer": 2, "height": 720, "active": False},
            {"ssrc": 5, "repairs": 3, "rate_bps": 9_000, "loss": 0.9},
        ]
        if sends is None
        else sends,
        "receives": [],
    }
    bob = {
        "connected": True,
        "sends": [],
        "receives": [
            {"source": "ann-a0", "loss": 0.25, "rate_bps": 40_000},
            {"source": "ann-v0", "layer": 1, "target_layer": 2, "loss": 0.0, "rate_bps": 200_000},
            {"source": "eve-v0", "layer": 0, "target_layer": 0, "rate_bps": 0},
        ],
    }
    place = remote or {"protocol": "udp", "ip": "203.0.113.5", "port": 5000}
    return {
        "meeting-id": "m",
        "endpoints": {"ann": {"connected": True, "remote": place}, "bob": {"connected": False}},
        "router": {"dominant_speaker": None, "endpoints": {"ann": ann, "bob": bob}},
    }


def test_figures_of_our_bridge() -> None:
    found = read_qualities(figures(), RELAYS)
    ann, bob = found["ann"], found["bob"]
    assert (ann.connected, ann.rtt_ms, ann.up_bps, ann.down_bps) == (True, 34.5, 1_200_000, 300_000)
    assert (ann.loss_up, ann.loss_down, ann.jitter_ms) == (0.05, None, 4.0)
    assert (ann.heights, ann.payload_bps) == ((180, 360), 240_000)
    assert (bob.connected, bob.way, bob.rtt_ms, bob.loss_down) == (False, None, None, 0.25)
    assert bob.pictures == (Picture("ann-v0", 1, 360),)


@pytest.mark.parametrize(
    ("protocol", "ip", "port", "kind"),
    [
        ("udp", "192.0.2.7", 49152, "relay"),
        ("tcp", "192.0.2.7", 3478, "host"),
        ("udp", "10.0.0.4", 5000, "host"),
        ("tcp", "127.0.0.1", 5000, "host"),
        ("udp", "fe80::1", 5000, "host"),
        ("udp", "8.8.8.8", 50000, "reflexive"),
        ("udp", "2600::1", 5000, "reflexive"),
    ],
)
def test_the_way_by_its_remote_address(protocol: str, ip: str, port: int, kind: str) -> None:
    way = read_qualities(figures({"protocol": protocol, "ip": ip, "port": port}), RELAYS)["ann"].way
    shown = f"[{ip}]" if ":" in ip else ip
    assert way == Way(protocol, kind, f"{shown}:{port}")


@pytest.mark.parametrize("body", [None, [], {}, {"endpoints": []}, {"endpoints": {"a": 1}}, "x", 3])
def test_what_another_bridge_says_is_not_told(body: Any) -> None:
    assert all(one.rtt_ms is None for one in read_qualities(body, RELAYS).values())


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**400, True, "34", None, [1]])
def test_a_figure_that_is_none_is_not_told(number: Any) -> None:
    body = figures()
    body["router"]["endpoints"]["ann"] |= {"rtt_ms": number, "received_bps": number}
    ann = read_qualities(body, RELAYS)["ann"]
    assert (ann.rtt_ms, ann.up_bps) == (None, None)


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_PARTS = ["endpoints", "router", "remote", "ann", "sends", "receives", "connected", "active"]
_FIGURES = ["layer", "height", "source", "repairs", "loss", "ip", "port", "protocol", "rtt_ms"]
_keys = st.sampled_from([*_PARTS, *_FIGURES])
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=6),
    max_leaves=40,
)


@given(endpoints=st.dictionaries(_keys, _json, max_size=3), media=_json)
def test_no_answer_of_a_bridge_is_an_error(endpoints: Json, media: Any) -> None:
    assert set(read_qualities({"endpoints": endpoints, "router": {"endpoints": media}}, RELAYS)) == set(
        endpoints
    )


def quality(payload_bps: int, *, connected: bool = True) -> Quality:
    return Quality(connected, None, None, None, None, None, None, None, (), (), payload_bps)


@pytest.mark.parametrize(
    ("qualities", "sending", "direct"),
    [
        ([quality(0), quality(0)], 2, True),
        ([quality(0), quality(0)], 1, True),
        ([quality(0), quality(0)], 0, False),
        ([quality(0), quality(9)], 2, False),
        ([quality(0), quality(0, connected=False)], 2, False),
        ([quality(0), None], 2, False),
        ([quality(0)] * 3, 3, False),
        ([], 0, False),
    ],
)
def test_media_go_directly_when_two_send_and_nothing_arrives(
    qualities: list[Quality | None], sending: int, direct: bool
) -> None:
    assert is_direct(qualities, sending) is direct
