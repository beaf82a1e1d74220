"""One audio stream for those who can take no more: forwarded while one speaks, mixed while several do."""

from array import array
from dataclasses import replace

from bridge.media import rtcp, rtp
from bridge.media.codec import FRAME_SAMPLES, CodecError, Samples
from bridge.media.incoming import AudioTrack
from bridge.media.mixer import MAX_FRAMES, MAX_VOICES, Mixer, Voice
from tests.bridge.media_browser import Browser
from tests.bridge.media_packets import media
from tests.bridge.media_world import World
from tests.bridge.test_media_single_stream import audio, check_numbers, check_timestamps, single

NAMES = "abcdefghij"


class FakeCodec:
    """Decodes the name of a browser to a power of two: a mix is told by the sum of those who are in it."""

    made = 0

    def decoder(self) -> "FakeCodec":
        FakeCodec.made += 1
        return self

    def encoder(self) -> "FakeCodec":
        return self

    def decode(self, payload: bytes) -> Samples:
        name = payload[:1].decode()
        if name not in NAMES:
            raise CodecError(name)
        return array("f", [float(1 << NAMES.index(name))] * FRAME_SAMPLES)

    def conceal(self) -> Samples:
        return array("f", [0.0] * FRAME_SAMPLES)

    def encode(self, samples: Samples) -> bytes:
        assert len(samples) == FRAME_SAMPLES
        return b"=%d" % samples[0]


def heard(browser: Browser, last: int) -> set[str]:
    """Who is in the last packets."""
    stream = audio(browser)
    names: set[str] = set()
    for index in stream.arrived[-last:]:
        payload = stream.packets[index].payload
        if payload.startswith(b"="):
            names.add("".join(name for place, name in enumerate(NAMES) if int(payload[1:]) >> place & 1))
        else:
            names.add(payload[:1].decode())
    return names


def voices(world: World, count: int) -> list[Browser]:
    """Browsers a, b … without cameras, silent."""
    browsers = []
    for place in range(count):
        browser = world.join(NAMES[place], 100 * (place + 1), layers=1, speaks=False, height=0)
        browser.camera = False
        browsers.append(browser)
    return browsers


def test_one_voice_is_forwarded_two_are_mixed_and_one_is_forwarded_again() -> None:
    world = World(codec=FakeCodec())
    a, b = voices(world, 2)
    plain = single(world, "p", 900, sends=False)
    a.level = 25
    world.run(2)
    assert heard(plain, 40) == {"a"}
    b.level = 25
    world.run(0.3)
    assert heard(plain, 3) == {"ab"}
    world.run(2)
    assert heard(plain, 90) == {"ab"}
    a.level = 127
    world.run(3)
    assert heard(plain, 40) == {"b"}
    stream = audio(plain)
    check_numbers(stream)
    check_timestamps(stream)
    assert {rtp.parse(data).ssrc for data in plain.raw} == {plain.down[0].sources[0].ssrc}
    marked = [index for index in stream.arrived if stream.packets[index].marker]
    assert len(marked) <= 5
    span = stream.packets[stream.arrived[-1]].timestamp - stream.packets[stream.arrived[0]].timestamp
    assert abs((span & 0xFFFFFFFF) / 48000 - 7.3) < 0.4
    assert len(stream.arrived) > 7 * 48
    reports = [packet for _, packet in plain.rtcp if isinstance(packet, rtcp.SenderReport)]
    assert len(reports) >= 6
    offsets = [report.rtp_timestamp - report.ntp * 48000 / (1 << 32) for report in reports[1:]]
    assert max(abs(offset - offsets[0]) for offset in offsets) < 48000 * 0.2


def test_everybody_hears_all_but_himself() -> None:
    world = World(codec=FakeCodec())
    a, b = voices(world, 2)
    speaker = single(world, "c", 300, layers=1)
    speaker.camera = False
    listener = single(world, "d", 400, sends=False)
    a.level = b.level = 25
    world.run(3)
    assert heard(speaker, 50) == {"ab"}
    assert heard(listener, 50) == {"abc"}
    b.level = 127
    world.run(3)
    assert heard(speaker, 50) == {"a"}
    assert heard(listener, 50) == {"ac"}


