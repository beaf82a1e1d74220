"""Data forms: what we show, and that nothing that comes back does harm."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

import pytest
from hypothesis import given
from hypothesis import strategies as st

from component.administration.data_form import (
    FORM,
    MAX_FIELDS,
    MAX_VALUE_CHARS,
    MAX_VALUES,
    NAMESPACE,
    Field,
    FormError,
    Option,
    Table,
    form,
    result,
    submitted,
)

FIELD, VALUE = f"{{{NAMESPACE}}}field", f"{{{NAMESPACE}}}value"


def submission(*answers: tuple[str, str], type: str = "submit") -> Element:
    """What a client sends back."""
    made = Element(FORM, {"type": type})
    for var, value in answers:
        SubElement(SubElement(made, FIELD, {"var": var}), VALUE).text = value
    return made


def test_a_form_asks_with_choices_and_what_was_answered_before() -> None:
    room = Field("room", "Room", "list-single", options=(Option("a", "The A"), Option("b")), value="b")
    made = form("End", "Choose.", [room, Field("reason", "Reason", required=False)])
    assert (made.get("type"), made.findtext(f"{{{NAMESPACE}}}title")) == ("form", "End")
    first, second = made.findall(FIELD)
    assert (first.get("var"), first.get("type"), first.findtext(VALUE)) == ("room", "list-single", "b")
    options = first.findall(f"{{{NAMESPACE}}}option")
    assert [(one.get("label"), one.findtext(VALUE)) for one in options] == [("The A", "a"), (None, "b")]
    required = f"{{{NAMESPACE}}}required"
    assert first.find(required) is not None and second.find(required) is None
    assert second.find(VALUE) is None


def test_a_result_reports_its_columns_and_has_an_item_for_each_row() -> None:
    made = result("Rooms", Table({"a": "A", "b": "B"}, [{"a": "1", "b": "2"}, {"a": "3", "b": ""}]))
    reported = made.find(f"{{{NAMESPACE}}}reported")
    assert reported is not None and [one.get("label") for one in reported] == ["A", "B"]
    items = made.findall(f"{{{NAMESPACE}}}item")
    assert [[field.findtext(VALUE) for field in item] for item in items] == [["1", "2"], ["3", ""]]


@pytest.mark.parametrize("type", ["submit", "cancel"])
def test_answers_are_read_by_var(type: str) -> None:
    assert submitted(submission(("room", "a"), ("reason", ""), type=type)) == {"room": "a", "reason": ""}


def test_of_several_values_the_first_counts_and_none_is_an_empty_text() -> None:
    made = submission(("a", "1"))
    SubElement(made[0], VALUE).text = "2"
    SubElement(made, FIELD, {"var": "b"})
    assert submitted(made) == {"a": "1", "b": ""}


def nested_value() -> Element:
    made = submission(("a", "1"))
    SubElement(made[0][0], "{x}y")
    return made


def many_values() -> Element:
    made = submission(("a", "1"))
    for _ in range(MAX_VALUES):
        SubElement(made[0], VALUE)
    return made


@pytest.mark.parametrize(
    "element",
    [
        Element("{jabber:x:data}y"),
        submission(type="form"),
        submission(type=""),
        submission(("", "x")),
        submission(("a", "x"), ("a", "y")),
        submission(("a", "x" * (MAX_VALUE_CHARS + 1))),
        submission(*((f"f{number}", "") for number in range(MAX_FIELDS + 1))),
        nested_value(),
        many_values(),
    ],
)
def test_what_is_no_submission_is_refused(element: Element) -> None:
    with pytest.raises(FormError):
        submitted(element)


@pytest.mark.parametrize(
    ("field", "value", "accepted"),
    [
        (Field("a", "A", "list-single", options=(Option("x"),)), "x", True),
        (Field("a", "A", "list-single", options=(Option("x"),)), "y", False),
        (Field("a", "A", "list-single", options=(Option("x"),)), "", False),
        (Field("a", "A", "list-single", False, (Option("x"),)), "", True),
        (Field("a", "A"), "anything", True),
        (Field("a", "A"), "", False),
        (Field("a", "A", required=False), "", True),
    ],
)
def test_what_counts_as_an_answer(field: Field, value: str, accepted: bool) -> None:
    assert field.accepts(value) is accepted


_names = st.sampled_from([FORM, FIELD, VALUE, f"{{{NAMESPACE}}}option", f"{{{NAMESPACE}}}item", "{x}y"])
_attributes = st.dictionaries(
    st.sampled_from(["type", "var", "label"]), st.sampled_from(["submit", "cancel", "", "room"]) | st.text()
)


def _element(name: str, attributes: dict[str, str], text: str | None, children: list[Element]) -> Element:
    made = Element(name, attributes)
    made.text = text
    made.extend(children)
    return made


_elements = st.recursive(
    st.builds(_element, _names, _attributes, st.none() | st.text(), st.just([])),
    lambda inner: st.builds(_element, _names, _attributes, st.none(), st.lists(inner, max_size=4)),
    max_leaves=15,
)


@given(children=st.lists(_elements, max_size=5), attributes=_attributes)
def test_no_form_raises_anything_else(children: list[Element], attributes: dict[str, str]) -> None:
    try:
        answers = submitted(_element(FORM, attributes, None, children))
    except FormError:
        return
    assert len(answers) <= MAX_FIELDS and all(len(value) <= MAX_VALUE_CHARS for value in answers.values())


@given(answers=st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=30), max_size=8))
def test_what_was_submitted_is_read_back(answers: dict[str, str]) -> None:
    assert submitted(submission(*answers.items())) == answers
