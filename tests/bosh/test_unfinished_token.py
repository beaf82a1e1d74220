"""The end of a token that arrives in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bosh.restricted_xml import XmlError
from bosh.unfinished_token import UnfinishedToken

TOKENS = (
    "text <a b='>' c=\"'>\">",
    "</a>",
    "<a/>",
    "<![CDATA[ ]> ]] <a> ]]>",
    "<?xml version='1.0' > ?>",
)


@given(st.sampled_from(TOKENS), st.lists(st.integers(0, 24)), st.integers(0, 3))
def test_the_end_is_found_with_its_last_character_however_the_token_arrives(
    token: str, cuts: list[int], before: int
) -> None:
    unfinished = UnfinishedToken(before)
    for cut in sorted({min(cut, len(token) - 1) for cut in cuts}):
        assert not unfinished.complete(" " * before + token[:cut])
    assert unfinished.complete(" " * before + token)


def test_no_character_is_searched_twice() -> None:
    unfinished = UnfinishedToken(0)
    assert not unfinished.complete("<a b='" + "x" * 100)
    assert unfinished.resume == 106


def test_a_search_goes_on_when_the_text_is_cut_at_its_beginning() -> None:
    unfinished = UnfinishedToken(3)
    assert not unfinished.complete("<a><b c='")
    unfinished.resume -= 3
    assert unfinished.complete("<b c='>'>")


@pytest.mark.parametrize("beginning", ["<!--", "<!DOCTYPE"])
def test_what_xmpp_forbids_is_refused_before_its_end(beginning: str) -> None:
    with pytest.raises(XmlError) as refused:
        UnfinishedToken(0).complete(beginning)
    assert refused.value.condition == "restricted-xml"
