"""The ad-hoc commands as a table: what each asks, stage by stage, and what it does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from carillon.meetings.words import duration, quality
from component.administration.data_form import Field, Option, Table
from component.focus.oversight import MAX_REASON_CHARS, MEDIA, Oversight

MAX_OPTIONS = 200
MAX_OPTION_CHARS = 40_000
"""Choices in a list, and the length of all together; where there is more, the answer is typed."""
MAX_ROWS = 150
"""Rows of a table that somebody looks at in a chat client."""
MAX_CELL_CHARS = 80
"""Of other people's names in a table: with all rows of the worst ones, a stanza is not too large to send."""

Answers = Mapping[str, str]
"""What was filled in so far, by var."""
_MEDIA_WORDS = {"audio": "the microphone", "video": "the camera", "desktop": "the shared screen"}


@dataclass(frozen=True)
class Outcome:
    """What a command that was carried out has to say."""

    note: str = ""
    table: Table | None = None


@dataclass(frozen=True)
class Question:
    """One field of a stage."""

    var: str
    label: str
    choices: Callable[[Oversight, Answers], list[Option]] | None = None
    """What may be answered, as it is now; None: any text."""
    nothing: str = ""
    """Said when there is nothing to choose."""
    required: bool = True

    def field(self, oversight: Oversight, answers: Answers) -> Field | None:
        """The question as it is asked now; None when there is nothing to choose. Raises UnknownRoom."""
        given = answers.get(self.var, "")
        if self.choices is None:
            return Field(self.var, self.label, required=self.required, value=given)
        options = self.choices(oversight, answers)
        if not options:
            return None
        chars = sum(len(option.value) + len(option.label) for option in options)
        if len(options) > MAX_OPTIONS or chars > MAX_OPTION_CHARS:
            return Field(self.var, self.label, required=self.required, value=given)
        known = given if any(option.value == given for option in options) else ""
        return Field(self.var, self.label, "list-single", self.required, tuple(options), known)


@dataclass(frozen=True)
class Stage:
    """What is asked at a time."""

    instructions: str
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Command:
    """One command: at most two stages, then it is carried out on behalf of a bare JID."""

    title: str
    stages: tuple[Stage, ...]
    run: Callable[[Oversight, Answers, str], Awaitable[Outcome]]
    """Raises UnknownRoom, UnknownParticipant, StanzaError."""


def _rooms_now(oversight: Oversight, answers: Answers) -> list[Option]:
    return [Option(room, room) for room in oversight.names()]


def _people_now(oversight: Oversight, answers: Answers) -> list[Option]:
    people = oversight.nicks(answers["room"])
    return [Option(nick, f"{name} ({nick})" if name else nick) for nick, name in people.items()]


def _media(oversight: Oversight, answers: Answers) -> list[Option]:
    return [Option(medium, _MEDIA_WORDS[medium]) for medium in MEDIA]


async def _show_rooms(oversight: Oversight, answers: Answers, by: str) -> Outcome:
    rooms = await oversight.rooms()
    rows = [
        {
            "room": _cut(one.room),
            "since": _moment(one.since),
            "for": duration(one.seconds),
            "participants": f"{one.participants}{' (full)' if one.full else ''}",
            "sends": f"{one.audio} audio, {one.cameras} cameras, {one.screens} screens",
            "state": one.state,
            "bridge": " ".join(filter(None, (one.bridge, one.bridge_version))),
            "meeting": one.meeting_id,
        }
        for one in rooms[:MAX_ROWS]
    ]
    columns = {
        "room": "Room",
        "since": "Since",
        "for": "For",
        "participants": "Participants",
        "sends": "Sending",
        "state": "State",
        "bridge": "Bridge",
        "meeting": "Conference at the bridge",
    }
    return Outcome(_left_out(len(rooms)) if rows else _NO_MEETING, Table(columns, rows) if rows else None)


async def _show_participants(oversight: Oversight, answers: Answers, by: str) -> Outcome:
    found = await oversight.participants(answers["room"])
    rows = [
        {
            "nick": _cut(one.nick),
            "name": _cut(one.name),
            "jid": _cut(one.jid),
            "for": duration(one.seconds),
            "role": f"{one.role} ({one.affiliation})",
            "kind": one.kind,
            "session": one.session,
            "sends": ", ".join(one.sends),
            "muted": ", ".join(one.muted),
            "quality": quality(asdict(one.quality) if one.quality else None),
        }
        for one in found.participants[:MAX_ROWS]
    ]
    columns = {
        "nick": "Nick",
        "name": "Name",
        "jid": "JID",
        "for": "For",
        "role": "Role",
        "kind": "Kind",
        "session": "Media session",
        "sends": "Sending",
        "muted": "Muted",
        "quality": "Quality",
    }
    notes = [_left_out(len(found.participants)), "Media go directly between the two." if found.direct else ""]
    if not rows:
        notes = [_NOBODY]
    return Outcome(" ".join(filter(None, notes)), Table(columns, rows) if rows else None)


async def _mute(oversight: Oversight, answers: Answers, by: str) -> Outcome:
    oversight.mute(answers["room"], answers["nick"], answers["media"], by)
    return Outcome(f"{answers['nick']} was told to switch off {_MEDIA_WORDS[answers['media']]}.")


async def _remove(oversight: Oversight, answers: Answers, by: str) -> Outcome:
    await oversight.remove(answers["room"], answers["nick"], answers.get("reason", ""), by)
    return Outcome(f"{answers['nick']} was removed.")


async def _end(oversight: Oversight, answers: Answers, by: str) -> Outcome:
    await oversight.end(answers["room"], answers.get("reason", ""), by)
    return Outcome(f"The meeting in {answers['room']} was ended.")


def _moment(since: float) -> str:
    return datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # XEP-0082


def _cut(name: str) -> str:
    return name if len(name) <= MAX_CELL_CHARS else f"{name[: MAX_CELL_CHARS - 1]}…"


def _left_out(rows: int) -> str:
    return f"{rows - MAX_ROWS} more are not shown." if rows > MAX_ROWS else ""


_NO_MEETING = "There is no meeting."
_NOBODY = "Nobody is in the room."
_ROOM = Question("room", "Room", _rooms_now, nothing=_NO_MEETING)
_NICK = Question("nick", "Participant", _people_now, nothing=_NOBODY)
_REASON = Question(
    "reason", f"Reason, as it is shown (at most {MAX_REASON_CHARS} characters)", required=False
)
_WHICH_ROOM = Stage("Choose a room with a meeting.", (_ROOM,))

COMMANDS: dict[str, Command] = {
    "rooms": Command("List meetings", (), _show_rooms),
    "participants": Command("List the participants of a meeting", (_WHICH_ROOM,), _show_participants),
    "mute": Command(
        "Mute a participant",
        (
            _WHICH_ROOM,
            Stage(
                "Choose whom to mute. People may unmute themselves.",
                (_NICK, Question("media", "What to switch off", _media)),
            ),
        ),
        _mute,
    ),
    "remove": Command(
        "Remove a participant",
        (_WHICH_ROOM, Stage("Choose whom to remove. People may come back.", (_NICK, _REASON))),
        _remove,
    ),
    "end": Command(
        "End a meeting",
        (Stage("Choose the meeting to end for everybody.", (_ROOM, _REASON)),),
        _end,
    ),
}
"""By node, in the order in which they are listed."""
