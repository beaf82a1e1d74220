"""The life of a room as the focus sees it, as a table."""

from __future__ import annotations

from enum import Enum


class RoomState(Enum):
    """Where the focus is with a room."""

    JOINING = "joining"
    """The presence is sent; the MUC has not confirmed it."""
    CONFIGURING = "configuring"
    """Occupant; the room's form is being read and set."""
    RUNNING = "running"
    """Participants are invited, requests are answered at once."""
    CLOSING = "closing"
    """Over; whatever still arrives is ignored."""


class RoomEvent(Enum):
    """What happens to a room."""

    JOINED = "joined"
    CONFIGURED = "configured"
    LOST = "lost"
    """The focus is no occupant any more, or cannot know: it joins again."""
    CLOSE = "close"


ROOM_TABLE: dict[tuple[RoomState, RoomEvent], RoomState] = {
    (RoomState.JOINING, RoomEvent.JOINED): RoomState.CONFIGURING,
    (RoomState.JOINING, RoomEvent.LOST): RoomState.JOINING,
    (RoomState.JOINING, RoomEvent.CLOSE): RoomState.CLOSING,
    (RoomState.CONFIGURING, RoomEvent.CONFIGURED): RoomState.RUNNING,
    (RoomState.CONFIGURING, RoomEvent.LOST): RoomState.JOINING,
    (RoomState.CONFIGURING, RoomEvent.CLOSE): RoomState.CLOSING,
    (RoomState.RUNNING, RoomEvent.LOST): RoomState.JOINING,
    (RoomState.RUNNING, RoomEvent.CLOSE): RoomState.CLOSING,
}


class WrongRoomState(Exception):
    """An event that has no place in the room's state."""


def following(state: RoomState, event: RoomEvent) -> RoomState:
    """The state after `event`. Raises WrongRoomState."""
    try:
        return ROOM_TABLE[state, event]
    except KeyError:
        raise WrongRoomState(f"{event.value} while {state.value}") from None
