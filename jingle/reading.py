"""Reading and making elements: every attribute read through here has its length, alphabet or range checked.

Elements of the standard library and of lxml are both read; what is made is the standard library's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Protocol
from xml.etree.ElementTree import Element

from jingle.errors import bad_request
from jingle.limits import NAME_CHARS

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
WHOLE_NUMBER = re.compile(r"[0-9]{1,10}")
BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class Node(Protocol):
    """What is read of an element: the part that `xml.etree.ElementTree` and `lxml.etree` have in common."""

    @property
    def tag(self) -> str:
        """The name, as `{namespace}name`."""

    @property
    def text(self) -> str | None:
        """The text before the first child."""

    def get(self, key: str, /) -> str | None:
        """The value of an attribute."""

    def __iter__(self) -> Iterator[Any]:
        """The children."""


def children(parent: Node) -> Iterator[tuple[str, Node]]:
    """The child elements with their tags; comments and processing instructions are passed over."""
    for child in parent:
        if isinstance(child.tag, str):
            yield child.tag, child


def named(parent: Node, tag: str, limit: int) -> list[Node]:
    """The children called `tag`, at most `limit`. Raises JingleError when there are more."""
    found: list[Node] = [child for name, child in children(parent) if name == tag]
    if len(found) > limit:
        raise bad_request(f"more than {limit} {local_name(tag)}")
    return found


def first(parent: Node, tag: str) -> Node | None:
    """The first child called `tag`."""
    return next((child for name, child in children(parent) if name == tag), None)


def has(parent: Node, tag: str) -> bool:
    """Whether there is a child called `tag`."""
    return first(parent, tag) is not None


def namespace(tag: str) -> str:
    """The namespace of a tag, "" without one."""
    return tag[1:].partition("}")[0] if tag.startswith("{") else ""


def local_name(tag: str) -> str:
    """The tag without its namespace."""
    return tag.rpartition("}")[2]


def checked(value: str, what: str, limit: int) -> str:
    """The value, when it is short enough and holds no control character. Raises JingleError."""
    if len(value) > limit:
        raise bad_request(f"{what} is longer than {limit}")
    if CONTROL.search(value):
        raise bad_request(f"{what} holds a control character")
    return value


def text(node: Node, name: str, limit: int = NAME_CHARS) -> str:
    """An attribute as text, "" when absent. Raises JingleError."""
    value = node.get(name)
    return "" if value is None else checked(value, name, limit)


def required(node: Node, name: str, limit: int = NAME_CHARS) -> str:
    """An attribute that must be there and not empty. Raises JingleError."""
    value = text(node, name, limit)
    if not value:
        raise bad_request(f"{local_name(node.tag)} without {name}")
    return value


def token(node: Node, name: str, allowed: frozenset[str]) -> str:
    """An attribute out of a fixed set, "" when absent. Raises JingleError."""
    value = node.get(name)
    if not value:
        return ""
    if value not in allowed:
        raise bad_request(f"{name} is none of {', '.join(sorted(allowed))}")
    return value


def number(node: Node, name: str, low: int, high: int, default: int | None = None) -> int:
    """An attribute as a whole number in low…high; without it the default. Raises JingleError."""
    value = number_or_none(node, name, low, high)
    if value is not None:
        return value
    if default is None:
        raise bad_request(f"{local_name(node.tag)} without {name}")
    return default


def number_or_none(node: Node, name: str, low: int, high: int) -> int | None:
    """An attribute as a whole number in low…high, None when absent. Raises JingleError."""
    value = node.get(name)
    if value is None:
        return None
    if not WHOLE_NUMBER.fullmatch(value) or not low <= int(value) <= high:
        raise bad_request(f"{name} is not a number from {low} to {high}")
    return int(value)


def boolean(node: Node, name: str) -> bool | None:
    """An attribute as a truth value (XML Schema: true, 1, false, 0), None when absent. Raises JingleError."""
    value = node.get(name)
    if value is None:
        return None
    if value not in BOOLEANS:
        raise bad_request(f"{name} is neither true nor false")
    return BOOLEANS[value]


def content_text(node: Node, limit: int) -> str:
    """The text of an element without white space around it. Raises JingleError when longer than `limit`."""
    value = (node.text or "").strip()
    if len(value) > limit:
        raise bad_request(f"{local_name(node.tag)} is longer than {limit}")
    return value


def element(
    xmlns: str, name: str, attributes: Mapping[str, str | int | bool | None] | None = None
) -> Element:
    """An element with those attributes that have a value: None and "" are left out, truth values spelled."""
    made = Element(f"{{{xmlns}}}{name}")
    for key, value in (attributes or {}).items():
        if value is None or value == "":
            continue
        made.set(key, str(value).lower() if isinstance(value, bool) else str(value))
    return made
