"""The table of pending requests."""

from xml.etree.ElementTree import Element

import pytest

from component.link.requests import Requests
from component.stanza import iq
from component.stanza_error import StanzaError


def request(to: str = "a@b/c", id: str | None = None) -> Element:
    return iq("get", to, "focus.b", Element("{urn:x}q"), id=id)


async def test_ids_are_made_up_and_cannot_be_guessed() -> None:
    requests, ids = Requests(), set()
    for _ in range(100):
        one = request()
        requests.open(one)
        ids.add(one.get("id", ""))
    assert len(ids) == 100
    assert min(map(len, ids)) >= 16


async def test_an_answer_settles_its_request_once() -> None:
    requests, one = Requests(), request()
    future = requests.open(one)
    answer = iq("result", "focus.b", "A@B/c", id=one.get("id"))
    assert requests.settle(answer)
    assert future.result() is answer
    assert not requests.settle(answer)
    requests.close(one)
    assert not requests.settle(answer)
    assert len(requests) == 0


async def test_the_same_id_may_wait_for_two_peers_but_not_twice_for_one() -> None:
    requests = Requests()
    requests.open(request("a@b/c", "1"))
    requests.open(request("a@b/d", "1"))
    with pytest.raises(ValueError, match="pending"):
        requests.open(request("a@b/c", "1"))


async def test_too_many_are_refused() -> None:
    requests = Requests(max_pending=2)
    requests.open(request())
    requests.open(request())
    with pytest.raises(StanzaError, match="resource-constraint"):
        requests.open(request())
