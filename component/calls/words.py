"""What callers are told by chat message, and what they can say (`help`, `pin NUMBER`)."""

from __future__ import annotations

from typing import Final

from component.calls.addresses import Callee

PIN_WANTED: Final = "This room wants a PIN before it takes the call. Please send it as: pin 1234"
PIN_RIGHT: Final = "Thank you. You can call now."
PIN_WRONG: Final = "That is not the PIN."
PIN_TOO_OFTEN: Final = "Too many guesses. Please wait a minute."
MUTED_BY_MODERATOR: Final = {
    "audio": "A moderator has muted your microphone. Unmute yourself when you want to speak.",
    "video": "A moderator has switched off your camera. Switch it off and on when you want to be seen.",
}
_HELP_ECHO: Final = "Call me, and I send back what I hear and see. Commands: help."
_HELP_ROOM: Final = "Call me to be in the meeting {room}. Commands: help, pin NUMBER."


def help_of(called: Callee) -> str:
    """What a callee can do."""
    return _HELP_ECHO if called.is_echo else _HELP_ROOM.format(room=called.name)


def pin_in(words: str) -> str | None:
    """The PIN in a chat message, None when it holds none."""
    command, _, rest = words.strip().partition(" ")
    return rest.strip() if command.lower() == "pin" and rest.strip() else None
