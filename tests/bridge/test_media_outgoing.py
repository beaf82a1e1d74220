"""What one receiver sees of a track: continuous numbers, whatever the sender's layers do."""

import itertools
import random

import pytest

from bridge.media import rtp, vp8
from bridge.media.incoming import AudioTrack, VideoLayer, VideoTrack
from bridge.media.outgoing import Position
from bridge.media.outgoing_audio import OutgoingAudio
from bridge.media.outgoing_video import SWITCH_TIMEOUT_S, OutgoingVideo
from bridge.media.rtcp import SenderReport
from bridge.media.rtx import ResendLimits
from bridge.media.sequence import extend, signed_distance
from tests.bridge.media_packets import HEIGHTS, descriptor, key_frame_header

FRESH = Position(1000, 0, 0, 0, -1.0, 77)


class Camera:
    """Makes the packets of a layer: frames of some packets, all counters near their wraps."""

    def __init__(
        self, layer: VideoLayer, *, sequence: int = 65500, timestamp: int = 0xFFFFFFFF - 90000
    ) -> None:
        self.layer = layer
        self.sequence = sequence
        self.timestamp = timestamp
        self.start = 0.0
        self.picture_id = 0x7FFF - 5
        self.tl0 = 250
        self.bits = 15

    def packets(self, now: float, *, key: bool = False, count: int = 3) -> list[rtp.Packet]:
        self.start = self.start or now
        timestamp = (self.timestamp + round((now - self.start) * 90000)) & 0xFFFFFFFF
        self.picture_id = (self.picture_id + 1) & 0x7FFF
        self.tl0 = (self.tl0 + 1) & 0xFF
        made = []
        for number in range(count):
            head = key_frame_header(HEIGHTS[self.layer.order]) if key and not number else b"\x11" + bytes(9)
            start = descriptor(self.picture_id, self.tl0, start=number == 0, bits=self.bits)
            payload = start + head + bytes(100)
            marker = 0x80 if number == count - 1 else 0
            made.append(
                rtp.Packet(100, marker, self.sequence & 0xFFFF, timestamp, self.layer.ssrc, {}, payload)
            )
            self.sequence += 1
        return made

    def frame(
        self, now: float, *, key: bool = False, count: int = 3, drop: tuple[int, ...] = ()
    ) -> list[rtp.Packet]:
        packets = self.packets(now, key=key, count=count)
        for number, packet in enumerate(packets):
            if number not in drop:
                self.layer.receive(packet, None, 200, now)
        return packets

    def padding(self, now: float) -> rtp.Packet:
        packet = rtp.Packet(100, 0, self.sequence & 0xFFFF, self.timestamp, self.layer.ssrc, {}, b"")
        self.sequence += 1
        return packet


class Stage:
    """A track of three layers and one receiver of it."""

    def __init__(self, start: Position = FRESH) -> None:
        self.track = VideoTrack("a", "a-v0", [(1, 11), (2, 12), (3, 13)])
        self.sent: list[rtp.Packet] = []
        self.outgoing = OutgoingVideo(
            self.track, "b", lambda _, data: self.sent.append(rtp.parse(data)), start
        )
        self.outgoing.negotiate(120, 121, 9)
        self.cameras = [
            Camera(layer, sequence=65500 - 7000 * layer.order, timestamp=12345 * (layer.order + 1))
            for layer in self.track.layers
        ]

    def primary(self) -> list[rtp.Packet]:
        return [packet for packet in self.sent if packet.payload_type == 120]

    def check_continuous(self) -> None:
        """No number twice or left out; timestamps, picture ids and TL0PICIDX never go back."""
        packets = self.primary()
        assert {packet.ssrc for packet in packets} <= {1}
        numbers = [packets[0].sequence_number]
        for packet in packets[1:]:
            numbers.append(extend(packet.sequence_number, numbers[-1]))
        assert sorted(numbers) == list(range(min(numbers), min(numbers) + len(numbers)))
        in_order = [
            packet for _, packet in sorted(zip(numbers, packets, strict=True), key=lambda pair: pair[0])
        ]
        filled = [packet for packet in in_order if packet.payload]
        for before, after in itertools.pairwise(filled):
            assert signed_distance(after.timestamp, before.timestamp, 32) >= 0
            first, second = vp8.parse_descriptor(before.payload), vp8.parse_descriptor(after.payload)
            new_frame = second.starts_frame
            assert signed_distance(second.picture_id, first.picture_id, 15) == (1 if new_frame else 0)
            assert signed_distance(second.tl0picidx, first.tl0picidx, 8) == (1 if new_frame else 0)
            assert new_frame == (after.timestamp != before.timestamp)


