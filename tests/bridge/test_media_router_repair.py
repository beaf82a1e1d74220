"""Loss, retransmission, feedback and reports between simulated browsers."""

import itertools

import pytest

from bridge.media import rtcp
from bridge.media.sequence import signed_distance
from jingle.rtp import RtcpFeedback
from tests.bridge.media_packets import media
from tests.bridge.media_world import World


@pytest.mark.parametrize(
    ("loss", "least", "freeze_s"), [(0.01, 590, 0.25), (0.05, 580, 0.5), (0.10, 560, 1.0)]
)
def test_loss_both_ways_is_repaired(loss: float, least: int, freeze_s: float) -> None:
    world = World(loss=loss, delay_s=0.02)
    a, b = world.join("a", 100), world.join("b", 200)
    world.run(20)
    for receiver, sender in ((a, b), (b, a)):
        stream = receiver.decoded(sender)
        assert len(stream.frames) >= least
        assert stream.repaired > 0
        stream.check_pictures()
        times = [frame.at for frame in stream.frames]
        assert max(after - before for before, after in itertools.pairwise(times)) < freeze_s
        assert sum(len(layer.plis) for layer in sender.layers) < 15


def test_transport_wide_feedback_tells_every_packet() -> None:
    world = World(loss=0.05, delay_s=0.02)
    a = world.join("a", 100)
    world.join("b", 200)
    world.run(10)
    told_late = [index for index in a.sent_at if index not in a.told and a.sent_at[index] < world.now - 1]
    assert len(told_late) <= len(a.sent_at) * 0.12  # feedback itself gets lost as well
    heard = {index: at for index, at in a.told.items() if at is not None}
    assert len(heard) > 0.8 * len(a.sent_at)
    delays = [at - a.sent_at[index] for index, at in heard.items()]
    assert max(delays) - min(delays) < 0.001
    times = [at for at, packet in a.rtcp if isinstance(packet, rtcp.TransportCc)]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert sorted(gaps)[len(gaps) // 2] <= 0.101


def test_a_sender_without_the_extension_gets_no_such_feedback() -> None:
    world = World()
    plain = tuple(type(one)(one.type, one.payload_types, one.header_extensions[:1]) for one in media())
    a = world.join("a", 100, negotiated=plain)
    b = world.join("b", 200)
    world.run(2)
    assert not [packet for _, packet in a.rtcp if isinstance(packet, rtcp.TransportCc)]
    assert len(b.frames(101)) > 50


def test_a_storm_of_key_frame_requests_becomes_few() -> None:
    world = World()
    a = world.join("a", 100, layers=1)
    crowd = [world.join(f"r{number}", 1000 + 100 * number, sends=False) for number in range(50)]
    world.run(3)
    a.layers[0].plis.clear()

    def storm() -> None:
        for receiver in crowd:
            receiver.send(rtcp.pli(1, 101), tagged=False)
            receiver.send(rtcp.fir(1, 101, 5), tagged=False)

    world.every(0.1, storm)
    world.run(20)
    plis = a.layers[0].plis
    assert 10 <= len(plis) <= 24
    assert min(after - before for before, after in itertools.pairwise(plis)) >= 0.499


def test_a_sender_without_pli_gets_fir() -> None:
    world = World()
    a = world.join("a", 100, negotiated=media(feedback=(RtcpFeedback("ccm", "fir"),)))
    world.join("b", 200, sends=False)
    world.run(1)
    requests = [packet for _, packet in a.rtcp if isinstance(packet, rtcp.Fir)]
    assert requests
    assert not [packet for _, packet in a.rtcp if isinstance(packet, rtcp.Pli | rtcp.Nack)]
    assert {ssrc for request in requests for ssrc, _ in request.entries} <= {101, 102, 103}


def test_reports_keep_audio_and_video_together() -> None:
    world = World(delay_s=0.03)
    a = world.join("a", 100)
    b = world.join("b", 200, sends=False, height=180)
    world.run(4)
    world.constrain("b", defaultConstraints={"maxHeight": 720})
    world.run(4)
    # The frame decoded last and the audio that came last were captured at nearly the same time:
    captured = []
    for ssrc, rate in ((100, 48000), (101, 90000)):
        stream = b.received[ssrc]
        _, report = stream.senders[-1]
        timestamp = stream.packets[stream.highest].timestamp if ssrc == 100 else stream.frames[-1].timestamp
        captured.append(report.ntp / (1 << 32) + signed_distance(timestamp, report.rtp_timestamp, 32) / rate)
    assert abs(captured[0] - captured[1]) < 0.040
    names = {
        cname
        for _, packet in b.rtcp
        if isinstance(packet, rtcp.SourceDescription)
        for _, cname in packet.cnames
    }
    assert names == {"a"}
    assert [report.packets for _, report in b.received[100].senders] == sorted(
        report.packets for _, report in b.received[100].senders
    )
    assert a.received == {}


def test_senders_are_told_loss_jitter_and_their_reports() -> None:
    world = World(loss=0.05)
    a = world.join("a", 100)
    world.join("b", 200)
    world.run(10)
    blocks = [
        block for _, packet in a.rtcp if isinstance(packet, rtcp.ReceiverReport) for block in packet.blocks
    ]
    audio = [block for block in blocks if block.ssrc == 100]
    assert len(audio) >= 8
    assert 10 <= audio[-1].cumulative_lost <= 45
    assert audio[-1].last_sr
    assert {100, 101, 102, 103} <= {block.ssrc for block in blocks}


def test_round_trip_time_is_measured() -> None:
    world = World(delay_s=0.06)
    world.join("a", 100)
    world.join("b", 200)
    world.run(15)
    for endpoint in world.router.stats(world.now)["endpoints"].values():
        assert endpoint["rtt_ms"] == pytest.approx(120, abs=8)


def test_heavy_loss_lowers_the_layer_and_its_end_raises_it() -> None:
    world = World()
    world.join("a", 100)
    b = world.join("b", 200, sends=False)
    world.run(4)
    assert b.frames(101)[-1].order == 2
    world.loss_down = 0.4
    b.nacks = False
    world.run(15)
    assert world.router.stats(world.now)["endpoints"]["b"]["receives"][1]["layer"] == 0
    world.loss_down = 0.0
    world.run(40)
    assert b.frames(101)[-1].order == 2


def test_retransmitted_probes_are_not_forwarded_twice() -> None:
    world = World()
    a = world.join("a", 100, layers=1)
    b = world.join("b", 200, sends=False)

    def probe() -> None:
        for number in list(a.layers[0].sent)[-5:]:
            a.resend(a.layers[0], number)

    world.every(0.05, probe)
    world.run(3)
    stream = b.received[101]
    assert stream.duplicates == 0
    stream.check_pictures()


def test_padding_on_the_media_stream_leaves_no_holes() -> None:
    world = World(loss=0.02, delay_s=0.02)
    a = world.join("a", 100, layers=1)
    b = world.join("b", 200, sends=False)
    world.every(0.07, lambda: a.send_padding(a.layers[0]))
    world.run(10)
    assert len(b.frames(101)) > 285
    assert sum(len(layer.plis) for layer in a.layers) < 5


def test_kept_packets_are_let_go_of_and_not_forwarded_again() -> None:
    world = World()
    a = world.join("a", 100, layers=1)
    b = world.join("b", 200, sends=False)
    world.run(4)
    (layer,) = world.router._endpoints["a"].video_tracks[0].layers
    assert 60 < sum(packet is not None for packet in layer.ring) < 100
    a.camera = False
    world.run(4)
    assert sum(packet is not None for packet in layer.ring) == 0
    frames = len(b.frames(101))
    for number in list(a.layers[0].sent)[-300:]:
        a.resend(a.layers[0], number)
    world.run(1)
    assert (len(b.frames(101)), b.received[101].duplicates) == (frames, 0)
    a.camera = True
    world.run(1)
    assert len(b.frames(101)) > frames + 25
    b.received[101].check_pictures()
