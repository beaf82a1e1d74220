"""Clients that know one audio and one video SSRC for the whole call."""

import itertools
from typing import Any

import pytest

from bridge.media import rtcp, rtp
from bridge.media.sequence import extend, signed_distance
from jingle.colibri2 import Media
from tests.bridge.media_browser import Browser, ReceivedStream
from tests.bridge.media_packets import media, sources
from tests.bridge.media_world import World

SINGLE = ("source-names", "single-stream")


def single(world: World, name: str, base: int, *more: str, **options: Any) -> Browser:
    """A client without a bridge channel that is sent one stream of each media."""
    return world.join(name, base, channel=False, capabilities=(*SINGLE, *more), **options)


def audio(browser: Browser) -> ReceivedStream:
    return browser.received.get(browser.down[0].sources[0].ssrc, ReceivedStream())


def video(browser: Browser) -> ReceivedStream:
    return browser.received.get(browser.down[1].sources[0].ssrc, ReceivedStream())


def senders_heard(browser: Browser, last: int) -> set[str]:
    """Whose payload the last packets carry."""
    stream = audio(browser)
    return {stream.packets[index].payload.rstrip(b".").decode() for index in stream.arrived[-last:]}


def check_numbers(stream: ReceivedStream) -> None:
    assert stream.arrived == list(range(stream.arrived[0], stream.arrived[0] + len(stream.arrived)))


def check_timestamps(stream: ReceivedStream) -> None:
    before = -1
    for index in stream.arrived:
        now = stream.packets[index].timestamp
        assert before < 0 or 0 < signed_distance(now, before, 32) < 3 * 48000
        before = now


def test_the_bridge_tells_which_ssrcs_it_sends() -> None:
    world = World()
    plain = single(world, "p", 900, sends=False)
    assert [source.id for source in plain.down] == ["p-audio-down", "p-video-down"]
    ssrcs = [one.ssrc for source in plain.down for one in source.sources]
    assert len(set(ssrcs)) == 3
    assert plain.down[1].groups[0].semantics == "FID"
    assert plain.down[1].groups[0].ssrcs == tuple(ssrcs[1:])
    assert world.join("a", 100).down == ()


def test_only_the_two_streams_come_and_they_never_change() -> None:
    world = World()
    browsers = [
        world.join(name, base, speaks=False, layers=1) for name, base in (("a", 100), ("b", 200), ("c", 300))
    ]
    plain = single(world, "p", 900, speaks=False, layers=1)
    for speaking in (0, 1, 2):
        for browser in browsers:
            browser.level = 127
        browsers[speaking].level = 25
        world.run(3.5)
        assert senders_heard(plain, 50) == {browsers[speaking].name}
    expected = {source.sources[0].ssrc for source in plain.down}
    assert {rtp.parse(data).ssrc for data in plain.raw} == expected
    check_numbers(audio(plain))
    check_timestamps(audio(plain))
    check_numbers(video(plain))
    video(plain).check_pictures()
    assert len(video(plain).frames) > 10 * 25
    for browser in browsers:
        assert len(browser.frames(901)) > 250
        assert len(browser.received[900].arrived) > 450


def test_the_video_follows_the_speaker_within_two_seconds_and_never_shows_oneself() -> None:
    world = World()
    a = world.join("a", 100, speaks=False, layers=1)
    b = world.join("b", 200, speaks=False, layers=2)
    plain = single(world, "p", 900, speaks=False)
    a.level = 25
    world.run(4)
    orders = {frame.order for frame in video(plain).frames[-30:]}
    assert orders == {0}
    a.level, b.level = 127, 25
    world.run(2)
    assert video(plain).frames[-1].order == 1
    plain.level, b.level = 25, 127
    world.run(4)
    assert world.router.stats(world.now)["dominant_speaker"] == "p"
    assert video(plain).frames[-1].order == 1
    gaps = [after.at - before.at for before, after in itertools.pairwise(video(plain).frames[5:])]
    assert max(gaps) < 0.2


def test_an_interjection_changes_nothing() -> None:
    world = World()
    a = world.join("a", 100, layers=1)
    b = world.join("b", 200, layers=2, speaks=False)
    plain = single(world, "p", 900, sends=False)
    world.run(5)
    seen = len(video(plain).frames)
    a.level, b.level = 127, 25
    world.run(0.4)
    a.level, b.level = 25, 127
    world.run(5)
    assert {frame.order for frame in video(plain).frames[seen:]} == {0}