def test_nothing_is_forwarded_before_a_key_frame() -> None:
    stage = Stage()
    stage.outgoing.select(stage.track.layers[0], 10.0)
    stage.cameras[0].frame(10.0)
    assert stage.sent == []
    stage.cameras[0].frame(10.03, key=True)
    stage.cameras[0].frame(10.06)
    assert len(stage.sent) == 6
    stage.check_continuous()


def test_layers_are_switched_at_key_frames_without_a_seam() -> None:
    stage = Stage()
    now = 10.0
    stage.outgoing.select(stage.track.layers[0], now)
    for step in range(600):
        now += 1 / 30
        if step % 50 == 49:
            stage.outgoing.select(stage.track.layers[(step // 50) % 3], now)
        for camera in stage.cameras:
            camera.frame(now, key=camera.layer.key_frames.take(now) or step == 0)
    assert stage.outgoing.switches >= 10
    stage.check_continuous()
    assert 1800 <= len(stage.primary()) <= 1800 + 3 * stage.outgoing.switches


def test_timestamps_follow_the_clock_over_a_switch_and_a_pause() -> None:
    stage = Stage()
    low, high = stage.cameras[0], stage.cameras[2]
    for camera in (low, high):
        camera.start = 10.0
        report = SenderReport(camera.layer.ssrc, 5000 << 32, camera.timestamp, 1, 1)
        camera.layer.reception.sender_report(report, 10.05)
    stage.outgoing.select(low.layer, 10.0)
    low.frame(10.0, key=True)
    low.frame(11.0)
    stage.outgoing.select(high.layer, 11.0)
    packets = high.packets(11.5, key=True)
    for packet in packets:
        high.layer.receive(packet, None, 200, 11.58)  # it took 80 ms longer: that is not time passed
    stage.outgoing.stop()
    stage.outgoing.select(low.layer, 20.0)
    low.frame(21.5, key=True)
    first = stage.sent[0].timestamp
    passed = [(packet.timestamp - first) & 0xFFFFFFFF for packet in stage.sent[::3]]
    assert passed == [0, 90000, 135000, 11.5 * 90000]


def test_without_reports_timestamps_follow_the_time_that_passed() -> None:
    stage = Stage()
    stage.outgoing.select(stage.track.layers[0], 10.0)
    stage.cameras[0].frame(10.0, key=True)
    stage.outgoing.select(stage.track.layers[1], 10.0)
    stage.cameras[1].frame(10.5, key=True)
    assert (stage.sent[3].timestamp - stage.sent[0].timestamp) & 0xFFFFFFFF == 45000


def test_a_layer_that_gives_no_key_frame_is_given_up() -> None:
    stage = Stage()
    low, high = stage.track.layers[0], stage.track.layers[2]
    stage.outgoing.select(low, 10.0)
    stage.cameras[0].frame(10.0, key=True)
    stage.outgoing.select(high, 10.0)
    high.last_packet_at = 10.0
    assert high.key_frames.take(10.0)
    now = 10.0
    while now < 10 + SWITCH_TIMEOUT_S + 0.5:
        now += 0.25
        high.last_packet_at = now
        stage.outgoing.waiting(now)
    assert high.key_frames.requested
    assert stage.outgoing.target is low
    assert high.receivers == []
    assert not stage.outgoing.usable(high, now)
    assert stage.outgoing.usable(low, 10.0)
    high.last_packet_at = now + 20
    assert stage.outgoing.usable(high, now + 20)


def test_padding_leaves_no_gap() -> None:
    stage = Stage()
    camera = stage.cameras[0]
    stage.outgoing.select(camera.layer, 10.0)
    camera.frame(10.0, key=True)
    for step in range(1, 40):
        camera.layer.receive(camera.padding(10.0), None, 200, 10 + step / 30)
        camera.frame(10 + step / 30)
    assert len(stage.sent) == 120
    stage.check_continuous()


def test_padding_that_was_overtaken_fills_its_place() -> None:
    stage = Stage()
    camera = stage.cameras[0]
    stage.outgoing.select(camera.layer, 10.0)
    camera.frame(10.0, key=True)
    late = camera.padding(10.0)
    camera.frame(10.03)
    camera.layer.receive(late, None, 200, 10.031)
    assert stage.sent[-1].payload == b""
    stage.check_continuous()


def test_packets_that_come_late_find_their_old_place() -> None:
    stage = Stage()
    camera = stage.cameras[0]
    stage.outgoing.select(camera.layer, 10.0)
    camera.frame(10.0, key=True)
    first = camera.frame(10.03, drop=(1,))
    camera.layer.receive(camera.padding(10.0), None, 200, 10.04)
    camera.frame(10.06)
    camera.layer.receive_recovered(first[1], None, 10.07)
    camera.layer.receive_recovered(first[1], None, 10.08)
    assert len(stage.sent) == 9
    stage.check_continuous()


def test_the_start_of_a_key_frame_may_be_repaired() -> None:
    stage = Stage()
    camera = stage.cameras[0]
    stage.outgoing.select(camera.layer, 10.0)
    lost = camera.frame(10.0, key=True, drop=(0,))
    camera.frame(10.03)
    camera.layer.receive_recovered(lost[0], None, 10.05)
    camera.frame(10.06)
    assert len(stage.sent) == 9
    stage.check_continuous()


def test_a_new_numbering_of_the_sender_continues_at_a_key_frame() -> None:
    stage = Stage()
    camera = stage.cameras[0]
    stage.outgoing.select(camera.layer, 10.0)
    camera.frame(10.0, key=True)
    for jump in (20000, -20000):
        camera.sequence += jump
        camera.layer.key_frames.requested = False
        camera.frame(10.5)
        assert camera.layer.key_frames.requested
        camera.frame(10.6, key=True)
        camera.frame(10.7)
    assert len(stage.sent) == 15
    stage.check_continuous()


def test_a_stream_that_ended_goes_on_with_its_numbers() -> None:
    stage = Stage()
    camera = stage.cameras[0]
    stage.outgoing.select(camera.layer, 10.0)
    camera.frame(10.0, key=True)
    again = Stage(stage.outgoing.close())
    assert camera.layer.receivers == []
    again.outgoing.select(again.track.layers[1], 11.0)
    again.cameras[1].frame(12.0, key=True)
    stage.sent += again.sent
    stage.check_continuous()
    assert (stage.sent[3].timestamp - stage.sent[0].timestamp) & 0xFFFFFFFF == 180000


def test_nacks_are_answered_by_rtx_even_across_a_switch() -> None:
    stage = Stage()
    stage.outgoing.select(stage.track.layers[0], 10.0)
    stage.cameras[0].frame(10.0, key=True)
    stage.cameras[0].layer.receive(stage.cameras[0].padding(10.0), None, 200, 10.01)
    stage.cameras[0].frame(10.03)
    stage.outgoing.select(stage.track.layers[2], 10.04)
    stage.cameras[2].frame(10.06, key=True)
    originals = list(stage.sent)
    limits = ResendLimits()
    for packet in originals:
        assert stage.outgoing.resend(packet.sequence_number, limits, 10.1, 0.05)
        repaired = stage.sent[-1]
        assert (repaired.ssrc, repaired.payload_type) == (11, 121)
        assert int.from_bytes(repaired.payload[:2], "big") == packet.sequence_number
        assert repaired.payload[2:] == packet.payload
        assert (repaired.timestamp, repaired.marker) == (packet.timestamp, packet.marker)
    own = [packet.sequence_number for packet in stage.sent[len(originals) :]]
    assert own == list(range(78, 78 + len(originals)))
    assert not stage.outgoing.resend(originals[0].sequence_number - 1, limits, 10.1, 0.05)
    assert not stage.outgoing.resend(originals[-1].sequence_number + 1, limits, 10.1, 0.05)


def test_without_rtx_there_is_no_answer() -> None:
    stage = Stage()
    stage.outgoing.negotiate(120, -1, -1)
    stage.outgoing.select(stage.track.layers[0], 10.0)
    stage.cameras[0].frame(10.0, key=True)
    assert not stage.outgoing.resend(stage.sent[0].sequence_number, ResendLimits(), 10.1, 0.05)


@pytest.mark.parametrize(("own_id", "expected"), [(9, {9: b"\x01"}), (-1, {}), (20, {20: b"\x01"})])
def test_orientation_gets_the_receivers_id(own_id: int, expected: dict[int, bytes]) -> None:
    stage = Stage()
    stage.outgoing.negotiate(120, 121, own_id)
    camera = stage.cameras[0]
    stage.outgoing.select(camera.layer, 10.0)
    for packet in camera.packets(10.0, key=True):
        camera.layer.receive(packet, b"\x01", 200, 10.0)
    assert [packet.extensions for packet in stage.sent] == [expected] * 3
    assert stage.outgoing.resend(stage.sent[0].sequence_number, ResendLimits(), 10.1, 0.05)
    assert stage.sent[-1].extensions == expected
    assert stage.sent[-1].payload[2:] == stage.sent[0].payload


@pytest.mark.parametrize("bits", [0, 7])
def test_other_descriptors_keep_their_form(bits: int) -> None:
    stage = Stage()
    for camera in stage.cameras:
        camera.bits = bits
    now = 10.0
    for step in range(60):
        now += 1 / 30
        stage.outgoing.select(stage.track.layers[step // 10 % 3], now)
        for camera in stage.cameras:
            camera.frame(now, key=step % 10 == 5)
    found = [vp8.parse_descriptor(packet.payload) for packet in stage.sent]
    assert {one.picture_id_bits for one in found} == {bits}
    numbers = [packet.sequence_number for packet in stage.sent]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    frames = [one for one in found if one.starts_frame]
    if bits:
        assert [one.picture_id for one in frames] == [(n + 1) % 128 for n in range(len(frames))]
        assert [one.tl0picidx for one in frames] == [(n + 1) % 256 for n in range(len(frames))]
    assert stage.outgoing.resend(numbers[-1], ResendLimits(), now, 0.05)
    assert stage.sent[-1].payload[2:] == stage.sent[-2].payload


@pytest.mark.parametrize("seed", range(60))
def test_any_mixture_of_loss_reordering_padding_and_switches_keeps_numbers_unique(seed: int) -> None:
    chance = random.Random(seed)
    stage = Stage()
    now = 10.0
    stage.outgoing.select(stage.track.layers[0], now)
    delayed: list[tuple[VideoLayer, rtp.Packet]] = []
    for step in range(120):
        now += 1 / 30
        if chance.random() < 0.1:
            stage.outgoing.select(chance.choice([*stage.track.layers, None]), now)
        for camera in stage.cameras:
            packets = camera.packets(now, key=step == 0 or chance.random() < 0.1)
            if chance.random() < 0.2:
                packets.append(camera.padding(now))
            for packet in packets:
                if chance.random() < 0.15:
                    delayed.append((camera.layer, packet))
                else:
                    camera.layer.receive(packet, None, 200, now)
        chance.shuffle(delayed)
        while delayed and chance.random() < 0.7:
            layer, packet = delayed.pop()
            layer.receive_recovered(packet, None, now)
    numbers: list[int] = []
    for packet in stage.primary():
        numbers.append(extend(packet.sequence_number, numbers[-1] if numbers else 1000))
    assert len(numbers) == len(set(numbers))
    lists = [layer.receivers for layer in stage.track.layers]
    for layer, receivers in zip(stage.track.layers, lists, strict=True):
        concerned = layer in (stage.outgoing.current, stage.outgoing.target)
        assert receivers == ([stage.outgoing] if concerned else [])


class Microphone:
    """An audio track with one receiver."""

    def __init__(self) -> None:
        self.track = AudioTrack("a", "a-a0", 5)
        self.sent: list[rtp.Packet] = []
        self.outgoing = OutgoingAudio(
            self.track, "b", lambda _, data: self.sent.append(rtp.parse(data)), FRESH
        )
        self.outgoing.negotiate({111: 96}, 1, 3)
        self.track.receivers.append(self.outgoing)

    def packet(self, number: int, *, payload: bytes = b"opus", payload_type: int = 111) -> None:
        received = rtp.Packet(
            payload_type, 0, number & 0xFFFF, number * 960 & 0xFFFFFFFF, 5, {1: b"\x1e", 10: b"0"}, payload
        )
        index = self.track.receive(received, 50, 10 + number * 0.02)
        self.outgoing.receive(received, index)


def test_audio_gets_payload_type_and_level_id_of_the_receiver() -> None:
    microphone = Microphone()
    for number in range(65530, 65545):
        microphone.packet(number)
    assert {packet.payload_type for packet in microphone.sent} == {96}
    assert {tuple(packet.extensions.items()) for packet in microphone.sent} == {((3, b"\x1e"),)}
    numbers = [packet.sequence_number for packet in microphone.sent]
    assert numbers == list(range(1001, 1016))
    microphone.outgoing.negotiate({111: 96}, 1, 20)
    microphone.packet(65545)
    assert microphone.sent[-1].extensions == {20: b"\x1e"}
    microphone.outgoing.negotiate({111: 96}, 1, -1)
    microphone.packet(65546)
    assert microphone.sent[-1].extensions == {}


def test_audio_that_is_left_out_leaves_no_gap() -> None:
    microphone = Microphone()
    for number in range(5):
        microphone.packet(number)
    microphone.packet(5, payload_type=126)
    microphone.packet(6, payload=b"")
    for number in (7, 9, 8):
        microphone.packet(number)
    microphone.outgoing.interrupt()
    microphone.packet(200)
    microphone.packet(199)  # from before the interruption: its number is taken
    microphone.packet(30000)  # the sender began anew
    assert [packet.sequence_number for packet in microphone.sent] == [
        *range(1001, 1007),
        1008,
        1007,
        1009,
        1010,
    ]
    assert microphone.outgoing.close().sequence == 1010
