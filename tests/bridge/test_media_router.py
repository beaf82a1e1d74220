"""The router between simulated browsers: what reaches whom, whatever they do."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.media import rtcp, rtp, vp8
from bridge.media.endpoint import MAX_SSRCS
from jingle.colibri2 import MediaSource
from jingle.sources import Source
from tests.bridge.media_packets import media, sources
from tests.bridge.media_world import World


def test_three_see_and_hear_each_other() -> None:
    world = World()
    browsers = [world.join(name, base) for name, base in (("a", 100), ("b", 200), ("c", 300))]
    world.run(5)
    for receiver in browsers:
        for sender in browsers:
            if sender is receiver:
                assert sender.base not in receiver.received
                continue
            stream = receiver.decoded(sender)
            assert len(stream.frames) >= 145
            assert stream.frames[-1].order == 2
            stream.check_pictures()
            audio = receiver.received[sender.base]
            assert len(audio.arrived) >= 245
            assert {packet.payload for packet in audio.packets.values()} == {
                sender.name.encode().ljust(60, b".")
            }


def test_a_late_receiver_gets_a_key_frame_at_once() -> None:
    world = World()
    world.join("a", 100)
    world.join("b", 200)
    world.run(5)
    late = world.join("c", 300)
    world.run(0.5)
    assert len(late.frames(101)) >= 8
    assert len(late.frames(201)) >= 8


def test_extensions_and_payload_types_are_those_of_each_receiver() -> None:
    world = World()
    world.join("a", 100)
    other = media(opus=97, vp8_type=98, rtx=99, level_id=6)
    b = world.join("b", 200, negotiated=other, sends=False)
    c = world.join("c", 300, sends=False)
    world.run(1)
    for receiver, types, level_id in ((b, {97, 98}, 6), (c, {111, 100}, 1)):
        packets = [rtp.parse(data) for data in receiver.raw]
        assert {packet.payload_type for packet in packets} == types
        assert {packet.ssrc for packet in packets} == {100, 101}
        for packet in packets:
            expected = {level_id: bytes((0x80 | 30,))} if packet.ssrc == 100 else {}
            assert packet.extensions == expected  # in particular neither mid nor transport-cc


def test_what_is_negotiated_anew_holds_at_once() -> None:
    world = World()
    world.join("a", 100)
    b = world.join("b", 200, sends=False, negotiated=())
    world.run(1)
    assert b.raw == []
    world.router.set_media("b", media())
    world.run(1)
    assert len(b.frames(101)) > 20
    assert len(b.received[100].arrived) > 40
    numbers = b.received[100].arrived
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_force_mute_stops_media_and_its_end_resumes_it_without_a_gap() -> None:
    world = World()
    world.join("a", 100)
    b = world.join("b", 200, sends=False)
    world.run(3)
    world.router.set_force_mute("a", audio=True, video=True)
    world.run(0.1)
    audio, frames = len(b.received[100].arrived), len(b.frames(101))
    world.run(3)
    assert (len(b.received[100].arrived), len(b.frames(101))) == (audio, frames)
    world.router.set_force_mute("a", audio=False, video=None)
    world.run(1)
    assert len(b.received[100].arrived) > audio + 40
    assert len(b.frames(101)) == frames
    world.router.set_force_mute("a", audio=None, video=False)
    world.run(1)
    assert len(b.frames(101)) > frames + 20
    numbers = b.received[100].arrived
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    b.received[101].check_pictures()
    assert b.received[101].missing() == []


def test_a_paused_top_layer_is_left_and_taken_up_again() -> None:
    world = World()
    a = world.join("a", 100)
    b = world.join("b", 200, sends=False)
    world.run(3)
    a.layers[2].enabled = False
    world.run(4)
    assert b.frames(101)[-1].order == 1
    a.layers[2].enabled = True
    world.run(3)
    assert b.frames(101)[-1].order == 2
    b.received[101].check_pictures()


def test_media_that_comes_before_its_sources_is_dropped_and_then_asked_for() -> None:
    world = World()
    a = world.join("a", 100)
    b = world.join("b", 200, sends=False)
    world.router.set_sources("a", (), world.now)
    world.run(2)
    assert b.frames(101) == []
    assert world.router.stats(world.now)["endpoints"]["a"]["dropped"]["SSRC"] > 100
    world.router.set_sources("a", sources("a", 100), world.now)
    world.run(1)
    assert len(b.frames(101)) > 20
    assert a.layers[0].plis


def test_the_same_sources_again_disturb_nothing() -> None:
    world = World()
    world.join("a", 100)
    b = world.join("b", 200, sends=False)
    world.every(0.2, lambda: world.router.set_sources("a", sources("a", 100), world.now))
    world.run(5)
    b.received[101].check_pictures()
    assert len(b.frames(101)) > 140
    assert sum(frame.key for frame in b.frames(101)) <= 3


def test_a_source_that_goes_and_comes_back_goes_on_with_its_numbers() -> None:
    world = World()
    world.join("a", 100)
    b = world.join("b", 200, sends=False)
    for _ in range(3):
        world.router.set_sources("a", sources("a", 100), world.now)
        world.run(1.5)
        world.router.set_sources("a", (), world.now)
        world.run(0.5)
    for ssrc in (100, 101):
        numbers = b.received[ssrc].arrived
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_who_leaves_is_gone_without_a_trace() -> None:
    world = World()
    for name, base in (("a", 100), ("b", 200), ("c", 300)):
        world.join(name, base)
    world.run(3)
    world.router.remove_endpoint("a", world.now)
    world.router.remove_endpoint("nobody", world.now)
    world.run(3)
    stats = world.router.stats(world.now)["endpoints"]
    assert set(stats) == {"b", "c"}
    assert {stream["ssrc"] for stream in stats["b"]["receives"]} == {300, 301}
    assert stats["b"]["receives"][1]["layer"] == 2
    world.router.receive_rtp("a", b"\x80", world.now)
    world.router.receive_rtcp("a", b"\x80", world.now)
    world.router.receive_message("a", {}, world.now)


def test_nothing_malformed_stops_the_rest() -> None:
    world = World()
    world.join("a", 100)
    b = world.join("b", 200)
    world.run(1)
    bad = [b"", b"\x80", bytes(12), b"\x90\x64" + bytes(10) + b"\xbe\xde\xff\xff"]
    bad.append(rtp.build(100, 1, 2, 101, b"\x90"))
    bad.append(rtp.build(77, 1, 2, 101, b"\x90\x80\x80\x80\x80"))
    bad.append(rtp.build(96, 1, 2, 111, b"\x01"))
    bad.append(rtp.build(77, 1, 2, 111, b"\x01\x02\x03"))
    bad.append(rtp.build(100, 1, 2, 999, b"\x90"))
    for packet in bad:
        world.router.receive_rtp("a", packet, world.now)
    for packet in (
        b"",
        b"\x80",
        bytes(20),
        rtcp.pli(1, 999),
        rtcp.nack(1, 999, [1]),
        rtcp.nack(1, 201, range(5000)),
    ):
        world.router.receive_rtcp("a", packet, world.now)
    for message in ({}, {"colibriClass": "nonsense"}, {"colibriClass": "LastNChangedEvent"}):
        world.router.receive_message("a", message, world.now)
    world.run(2)
    assert len(b.frames(101)) > 80
    dropped = world.router.stats(world.now)["endpoints"]["a"]["dropped"]
    assert dropped == {
        "RTP": 6,
        "payload type": 2,
        "SSRC": 1,
        "RTCP": 3,
        "feedback SSRC": 2,
        "channel message": 2,
        "channel message class": 1,
    }


def test_what_an_endpoint_may_signal_is_bounded() -> None:
    world = World()
    world.join("a", 100, sends=False)
    many = tuple(MediaSource(f"a-a{n}", "audio", (Source(1000 + n),)) for n in range(200))
    twice = (MediaSource("a-v0", "video", (Source(1000),)),)
    world.router.set_sources("a", many + twice, world.now)
    stats = world.router.stats(world.now)["endpoints"]["a"]
    assert len(stats["sends"]) == MAX_SSRCS
    assert stats["dropped"]["source"] == 200 - MAX_SSRCS + 1


def test_an_idle_conference_is_rarely_called() -> None:
    world = World()
    world.join("a", 100, sends=False)
    assert world.router.tick(5000.0) == pytest.approx(5000.25)


def test_payload_is_untouched_behind_the_descriptor() -> None:
    world = World()
    a = world.join("a", 100, layers=1)
    b = world.join("b", 200, sends=False)
    world.run(2)
    sent = {rtp.parse(data).payload[6:] for data in a.layers[0].sent.values()}
    for packet in b.received[101].packets.values():
        assert vp8.parse_descriptor(packet.payload).size == 6
        assert packet.payload[6:] in sent


SSRC = st.sampled_from((100, 101, 102, 111, 112, 7)) | st.integers(0, 0xFFFFFFFF)
RTP = st.builds(
    lambda first, kind, number, timestamp, ssrc, rest: (
        bytes((0x80 | first, kind))
        + number.to_bytes(2, "big")
        + timestamp.to_bytes(4, "big")
        + ssrc.to_bytes(4, "big")
        + rest
    ),
    st.sampled_from((0, 0, 0, 0x10, 0x20, 0x3F)),
    st.sampled_from((100, 228, 96, 111)) | st.integers(0, 255),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    SSRC,
    st.binary(max_size=40) | st.binary(max_size=20).map(lambda tail: b"\x90\xf0\x81\x02\x03\x40\x10" + tail),
)
RTCP = st.builds(
    lambda count, kind, body: bytes((0x80 | count, kind)) + (len(body) // 4).to_bytes(2, "big") + body,
    st.integers(0, 31),
    st.integers(200, 207),
    st.lists(SSRC | st.integers(0, 0xFFFFFFFF), max_size=14).map(
        lambda words: b"".join(word.to_bytes(4, "big") for word in words)
    ),
)


@settings(deadline=None)
@given(st.lists(st.tuples(RTP | RTCP | st.binary(max_size=60), st.booleans()), max_size=40))
def test_no_packet_breaks_the_router(packets: list[tuple[bytes, bool]]) -> None:
    world = World()
    for name, base in (("a", 100), ("b", 200)):
        world.join(name, base)
    for number, (packet, is_rtcp) in enumerate(packets):
        receive = world.router.receive_rtcp if is_rtcp else world.router.receive_rtp
        receive("a", packet, world.now + number * 0.01)
        world.router.receive_rtcp("b", packet, world.now + number * 0.01)
    world.router.tick(world.now + 2)
    world.router.stats(world.now + 2)
    world.router.remove_endpoint("a", world.now + 3)
    world.router.tick(world.now + 4)
