"""The sources of a conference: what may be added and removed, and what others are told of it."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingle.source_map import SourceError, SourceMap
from jingle.source_rules import colibri_sources, contents_of, sources_of, strip_simulcast
from jingle.sources import MediaSources, Source, SsrcGroup

AUDIO = MediaSources("audio", (Source(1, msid="s a"),))
CAMERA = MediaSources(
    "video",
    tuple(Source(ssrc, "ann-v0", "s v", video_type="camera") for ssrc in (10, 11, 20, 21, 30, 31)),
    (
        SsrcGroup("FID", (10, 11)),
        SsrcGroup("SIM", (10, 20, 30)),
        SsrcGroup("FID", (20, 21)),
        SsrcGroup("FID", (30, 31)),
    ),
)


def video(*sources: Source, groups: tuple[SsrcGroup, ...] = ()) -> MediaSources:
    return MediaSources("video", sources, groups)


@pytest.fixture
def sources() -> SourceMap:
    found = SourceMap()
    found.add("ann", (AUDIO, CAMERA))
    return found


def test_sources_without_a_name_get_one_per_stream() -> None:
    sources = SourceMap()
    added = sources.add(
        "ann",
        (
            MediaSources("audio", (Source(1), Source(2))),
            video(
                Source(10, msid="x"),
                Source(11, msid="x"),
                Source(12, "ann-v1", "y"),
                groups=(SsrcGroup("FID", (10, 11)),),
            ),
        ),
    )
    assert [source.name for media in added for source in media.sources] == [
        "ann-a0",
        "ann-a1",
        "ann-v0",
        "ann-v0",
        "ann-v1",
    ]
    later = sources.add("ann", (MediaSources("audio", (Source(3),)),))
    assert later[0].sources[0].name == "ann-a2"


def test_a_repair_source_that_comes_later_gets_the_name_of_its_stream() -> None:
    sources = SourceMap()
    sources.add("ann", (video(Source(10, msid="x")),))
    added = sources.add("ann", (video(Source(11, msid="x"), groups=(SsrcGroup("FID", (10, 11)),)),))
    assert added[0].sources[0].name == "ann-v0"


def test_audio_and_video_of_one_owner_may_share_a_stream() -> None:
    SourceMap().add("ann", (MediaSources("audio", (Source(1, msid="m"),)), video(Source(2, msid="m"))))


@pytest.mark.parametrize(
    ("owner", "added"),
    [
        ("ann", video(Source(0))),
        ("ann", video(Source(2**32))),
        ("ann", video(Source(10))),
        ("bob", video(Source(10))),
        ("bob", video(Source(5), Source(5))),
        ("bob", video(Source(5, msid="s v"))),
        ("bob", video(Source(5, "ann-v0"))),
        ("bob", video(Source(5, "nobody"))),
        ("ann", video(Source(5, "ann-a0"))),
        ("bob", video(Source(5, msid="x"), groups=(SsrcGroup("FID", (5, 6)),))),
        ("bob", video(Source(5, msid="x"), groups=(SsrcGroup("FID", (5,)),))),
        ("bob", video(Source(5, msid="x"), groups=(SsrcGroup("FID", (5, 5)),))),
        ("bob", video(Source(5, msid="x"), Source(6), groups=(SsrcGroup("FID", (5, 6)),))),
        ("bob", video(Source(5), Source(6), groups=(SsrcGroup("FID", (5, 6)),))),
        ("bob", video(Source(5, msid="x"), Source(6, msid="y"), groups=(SsrcGroup("SIM", (5, 6)),))),
        ("bob", video(Source(5, msid="x"), Source(6, msid="x"))),
        ("bob", MediaSources("audio", (Source(5, msid="x"),), (SsrcGroup("FID", (5, 10)),))),
        ("bob", MediaSources("application", (Source(5),))),
        ("bob", video(*(Source(100 + n) for n in range(21)))),
        (
            "bob",
            video(
                *(Source(100 + n, msid="x") for n in range(20)),
                groups=(
                    *(SsrcGroup("FEC-FR", (100 + n, 119)) for n in range(19)),
                    SsrcGroup("FEC-FR", (100, 101)),
                    SsrcGroup("SIM", (100, 101)),
                ),
            ),
        ),
    ],
)
def test_a_refused_addition_changes_nothing(sources: SourceMap, owner: str, added: MediaSources) -> None:
    before = sources.all()
    with pytest.raises(SourceError) as caught:
        sources.add(owner, (MediaSources("audio", (Source(77),)), added))
    assert caught.value.condition == "bad-request"
    assert sources.all() == before
    assert sources.owner(77) is None


def test_limits_are_checked_before_any_work() -> None:
    many = video(
        *(Source(n) for n in range(1, 1025)), groups=tuple(SsrcGroup("FID", (n, n)) for n in range(1, 1025))
    )
    started = process_time()
    for limits in ({"max_sources": 20}, {"max_sources": 2000, "max_groups": 20}):
        with pytest.raises(SourceError):
            SourceMap(**limits).add("ann", (many,))
    assert process_time() - started < 0.1


def test_groups_that_are_empty_or_known_are_passed_over(sources: SourceMap) -> None:
    added = sources.add("ann", (video(groups=(SsrcGroup("SIM", ()), CAMERA.groups[0])),))
    assert added == ()
    assert sources.of("ann")[1].groups == CAMERA.groups


def test_removal_goes_by_ssrc_and_takes_the_groups_along(sources: SourceMap) -> None:
    gone = sources.remove("ann", (video(*(Source(ssrc) for ssrc in (10, 11, 20, 21, 30, 31))),))
    assert gone == (CAMERA,)
    assert [media.media for media in sources.of("ann")] == ["audio"]
    assert sources.owner(10) is None
    sources.add("bob", (video(Source(10, msid="s v")),))


@pytest.mark.parametrize(
    ("owner", "removed"),
    [
        ("bob", video(Source(10))),
        ("ann", video(Source(99))),
        ("ann", video(groups=(SsrcGroup("FID", (10, 20)),))),
        ("ann", video(Source(10))),
    ],
)
def test_a_refused_removal_changes_nothing(sources: SourceMap, owner: str, removed: MediaSources) -> None:
    before = sources.all()
    with pytest.raises(SourceError):
        sources.remove(owner, (removed,))
    assert sources.all() == before


def test_an_owner_leaves_with_everything(sources: SourceMap) -> None:
    sources.add("bob", (MediaSources("audio", (Source(2),)),))
    assert sources.remove_owner("ann")[1] == CAMERA
    assert list(sources.all()) == ["bob"]
    assert sources.remove_owner("ann") == ()
    sources.add("cid", (video(Source(10, msid="s v")),))


def test_receivers_are_told_the_first_layer_only() -> None:
    (stripped,) = strip_simulcast((CAMERA,))
    assert [source.ssrc for source in stripped.sources] == [10, 11]
    assert stripped.groups == (SsrcGroup("FID", (10, 11)),)


def test_contents_carry_the_owner_and_come_back() -> None:
    contents = contents_of({"ann": (AUDIO, CAMERA), "bob": (MediaSources("audio", (Source(2),)),)})
    assert [content.name for content in contents] == ["audio", "video"]
    audio = sources_of(contents)[0]
    assert [(source.ssrc, source.owner) for source in audio.sources] == [(1, "ann"), (2, "bob")]
    assert sources_of(contents)[1].groups == CAMERA.groups


def test_the_bridge_is_told_sources_by_name(sources: SourceMap) -> None:
    sources.add("ann", (video(Source(40, "ann-v1", "s w"), groups=()),))
    named = colibri_sources(sources.of("ann"))
    assert [(one.id, one.type, len(one.sources), len(one.groups)) for one in named] == [
        ("ann-a0", "audio", 1, 0),
        ("ann-v0", "video", 6, 4),
        ("ann-v1", "video", 1, 0),
    ]


some_ssrc = st.integers(0, 12)
some_sources = st.builds(
    Source,
    ssrc=some_ssrc,
    name=st.sampled_from(["", "ann-v0", "bob-v0"]),
    msid=st.sampled_from(["", "x", "y"]),
)
some_groups = st.builds(
    SsrcGroup, st.sampled_from(["FID", "SIM"]), st.lists(some_ssrc, max_size=3).map(tuple)
)
some_media = st.builds(
    MediaSources,
    st.sampled_from(["audio", "video"]),
    st.lists(some_sources, max_size=4).map(tuple),
    st.lists(some_groups, max_size=2).map(tuple),
)
changes = st.lists(
    st.tuples(st.booleans(), st.sampled_from(["ann", "bob"]), st.lists(some_media, max_size=2)), max_size=8
)


@given(changes)
def test_whatever_is_asked_the_map_keeps_its_rules(asked: list[tuple[bool, str, list[MediaSources]]]) -> None:
    sources = SourceMap(max_sources=6, max_groups=3)
    for is_addition, owner, media in asked:
        before = sources.all()
        try:
            (sources.add if is_addition else sources.remove)(owner, media)
        except SourceError:
            assert sources.all() == before
    ssrcs = [s.ssrc for owned in sources.all().values() for media in owned for s in media.sources]
    assert len(set(ssrcs)) == len(ssrcs)
    for owner, owned in sources.all().items():
        assert sum(len(media.sources) for media in owned) <= 6
        assert sum(len(media.groups) for media in owned) <= 3
        for one in owned:
            known = {source.ssrc for source in one.sources}
            assert all(known >= set(group.ssrcs) for group in one.groups)
            assert all(source.name.startswith(owner) for source in one.sources)
            assert all(sources.owner(source.ssrc) == owner for source in one.sources)
    for owner in list(sources.all()):
        sources.remove_owner(owner)
    assert not sources.all()
    assert all(sources.owner(ssrc) is None for ssrc in ssrcs)
