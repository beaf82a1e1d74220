"""Clients whose SSRCs nobody knows before their packets come."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.media import opus, rtcp, rtp
from bridge.media.sequence import signed_distance
from tests.bridge.media_browser import Browser
from tests.bridge.media_packets import sources
from tests.bridge.media_world import World
from tests.bridge.test_media_router import RTCP, RTP


def stranger(world: World, name: str, announced: int, real: int) -> Browser:
    """A client that announces SSRCs `announced` … and sends others."""
    browser = world.join(name, real, layers=1, capabilities=("unsignalled-sources",))
    world.router.set_sources(name, sources(name, announced, 1), world.now)
    return browser


def test_what_comes_is_bound_to_what_was_announced() -> None:
    world = World()
    a = stranger(world, "a", 100, 5000)
    world.run(1)
    b = world.join("b", 200, sends=False)
    world.run(3)
    assert len(b.frames(101)) > 80
    assert len(b.received[100].arrived) > 140
    assert set(b.received) == {100, 101}
    assert a.layers[0].plis
    blocks = {
        block.ssrc
        for _, packet in a.rtcp
        if isinstance(packet, rtcp.ReceiverReport)
        for block in packet.blocks
    }
    assert blocks == {5000, 5001}
    assert b.received[101].senders
    assert b.received[100].senders


def test_losses_are_repaired_though_rtx_was_not_announced() -> None:
    world = World()
    world.loss_up = 0.05
    a = world.join("a", 5000, layers=1, capabilities=("unsignalled-sources",))
    world.router.set_sources("a", sources("a", 100, 1, rtx=False), world.now)
    b = world.join("b", 200, sends=False)
    world.run(4)
    assert a.layers[0].rtx_sequence > 5
    assert b.received[101].missing() == []
    assert len(b.frames(101)) > 100


def test_another_ssrc_in_mid_call_is_followed_without_a_trace() -> None:
    world = World()
    a = stranger(world, "a", 100, 5000)
    b = world.join("b", 200, sends=False)
    world.run(2)
    for base in (6000, 7000):
        a.camera = a.microphone = False
        world.run(0.5)
        a.base = base
        a.audio_sequence += 30
        a.audio_offset += 123456
        layer = a.layers[0]
        layer.ssrc, layer.sequence = base + 1, layer.sequence + 77
        layer.timestamp_offset += 999999
        layer.key_wanted = True
        a.camera = a.microphone = True
        world.run(2)
    assert set(b.received) == {100, 101}
    for ssrc in (100, 101):
        numbers = b.received[ssrc].arrived
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    stamps = [b.received[100].packets[index].timestamp for index in b.received[100].arrived]
    steps = [signed_distance(after, before, 32) for before, after in itertools.pairwise(stamps)]
    assert set(steps[:50]) == {960}
    assert sorted(steps)[-3] == 960
    assert 0.45 < max(steps) / 48000 < 0.6
    b.received[101].check_pictures()
    assert b.frames(101)[-1].at > world.now - 0.1


def test_two_at_once_cannot_share_a_source() -> None:
    world = World()
    stranger(world, "a", 100, 5000)
    b = world.join("b", 200, sends=False)
    world.run(1)
    for number in range(50):
        packet = rtp.build(111, number, number * 960, 7777, b"intruder".ljust(60))
        world.router.receive_rtp("a", packet, world.now)
        world.run(0.02)
    assert {packet.payload[:1] for packet in b.received[100].packets.values()} == {b"a"}
    assert world.router.stats(world.now)["endpoints"]["a"]["dropped"]["SSRC"] == 50


def test_what_was_not_announced_is_dropped() -> None:
    world = World()
    world.join("a", 5000, layers=1, capabilities=("unsignalled-sources",))
    b = world.join("b", 200, sends=False)
    world.router.set_sources("a", (), world.now)
    world.run(1)
    assert b.received == {}
    world.router.set_sources("a", sources("a", 100, 1)[:1], world.now)
    world.run(1)
    assert set(b.received) == {100}
    world.router.receive_rtp("a", rtp.build(77, 1, 2, 999, b"x"), world.now)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(RTP | RTCP | st.binary(max_size=60), st.booleans()), max_size=40))
def test_no_packet_of_a_stranger_breaks_the_router(packets: list[tuple[bytes, bool]]) -> None:
    world = World(codec=opus.load())
    capabilities = ("single-stream", "unsignalled-sources")
    for name, base, more in (("a", 100, ()), ("b", 200, ("echo",)), ("c", 300, ())):
        world.join(name, base, channel=False, layers=1, capabilities=(*capabilities, *more))
    for number, (packet, is_rtcp) in enumerate(packets):
        receive = world.router.receive_rtcp if is_rtcp else world.router.receive_rtp
        for name in "ab":
            receive(name, packet, world.now + number * 0.3)
        world.router.tick(world.now + number * 0.3)
    world.router.stats(world.now + 20)
    world.router.set_sources("a", (), world.now + 20)
    world.router.remove_endpoint("b", world.now + 20)
    world.router.tick(world.now + 21)


def test_tones_of_a_keypad_are_left_out_and_nobody_notices() -> None:
    world = World()
    a = stranger(world, "a", 100, 5000)
    b = world.join("b", 200, sends=False)

    def tone(payload_type: int = 101) -> None:
        timestamp = (a.audio_offset + round(world.now * 48000)) & 0xFFFFFFFF
        a.send(rtp.build(payload_type, a.audio_sequence & 0xFFFF, timestamp, a.base, b"\x05\x0a\x03\x20"))
        a.audio_sequence += 1

    tone()  # before anything else: it binds nothing
    world.run(1)
    for _ in range(20):
        tone()
        world.run(0.05)
    world.run(1)
    heard = b.received[100]
    assert len(heard.arrived) > 140
    assert heard.arrived == list(range(heard.arrived[0], heard.arrived[0] + len(heard.arrived)))
    assert {packet.payload.rstrip(b".") for packet in heard.packets.values()} == {b"a"}