def test_the_three_loudest_are_enough() -> None:
    FakeCodec.made = 0
    world = World(codec=FakeCodec())
    browsers = voices(world, 6)
    plain = single(world, "p", 900, sends=False)
    for place, browser in enumerate(browsers):
        browser.level = 50 - 5 * place
    world.run(1)
    browsers[0].level = 5
    world.run(3)
    mixes = heard(plain, 50)
    assert len(mixes) == 1
    assert len(mixes.pop()) == MAX_VOICES
    assert FakeCodec.made <= 2 * MAX_VOICES


def test_silence_sends_nothing() -> None:
    world = World(codec=FakeCodec())
    a, b = voices(world, 2)
    plain = single(world, "p", 900, sends=False)
    a.level = b.level = 25
    world.run(2)
    a.microphone = b.microphone = False
    world.run(0.2)
    before = len(audio(plain).arrived)
    world.run(2)
    assert len(audio(plain).arrived) == before
    a.microphone = True
    world.run(0.5)
    assert len(audio(plain).arrived) > before + 15
    check_numbers(audio(plain))
    check_timestamps(audio(plain))


def test_without_opus_or_a_codec_the_one_who_speaks_is_forwarded() -> None:
    world = World()
    a, b = voices(world, 2)
    plain = single(world, "p", 900, sends=False)
    a.level = b.level = 25
    world.run(2)
    assert heard(plain, 50) in ({"a"}, {"b"})


def test_who_is_muted_by_force_leaves_the_mix() -> None:
    world = World(codec=FakeCodec())
    a, b, c = voices(world, 3)
    plain = single(world, "p", 900, sends=False)
    a.level = b.level = c.level = 25
    world.run(2)
    assert heard(plain, 20) == {"abc"}
    world.router.set_force_mute("b", audio=True, video=None)
    world.run(1)
    assert heard(plain, 20) == {"ac"}
    world.router.remove_endpoint("a", world.now)
    world.run(1)
    assert heard(plain, 20) == {"c"}
    world.router.remove_endpoint("p", world.now)
    world.run(0.1)


def test_a_level_that_is_not_told_is_measured_and_passed_on() -> None:
    class Loud(FakeCodec):
        def decode(self, payload: bytes) -> Samples:
            return array("f", [0.1 if payload[:1] == b"a" else 0.0] * FRAME_SAMPLES)

    world = World(codec=Loud())
    voices, pictures = media()
    for name, base in (("a", 100), ("b", 200)):
        negotiated = (replace(voices, header_extensions=()), pictures)
        world.join(name, base, layers=1, negotiated=negotiated).level = 127
    c = world.join("c", 300, sends=False)
    world.run(3)
    assert world.router.stats(world.now)["dominant_speaker"] == "a"
    assert {packet.extensions.get(1) for packet in c.received[100].packets.values()} == {bytes((20,))}


def test_packets_that_come_late_or_never_do_not_stop_a_voice() -> None:
    voice = Voice(FakeCodec())
    assert voice.take() is None
    voice.receive(b"a", 10)
    assert voice.take() is None
    voice.receive(b"a", 12)
    voice.receive(b"a", 11)
    frames = [voice.take() for _ in range(4)]
    assert [frame and frame[0] for frame in frames] == [1.0, 0.0, 1.0, None]
    for index in range(13, 60):
        voice.receive(b"a", index)
    taken = 0
    while voice.take() is not None:
        taken += 1
    assert taken <= MAX_FRAMES


def test_frames_that_are_far_too_late_are_left_out() -> None:
    mixer = Mixer(FakeCodec())
    track, other = AudioTrack("a", "a-a0", 1), AudioTrack("b", "b-a0", 2)
    mixes = {frozenset((track, other))}
    mixer.want(mixes, 0.0)
    assert not mixer.receive(track, b"?", 1)
    assert mixer.receive(AudioTrack("c", "c-a0", 3), b"?", 1)
    assert [slot for slot, _ in mixer.frames(0.1)] == [1, 2, 3, 4, 5]
    slots = [slot for slot, _ in mixer.frames(10.0)]
    assert len(slots) <= 2
    assert abs(slots[-1] - 500) <= 1
    mixer.want((), 11.0)
    assert list(mixer.frames(20.0)) == []
