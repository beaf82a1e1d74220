"""The incoming XML stream of the component: bytes in, stanzas as elements out."""

from __future__ import annotations

from xml.etree.ElementTree import Element, TreeBuilder

from component.limited_stream import (
    STREAM_NS,
    Broken,
    Closed,
    Limit,
    LimitedStream,
    Limits,
    Opened,
    Refused,
    component_tag,
)

__all__ = [
    "STREAM_NS",
    "Broken",
    "Closed",
    "Event",
    "Intake",
    "Limit",
    "Limits",
    "Opened",
    "Refused",
]

Event = Element | Opened | Refused | Closed | Broken


class Intake(LimitedStream[Element, TreeBuilder]):
    """One incoming stream. After Closed or Broken it takes no more."""

    def _attach(self) -> None:
        super()._attach()
        self._parser.CharacterDataHandler = self._on_text

    def _new_builder(self) -> TreeBuilder:
        return TreeBuilder()

    def _whole(self, builder: TreeBuilder, position: int) -> Element:
        """The stanza with its own children in our stream's namespace."""
        stanza = builder.close()
        stanza.tag = component_tag(stanza.tag)
        for child in stanza:
            child.tag = component_tag(child.tag)
        return stanza
