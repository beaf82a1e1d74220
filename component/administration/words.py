"""What administrators are told when it cannot be done."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from component.focus.oversight import UnknownParticipant, UnknownRoom
from component.stanza_error import StanzaError

MAX_NAMED = 5
"""Names that are told where none is near."""


def in_words(error: UnknownRoom | UnknownParticipant) -> str:
    """What is wrong, and the nearest name that would not be."""
    if isinstance(error, UnknownRoom):
        rooms = error.rooms if "@" in error.room else [room.partition("@")[0] for room in error.rooms]
        return f"there is no meeting in {error.room:.100}{_instead(error.room, rooms)}"
    return f"nobody called {error.nick:.100} is in the meeting{_instead(error.nick, error.nicks)}"


def refusal_in_words(error: StanzaError) -> str:
    """Why the focus, or the XMPP server, does not do it."""
    return error.text or f"the XMPP server refuses it: {error.condition}"


def _instead(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f": did you mean {_harmless(near[0])}?"
    more = ", ..." if len(known) > MAX_NAMED else ""
    return f"; there are {', '.join(map(_harmless, known[:MAX_NAMED]))}{more}" if known else ""


def _harmless(name: str) -> str:
    """Somebody's own name, without what a terminal would obey."""
    return "".join(filter(str.isprintable, name))