def test_a_screen_comes_before_the_speaker() -> None:
    world = World()
    world.join("a", 100, layers=2)
    world.join("b", 200, layers=3, speaks=False)
    plain = single(world, "p", 900, sends=False)
    world.run(4)
    assert video(plain).frames[-1].order == 1
    message = {"colibriClass": "VideoTypeMessage", "videoType": "desktop"}
    world.router.receive_message("b", message, world.now)
    world.run(3)
    assert video(plain).frames[-1].order == 2
    message["videoType"] = "camera"
    world.router.receive_message("b", message, world.now)
    world.run(3)
    assert video(plain).frames[-1].order == 1
    video(plain).check_pictures()


def test_a_camera_that_is_off_is_passed_over_and_found_again() -> None:
    world = World()
    a = world.join("a", 100, layers=2)
    world.join("b", 200, layers=1, speaks=False)
    plain = single(world, "p", 900, sends=False)
    a.camera = False
    world.run(6)
    assert video(plain).frames[-1].at > world.now - 0.2
    assert video(plain).frames[-1].order == 0
    a.camera = True
    world.run(14)
    assert video(plain).frames[-1].order == 1


def test_who_is_shown_may_leave_or_be_muted_by_force() -> None:
    world = World()
    world.join("a", 100, layers=2)
    world.join("b", 200, layers=1, speaks=False)
    plain = single(world, "p", 900, sends=False)
    world.run(3)
    world.router.set_force_mute("a", audio=True, video=True)
    world.run(2)
    assert video(plain).frames[-1].order == 0
    assert senders_heard(plain, 20) == {"b"}
    world.router.set_force_mute("a", audio=False, video=False)
    world.run(3)
    assert video(plain).frames[-1].order == 1
    world.router.remove_endpoint("a", world.now)
    world.run(1)
    assert video(plain).frames[-1].order == 0
    world.router.remove_endpoint("b", world.now)
    world.router.remove_endpoint("p", world.now)
    check_numbers(audio(plain))
    check_timestamps(audio(plain))
    video(plain).check_pictures()


@pytest.mark.parametrize("feedback", ["pli", "fir"])
def test_a_key_frame_comes_soon_after_it_was_asked_for(feedback: str) -> None:
    world = World()
    world.join("a", 100)
    plain = single(world, "p", 900, sends=False)
    world.run(5)
    ssrc = plain.down[1].sources[0].ssrc
    keys = sum(frame.key for frame in video(plain).frames)
    request = rtcp.pli(1, ssrc) if feedback == "pli" else rtcp.fir(1, ssrc, 1)
    world.router.receive_rtcp("p", request, world.now)
    world.run(0.2)
    assert sum(frame.key for frame in video(plain).frames) == keys + 1


def test_payload_types_are_the_clients_own() -> None:
    world = World()
    world.join("a", 100)
    negotiated = media(opus=96, vp8_type=98, rtx=None, level_id=7)
    plain = single(world, "p", 900, sends=False, negotiated=negotiated)
    world.run(2)
    packets = [rtp.parse(data) for data in plain.raw]
    assert {packet.payload_type for packet in packets} == {96, 98}
    assert {packet.extensions.get(7) for packet in packets if packet.payload_type == 96} == {b"\x9e"}


def test_losses_are_repaired_where_rtx_was_negotiated() -> None:
    world = World(loss=0.03)
    world.join("a", 100)
    plain = single(world, "p", 900, sends=False)
    ssrc, rtx = (one.ssrc for one in plain.down[1].sources)
    repaired: list[int] = []
    received = plain.receive_rtp

    def receive(data: bytes) -> None:
        packet = rtp.parse(data)
        if packet.ssrc == rtx:
            repaired.append(int.from_bytes(packet.payload[:2], "big"))
        else:
            received(data)

    plain.receive_rtp = receive  # type: ignore[method-assign]
    world.run(5)
    stream = plain.received[ssrc]
    lost = set(range(stream.first, stream.highest)) - set(stream.packets)
    assert len({extend(number, stream.highest) for number in repaired} & lost) > len(lost) * 0.8


