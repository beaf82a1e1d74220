"""What callers are told by chat message, and what they can say (`help`, `pin NUMBER`)."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from component.calls.addresses import Callee
from component.calls.admission import Guess
from component.calls.reasons import WRONG_PIN
from component.focus.occupant import local_name
from component.stanza import COMPONENT_NS, message

MAX_CHARS: Final = 4000
"""Of a chat message: what is longer is cut."""
ENCRYPTION: Final = "{urn:xmpp:eme:0}encryption"
"""Marks a message whose body is no more than a wrapping (XEP-0380)."""

PIN_WANTED: Final = "This room wants a PIN before it takes the call. Please send it as: pin 1234"
PIN_ANSWERS: Final = {
    Guess.RIGHT: "Thank you. You can call now.",
    Guess.WRONG: "That is not the PIN.",
    Guess.TOO_MANY: WRONG_PIN.text,
    Guess.CROWDED: "Too many people try PINs at the moment. Please try again in a moment.",
}
NOT_READABLE: Final = (
    "Encrypted messages cannot be passed on to the room: it would read no more than their wrapping."
)
MUTED_BY_MODERATOR: Final = {
    "audio": "A moderator has muted your microphone. Unmute yourself when you want to speak.",
    "video": "A moderator has switched off your camera. Switch it off and on when you want to be seen.",
}
_HELP_ECHO: Final = "Call me, and I send back what I hear and see. Commands: help."
_HELP_ROOM: Final = (
    "Call me to be in the meeting {room}. Commands: help, pin NUMBER. During the call everything else that"
    " you write here is said in the room."
)


def help_of(called: Callee) -> str:
    """What a callee can do."""
    return _HELP_ECHO if called.is_echo else _HELP_ROOM.format(room=called.name)


def is_help(words: str) -> bool:
    """Whether somebody asks what a callee can do."""
    return words.lower() == "help"


def pin_in(words: str) -> str | None:
    """The PIN in a chat message, None when it holds none."""
    command, _, rest = words.strip().partition(" ")
    return rest.strip() if command.lower() == "pin" and rest.strip() else None


def body_of(stanza: Element) -> str:
    """What a message says in words, cut to a length that is still read; "" = nothing."""
    found = next((child.text or "" for child in stanza if local_name(child) == "body"), "")
    return found.strip()[:MAX_CHARS]


def said(type: str, to: str, from_: str, text: str) -> Element:
    """A `<message/>` with these words."""
    body = Element(f"{{{COMPONENT_NS}}}body")
    body.text = text
    return message(type, to, from_, body)
