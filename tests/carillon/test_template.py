"""Templates: words in braces, and lines that depend."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon import template
from carillon.command_line import CommandError

TEXT = """a ${word} $${kept}
@if one
one
@if not two
one without two
@end
@end
@if not one
no one
@end
end
"""


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template, "DIRECTORY", tmp_path)
    (tmp_path / "text").write_text(TEXT)


@pytest.mark.parametrize(
    ("one", "two", "lines"),
    [
        (True, True, ["one"]),
        (True, False, ["one", "one without two"]),
        (False, True, ["no one"]),
        (False, False, ["no one"]),
    ],
)
def test_lines_are_there_when_their_conditions_hold(one: bool, two: bool, lines: list[str]) -> None:
    text = template.filled_in("text", {"word": "$b @if", "one": one, "two": two})
    assert text.splitlines() == ["a $b @if ${kept}", *lines, "end"]


def test_an_empty_text_is_no_condition() -> None:
    assert "no one" in template.filled_in("text", {"word": "", "one": "", "two": ""})


def test_a_template_that_cannot_be_read_is_said_in_words() -> None:
    with pytest.raises(CommandError, match="install carillon again"):
        template.filled_in("none", {})


@given(value=st.text(st.characters(exclude_categories=["Cs"])))
def test_a_value_stays_as_it_is(value: str) -> None:
    text = template.filled_in("text", {"word": value, "one": False, "two": False})
    assert text == f"a {value} ${{kept}}\nno one\nend\n"