def test_all_reports_come_from_the_ssrc_of_the_media() -> None:
    world = World()
    world.join("a", 100)
    plain = single(world, "p", 900)
    world.run(3)
    known = {source.sources[0].ssrc for source in plain.down}
    assert {
        packet.ssrc for _, packet in plain.rtcp if not isinstance(packet, rtcp.SourceDescription | rtcp.Bye)
    } <= known
    reports = [packet for _, packet in plain.rtcp if isinstance(packet, rtcp.SenderReport)]
    assert {report.ssrc for report in reports} == known


def test_echo_gives_ones_own_media_back() -> None:
    world = World()
    alone = single(world, "p", 900, "echo")
    world.run(5)
    assert len(audio(alone).arrived) > 240
    assert senders_heard(alone, 200) == {"p"}
    assert video(alone).frames[-1].order == 2
    assert len(video(alone).frames) > 140
    video(alone).check_pictures()
    other = world.join("q", 800)
    world.run(1)
    assert senders_heard(alone, 20) == {"p"}
    assert len(other.frames(901)) > 20


def test_a_second_transport_for_video_shows_the_speaker_of_the_first() -> None:
    world = World()
    a = world.join("a", 100, layers=2, speaks=False)
    b = world.join("b", 200, layers=1, speaks=False)
    voices, pictures = media(rtx=None)
    one = world.join("p", 900, capabilities=SINGLE, negotiated=(voices,), channel=False, sends=False)
    two = world.join("p-video", 950, capabilities=SINGLE, negotiated=(pictures,), channel=False, layers=3)
    world.router.set_sources("p-video", sources("p", 950)[1:], world.now)
    other = single(world, "q", 700, sends=False)
    a.level, b.level = 127, 127
    world.router.set_sources("p", sources("p", 900)[:1], world.now)
    one.level = 25
    world.every(0.020, one.send_audio)
    world.run(5)
    assert world.router.stats(world.now)["dominant_speaker"] == "p"
    assert video(other).frames[-1].order == 2
    assert video(two).frames[-1].order < 2
    assert not one.received.get(one.down[1].sources[0].ssrc)
    assert senders_heard(one, 20) <= {"a", "b"}
    assert senders_heard(other, 20) == {"p"}


def test_statistics_tell_who_is_seen_and_heard() -> None:
    world = World()
    world.join("a", 100)
    plain = single(world, "p", 900, sends=False)
    world.run(3)
    receives = world.router.stats(world.now)["endpoints"]["p"]["receives"]
    told = {stream["source"]: stream.get("shows") or stream["hears"] for stream in receives}
    assert told == {source.id: shown for source, shown in zip(plain.down, (["a-a0"], "a-v0"), strict=True)}


def test_who_wants_no_picture_gets_none_until_it_wants_one_again() -> None:
    world = World()
    world.join("a", 100, layers=1)
    plain = single(world, "p", 900, layers=1)
    world.run(2)
    for last_n, grows in ((0, False), (-1, True)):
        message = {"colibriClass": "LastNChangedEvent", "lastN": last_n}
        world.router.receive_message("p", message, world.now)
        world.run(0.5)
        seen, heard = len(video(plain).frames), len(audio(plain).arrived)
        world.run(2)
        assert (len(video(plain).frames) > seen + 20) is grows
        assert len(audio(plain).arrived) > heard + 50
    check_numbers(video(plain))
    video(plain).check_pictures()


def test_who_is_on_hold_is_neither_heard_nor_sent_anything() -> None:
    world = World()
    other = world.join("a", 100, layers=1)
    plain = single(world, "p", 900, layers=1)
    world.run(2)
    for held in (True, False):
        negotiated = (Media("audio"), Media("video")) if held else media()
        world.router.set_media("p", negotiated)
        world.run(0.5)
        seen, heard, said = (
            len(video(plain).frames),
            len(audio(plain).arrived),
            len(other.received[900].arrived),
        )
        world.run(2)
        assert (len(video(plain).frames) > seen + 20) is not held
        assert (len(audio(plain).arrived) > heard + 50) is not held
        assert (len(other.received[900].arrived) > said + 50) is not held
    check_numbers(audio(plain))
    video(plain).check_pictures()
