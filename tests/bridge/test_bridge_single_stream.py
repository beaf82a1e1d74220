"""Colibri2 with what is particular to clients that know one stream of each media: through a real router."""

from __future__ import annotations

import pytest

from bridge import colibri
from bridge.main import make_router
from bridge.registry import Registry
from jingle.colibri2 import (
    ConferenceModified,
    ConferenceModify,
    Endpoint,
    Transport,
    modified_json,
    parse_modified_json,
)
from tests.bridge.media_packets import media

SITE = colibri.Site(("192.0.2.1",), 10000, "wss://meet.example/colibri-ws")


def create(registry: Registry, *capabilities: str, endpoint: str = "p") -> ConferenceModified:
    request = ConferenceModify(
        "meeting",
        create="meeting" not in registry.conferences,
        endpoints=(
            Endpoint(
                endpoint,
                create=True,
                capabilities=("source-names", *capabilities),
                media=media(),
                transport=Transport(ice_controlling=True),
            ),
        ),
    )
    return colibri.modify(registry, SITE, request, 0.0)


@pytest.fixture
def registry() -> Registry:
    return Registry(make_router, max_endpoints=10, consent_timeout_s=30.0)


def test_the_answer_names_the_two_streams_and_survives_json(registry: Registry) -> None:
    answer = create(registry, "single-stream", "unsignalled-sources")
    assert parse_modified_json(modified_json(answer)) == answer
    audio, video = answer.endpoints[0].sources or ()
    assert (audio.id, audio.type) == ("p-audio-down", "audio")
    assert (video.id, video.type) == ("p-video-down", "video")
    assert [group.ssrcs for group in video.groups] == [tuple(one.ssrc for one in video.sources)]
    feedback = {one.ssrc for source in answer.sources for one in source.sources}
    assert not feedback & {one.ssrc for source in (audio, video) for one in source.sources}


def test_nobody_else_is_told_of_streams(registry: Registry) -> None:
    assert create(registry).endpoints[0].sources is None
    assert create(registry, "some-other-capability", endpoint="q").endpoints[0].sources is None


def test_later_answers_do_not_repeat_them(registry: Registry) -> None:
    create(registry, "single-stream")
    request = ConferenceModify("meeting", endpoints=(Endpoint("p", media=media(), sources=()),))
    assert colibri.modify(registry, SITE, request, 1.0).endpoints[0].sources is None
