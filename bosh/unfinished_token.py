"""Where a token of XML ends that arrives in pieces: text and the markup behind it. No I/O."""

from __future__ import annotations

import re

from bosh.restricted_xml import CDATA, XmlError

_QUOTE_OR_END = re.compile("[\"'>]")


class UnfinishedToken:
    """One token whose end may not have come yet; no character is searched twice, however it arrives."""

    __slots__ = ("_awaited", "resume")

    def __init__(self, position: int) -> None:
        """It begins at `position` of the text."""
        self._awaited = "<"
        """What must come before the token can be complete."""
        self.resume = position
        """Where to go on looking for it; moves along when the text is cut at its beginning."""

    def complete(self, text: str) -> bool:
        """Whether the token has its end in `text`; if not, remember where to look on. Raises XmlError."""
        at = self.resume
        while True:
            if self._awaited == ">":
                end = _QUOTE_OR_END.search(text, at)
                if end is None:
                    self.resume = len(text)
                    return False
                if end[0] == ">":
                    self.resume = end.start()
                    return True
                self._awaited, at = end[0], end.end()
                continue
            found = text.find(self._awaited, at)
            if found < 0:
                # the beginning of "]]>" or "?>" may be there already
                self.resume = max(at, len(text) - len(self._awaited) + 1)
                return False
            if self._awaited == "<":
                opening = text[found : found + len(CDATA)]
                if len(opening) < len(CDATA) and CDATA.startswith(opening):
                    self.resume = found
                    return False
                self._awaited, at = _terminator(opening), found + (len(opening) if opening == CDATA else 1)
            elif self._awaited in "\"'":
                self._awaited, at = ">", found + 1
            else:
                self.resume = found
                return True


def _terminator(opening: str) -> str:
    """What ends the markup that begins so. Raises XmlError for comments and document types."""
    if opening == CDATA:
        return "]]>"
    if opening.startswith("<?"):
        return "?>"
    if opening.startswith("<!"):
        raise XmlError("restricted-xml", "a comment or a document type")
    return ">"
