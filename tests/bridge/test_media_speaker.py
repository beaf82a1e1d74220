"""Dominant speaker identification on traces of audio levels."""

import random
from collections.abc import Callable

from bridge.media.speaker import DECISION_S, DominantSpeaker

Trace = Callable[[float], int | None]
"""Time to level (RFC 6464: 0 loudest, 127 silence), or None when no packet is sent."""


def speech(seed: int, spans: list[tuple[float, float]], loudness: int = 28) -> Trace:
    """Syllables of 100–300 ms with short pauses within the spans; breath between."""
    chance = random.Random(seed)
    syllables: list[tuple[float, float]] = []
    for start, end in spans:
        at = start
        while at < end:
            length = chance.uniform(0.1, 0.3)
            syllables.append((at, min(end, at + length)))
            at += length + chance.uniform(0.02, 0.1)

    def level(now: float) -> int:
        if any(start <= now < end for start, end in syllables):
            return loudness + chance.randrange(-4, 5)
        return 70 + chance.randrange(-5, 6)

    return level


def constant(level: int, spread: int = 2) -> Trace:
    chance = random.Random(level)
    return lambda now: min(127, level + chance.randrange(-spread, spread + 1))


def bursts(level: int, period: float, length: float) -> Trace:
    return lambda now: level if now % period < length else 80


def run(
    traces: dict[str, Trace], seconds: float
) -> tuple[DominantSpeaker, list[tuple[float, str | None, bool]]]:
    """The speakers over time: (when, who, silence) at each change."""
    dominant = DominantSpeaker()
    changes: list[tuple[float, str | None, bool]] = []
    for name in traces:
        dominant.join(name, 0.0)
    decided = 0.0
    for step in range(int(seconds * 50)):
        now = step * 0.02
        for name, trace in traces.items():
            level = trace(now)
            if level is not None:
                dominant.level(name, level, now)
        if now - decided >= DECISION_S:
            decided = now
            if dominant.decide(now):
                changes.append((now, dominant.speaker, dominant.silence))
    return dominant, changes


def test_two_take_turns() -> None:
    _, changes = run(
        {"a": speech(1, [(0, 5), (10, 15)]), "b": speech(2, [(5, 10), (15, 20)]), "c": constant(75)}, 20
    )
    who = [speaker for _, speaker, _ in changes]
    assert who == ["a", "b", "a", "b"]
    for (at, _, _), turn in zip(changes, (0, 5, 10, 15), strict=True):
        assert turn < at < turn + 2.0


def test_a_cough_does_not_take_the_floor() -> None:
    _, changes = run({"a": speech(1, [(0, 20)]), "b": bursts(20, 4.0, 0.2)}, 20)
    assert [speaker for _, speaker, _ in changes] == ["a"]


def test_steady_noise_is_not_speech() -> None:
    dominant, changes = run({"noise": constant(50), "a": speech(1, [(6, 20)])}, 20)
    assert dominant.speaker == "a"
    assert [speaker for _, speaker, _ in changes][-1] == "a"


def test_the_louder_of_two_at_once_does_not_flap() -> None:
    _, changes = run({"a": speech(1, [(0, 30)], 25), "b": speech(2, [(0, 30)], 30)}, 30)
    assert len(changes) <= 4


def test_silence_is_told_and_keeps_the_last_speaker() -> None:
    dominant, changes = run({"a": speech(1, [(0, 4), (14, 18)]), "b": constant(80)}, 18)
    assert [(speaker, silence) for _, speaker, silence in changes] == [
        ("a", False),
        ("a", True),
        ("a", False),
    ]
    assert 8 < changes[1][0] < 10.5
    assert dominant.speaker == "a"


def test_a_muted_endpoint_that_sends_nothing_falls_behind() -> None:
    dominant, _ = run({"a": lambda now: 25 if now < 3 else None, "b": speech(2, [(3, 12)])}, 12)
    assert dominant.speaker == "b"
    assert dominant.previous == ["a"]


def test_who_sends_no_levels_is_no_candidate() -> None:
    dominant, changes = run({"a": lambda now: None, "b": lambda now: None}, 5)
    assert dominant.speaker is None
    assert changes == []


def test_the_order_is_by_who_spoke_last() -> None:
    dominant, _ = run(
        {name: speech(place, [(place * 5, place * 5 + 5)]) for place, name in enumerate("abcd")}, 15
    )
    assert dominant.order == ["c", "b", "a", "d"]
    assert dominant.previous == ["b", "a"]


def test_when_the_speaker_leaves_another_is_found() -> None:
    dominant, _ = run({"a": speech(1, [(0, 10)]), "b": speech(2, [(0, 2)]), "c": constant(80)}, 10)
    dominant.leave("a")
    assert dominant.speaker is None
    assert "a" not in dominant.order
    dominant.decide(10.1)
    assert dominant.speaker == "b"
    dominant.leave("b")
    dominant.leave("c")
    assert not dominant.decide(11.0)


def test_levels_of_strangers_are_ignored() -> None:
    dominant = DominantSpeaker()
    dominant.level("nobody", 10, 1.0)
    assert not dominant.decide(1.0)


def test_who_takes_the_floor_is_noticed_soon_whatever_the_rhythm() -> None:
    for seed in range(30):
        _, changes = run({"a": speech(seed, [(0, 6)]), "b": speech(seed + 1000, [(6, 9)])}, 9)
        taken = [at for at, speaker, _ in changes if speaker == "b" and at > 6]
        assert taken and taken[0] < 7.1
