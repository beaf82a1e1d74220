"""Data forms (XEP-0004): those that we show, and what comes back, bounded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

NAMESPACE = "jabber:x:data"
FORM = f"{{{NAMESPACE}}}x"

MAX_FIELDS = 50
MAX_VALUES = 10
"""Values of one field."""
MAX_VALUE_CHARS = 4000
_FIELD = f"{{{NAMESPACE}}}field"
_VALUE = f"{{{NAMESPACE}}}value"


class FormError(Exception):
    """What was submitted is no form of ours; the text says why and repeats nothing of it."""


@dataclass(frozen=True)
class Option:
    """One choice of a list-single field."""

    value: str
    label: str = ""


@dataclass(frozen=True)
class Field:
    """One question. `type` is list-single or text-single (XEP-0004 §3.3)."""

    var: str
    label: str
    type: str = "text-single"
    required: bool = True
    options: tuple[Option, ...] = ()
    value: str = ""
    """What is filled in already."""

    def accepts(self, value: str) -> bool:
        """Whether this is an answer to the question."""
        if not value:
            return not self.required
        return self.type != "list-single" or any(option.value == value for option in self.options)


@dataclass(frozen=True)
class Table:
    """A result with rows (XEP-0004 §3.4): `columns` are labels by var, each row has a text for each var."""

    columns: Mapping[str, str]
    rows: Sequence[Mapping[str, str]]


def form(title: str, instructions: str, fields: Iterable[Field]) -> Element:
    """`<x type="form"/>`: questions."""
    made = _form("form", title)
    SubElement(made, f"{{{NAMESPACE}}}instructions").text = instructions
    for field in fields:
        element = SubElement(made, _FIELD, {"var": field.var, "type": field.type, "label": field.label})
        if field.required:
            SubElement(element, f"{{{NAMESPACE}}}required")
        if field.value:
            SubElement(element, _VALUE).text = field.value
        for option in field.options:
            choice = SubElement(
                element, f"{{{NAMESPACE}}}option", {"label": option.label} if option.label else {}
            )
            SubElement(choice, _VALUE).text = option.value
    return made


def result(title: str, table: Table) -> Element:
    """`<x type="result"/>`: a table."""
    made = _form("result", title)
    reported = SubElement(made, f"{{{NAMESPACE}}}reported")
    for var, label in table.columns.items():
        SubElement(reported, _FIELD, {"var": var, "type": "text-single", "label": label})
    for row in table.rows:
        item = SubElement(made, f"{{{NAMESPACE}}}item")
        for var in table.columns:
            SubElement(SubElement(item, _FIELD, {"var": var}), _VALUE).text = row[var]
    return made


def submitted(element: Element) -> dict[str, str]:
    """The answers in `<x type="submit"/>`: the first value of each field. Raises FormError.

    What one field has more of belongs to types that we never ask for.
    """
    if element.tag != FORM:
        raise FormError("no data form")
    # A client may also say "cancel", which counts as a submission in ad-hoc commands (XEP-0050 §3.5.1).
    if element.get("type") not in ("submit", "cancel"):
        raise FormError("the form is not submitted")
    fields = element.findall(_FIELD)
    if len(fields) > MAX_FIELDS:
        raise FormError("the form has too many fields")
    answers: dict[str, str] = {}
    for field in fields:
        var, values = field.get("var", ""), field.findall(_VALUE)
        if not var or var in answers:
            raise FormError("a field without a name, or with the name of another")
        if len(values) > MAX_VALUES or any(len(value) for value in values):
            raise FormError("a field has values that are none")
        text = (values[0].text or "") if values else ""
        if len(text) > MAX_VALUE_CHARS:
            raise FormError("a value is too long")
        answers[var] = text
    return answers


def _form(type: str, title: str) -> Element:
    made = Element(FORM, {"type": type})
    SubElement(made, f"{{{NAMESPACE}}}title").text = title
    return made
