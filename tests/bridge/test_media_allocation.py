"""Constraints, last-N, speaker order and bandwidth to layers."""

import pytest

from bridge.media.allocation import Constraints, LossLimit, allocate, layers_within, rate_bps, wanted_heights
from bridge.media.incoming import VideoTrack

RATES = (150_000, 500_000, 1_500_000)


def camera(owner: str, *, heights: tuple[int, ...] = (180, 360, 720), name: str = "") -> VideoTrack:
    track = VideoTrack(owner, name or f"{owner}-v0", [(index + 1, None) for index in range(len(heights))])
    for layer, height, rate in zip(track.layers, heights, RATES, strict=False):
        layer.height = height
        layer.reception.rate_bps = rate
    return track


TRACKS = [camera(owner) for owner in "abcd"]


@pytest.mark.parametrize(
    ("constraints", "speakers", "expected"),
    [
        (Constraints(default_height=360), "abcd", {"a": 360, "b": 360, "c": 360, "d": 360}),
        (Constraints(default_height=360), "dcba", {"d": 360, "c": 360, "b": 360, "a": 360}),
        (Constraints(default_height=0), "abcd", {}),
        (Constraints(default_height=0, heights={"c-v0": 720}), "abcd", {"c": 720}),
        (Constraints(default_height=180, heights={"c-v0": 0}), "abcd", {"a": 180, "b": 180, "d": 180}),
        (
            Constraints(default_height=180, heights={"c": 720}),
            "abcd",
            {"a": 180, "b": 180, "c": 720, "d": 180},
        ),
        (Constraints(default_height=180, last_n=2), "cdab", {"c": 180, "d": 180}),
        (Constraints(default_height=180, last_n=0), "cdab", {}),
        (Constraints(default_height=180, last_n=2, selected=("a-v0",)), "cdab", {"a": 180, "c": 180}),
        (
            Constraints(default_height=180, last_n=3, selected=("a-v0", "b-v0"), on_stage=("b-v0",)),
            "cdab",
            {"b": 180, "a": 180, "c": 180},
        ),
        (Constraints(default_height=0, last_n=1, heights={"d-v0": 720}), "abcd", {"d": 720}),
        (Constraints(default_height=180, last_n=1, selected=("nobody-v0",)), "badc", {"b": 180}),
        (Constraints(default_height=180, last_n=2), "", {"a": 180, "b": 180}),
    ],
)
def test_what_a_receiver_wants(constraints: Constraints, speakers: str, expected: dict[str, int]) -> None:
    wanted = wanted_heights(TRACKS, constraints, list(speakers))
    assert [(track.owner, height) for track, height in wanted.items()] == list(expected.items())


def test_a_camera_that_is_off_takes_no_place() -> None:
    tracks = [camera(owner) for owner in "abc"]
    tracks[0].video_type = "none"
    wanted = wanted_heights(tracks, Constraints(last_n=2), ["a", "b", "c"])
    assert [track.owner for track in wanted] == ["b", "c"]


@pytest.mark.parametrize(
    ("height", "usable", "expected"),
    [
        (720, (0, 1, 2), [0, 1, 2]),
        (719, (0, 1, 2), [0, 1]),
        (360, (0, 1, 2), [0, 1]),
        (180, (0, 1, 2), [0]),
        (90, (0, 1, 2), [0]),
        (4000, (0, 1, 2), [0, 1, 2]),
        (720, (0, 1), [0, 1]),
        (180, (1, 2), [1]),
        (720, (), [0]),
        (360, (2,), [2]),
    ],
)
def test_a_height_to_layers(height: int, usable: tuple[int, ...], expected: list[int]) -> None:
    track = camera("a")
    layers = layers_within(track, height, [track.layers[order] for order in usable])
    assert [layer.order for layer in layers] == expected


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ((0, 0, 0), [180, 360, 720]),
        ((90, 0, 0), [90, 180, 360]),
        ((0, 0, 1080), [270, 540, 1080]),
        ((0, 360, 0), [180, 360, 720]),
        ((180, 0, 720), [180, 360, 720]),
    ],
)
def test_heights_not_seen_yet_are_guessed(known: tuple[int, ...], expected: list[int]) -> None:
    track = camera("a", heights=known)
    assert [track.height(layer) for layer in track.layers] == expected


@pytest.mark.parametrize(
    ("limit_bps", "expected"),
    [
        (None, {"a": 2, "b": 2, "c": 2}),
        (10_000_000, {"a": 2, "b": 2, "c": 2}),
        (2_000_000, {"a": 2, "b": 0, "c": 0}),
        (2_400_000, {"a": 2, "b": 1, "c": 0}),
        (900_000, {"a": 1, "b": 0, "c": 0}),
        (1_200_000, {"a": 1, "b": 1, "c": 0}),
        (100_000, {"a": 0, "b": 0, "c": 0}),
    ],
)
def test_a_limit_takes_from_the_least_important_first(
    limit_bps: float | None, expected: dict[str, int]
) -> None:
    chosen = allocate({track: track.layers for track in TRACKS[:3]}, limit_bps)
    assert {track.owner: layer.order for track, layer in chosen.items()} == expected


def test_a_rate_not_measured_yet_is_guessed() -> None:
    track = VideoTrack("a", "a-v0", [(1, None), (2, None), (3, None)])
    low, _, high = (rate_bps(layer) for layer in track.layers)
    assert 100_000 < low < 300_000
    assert 2_000_000 < high < 4_000_000


def test_loss_limits_and_its_end_frees() -> None:
    limit = LossLimit()
    limit.judge(0.05, 2_000_000, 2_000_000, 10.0)
    assert limit.limit_bps is None
    for second in range(5):
        limit.judge(0.2, 2_000_000, 2_000_000, 11.0 + second)
    assert limit.limit_bps == pytest.approx(2_000_000 * 0.9**5)
    held = limit.limit_bps
    limit.judge(0.10, 1_000_000, 2_000_000, 17.0)
    assert limit.limit_bps == held
    ends = {}
    for loss in (0.0, 0.05):
        freed = LossLimit()
        freed.judge(0.5, 1_000_000, 2_000_000, 17.0)
        at = 18.0
        while freed.limit_bps is not None:
            freed.judge(loss, 1_000_000, 2_000_000, at)
            at += 1
        ends[loss] = at
    assert ends[0.0] < ends[0.05] < 70


def test_a_few_packets_are_no_judgement() -> None:
    limit = LossLimit()
    assert limit.reported(40, 40, 10.0) is None
    assert limit.reported(40, 0, 10.1) == 0.5
    limit.judge(0.5, 1_000_000, 1_000_000, 10.1)
    assert limit.reported(1000, 500, 10.5) is None
    assert limit.reported(0, 0, 11.2) == 0.5
    assert limit.reported(100, -7, 13.0) == 0.0
