"""Rate limits by REMB, in both directions."""

from bridge.media import rtcp
from bridge.media.allocation import MIN_LIMIT_BPS, LossLimit
from bridge.media.remb import MAX_BPS, MIN_BPS, START_BPS, ReceiveLimit
from jingle.rtp import RtcpFeedback
from tests.bridge.media_packets import FEEDBACK, media
from tests.bridge.media_world import World
from tests.bridge.test_media_single_stream import single, video

REMB = RtcpFeedback("goog-remb")


def test_a_sender_that_comes_through_may_send_more() -> None:
    limit = ReceiveLimit()
    limit.update(100_000, 0.0)
    assert limit.bps == START_BPS
    for _ in range(60):
        limit.update(limit.bps, 0.01)
    assert limit.bps == MAX_BPS
    limit.update(2_000_000, 0.05)
    assert limit.bps == MAX_BPS
    limit.update(2_000_000, 0.5)
    assert limit.bps == 1_500_000
    for _ in range(60):
        limit.update(100_000, 0.5)
    assert limit.bps == MIN_BPS


def test_only_those_without_transport_wide_feedback_are_told() -> None:
    world = World()
    voices, pictures = media(feedback=(*FEEDBACK, REMB))
    without = tuple(
        one.__class__(one.type, one.payload_types, one.header_extensions[:1]) for one in (voices, pictures)
    )
    plain = single(world, "p", 900, negotiated=without)
    other = world.join("a", 100, negotiated=(voices, pictures))
    world.run(3)
    assert not [packet for _, packet in other.rtcp if isinstance(packet, rtcp.Remb)]
    told = [packet for _, packet in plain.rtcp if isinstance(packet, rtcp.Remb)]
    assert told
    assert {packet.ssrc for packet in told} == {plain.down[1].sources[0].ssrc}
    assert told[-1].media_ssrcs == (901, 902, 903)
    assert told[-1].bitrate_bps > START_BPS


def test_what_a_receiver_estimates_counts_only_below_what_it_gets() -> None:
    limit = LossLimit()
    limit.told(2_000_000, 1_000_000)
    limit.told(900_000, 1_000_000)
    assert limit.limit_bps is None
    for _ in range(2):
        limit.told(500_000, 1_000_000)
    assert limit.limit_bps is None
    limit.told(500_000, 1_000_000)
    assert limit.limit_bps == 500_000
    limit.told(1, 1_000_000)
    assert limit.limit_bps == MIN_LIMIT_BPS


def test_a_receiver_that_asks_for_less_gets_a_smaller_layer() -> None:
    world = World()
    world.join("a", 100)
    negotiated = media(feedback=(*FEEDBACK, REMB))
    plain = single(world, "p", 900, sends=False, negotiated=negotiated)
    world.run(4)
    assert video(plain).frames[-1].order == 2
    remb = rtcp.remb(1, 300_000, [plain.down[1].sources[0].ssrc])
    for _ in range(3):
        world.router.receive_rtcp("p", remb, world.now)
    world.run(1.5)
    assert video(plain).frames[-1].order < 2
    video(plain).check_pictures()
