"""What a tab goes through while something behind it restarts: gaps of media, invitations, who left.

watch = Watch(tab)            # of a tab that was opened with script=WATCH
begin = now_ms()
...
assert (await watch.silences(begin))["WHO video"] < 500
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.harness import Participant, eventually

WATCH = (Path(__file__).parent / "pages" / "watch.js").read_text()
"""The script that must run in a tab before its page."""
MEDIA = ("audio", "video")


def now_ms() -> float:
    """This moment as tabs on this machine count it."""
    return time.time() * 1000


@dataclass(frozen=True)
class Watch:
    """One tab under watch."""

    tab: Participant
    id: str
    """Its endpoint id."""

    async def silences(self, begin: float, end: float | None = None) -> dict[str, int]:
        """How long at most nothing came (ms, ± 100), by stream ("WHO audio"; "* audio" = anybody's)."""
        found = await self.tab.evaluate(
            "([begin, end]) => window.watched.silences(begin, end)", [begin, end or now_ms()]
        )
        streams: dict[str, int] = found["streams"]
        return streams

    async def longest_silence(
        self,
        others: AbstractSet[str],
        begin: float,
        end: float | None = None,
        muted: AbstractSet[str] = frozenset(),
    ) -> int:
        """The longest of all streams of these others (ms); each of them must have come at some time.

        The sound of who is in `muted` does not count: nothing is sent while somebody is muted.
        """
        streams = await self.silences(begin, end)
        wanted = {
            f"{who} {media}" for who in others for media in MEDIA if media != "audio" or who not in muted
        }
        assert wanted <= set(streams), f"{self.id} has never got {wanted - set(streams)}"
        return max(streams[stream] for stream in wanted)

    async def longest_blackout(
        self, begin: float, end: float | None = None, media: Sequence[str] = MEDIA
    ) -> int:
        """The longest time for which nothing of one of these media came from anybody (ms)."""
        streams = await self.silences(begin, end)
        return max(streams[f"* {one}"] for one in media)

    async def notes(self, begin: float) -> list[list[Any]]:
        """What was noted since: [moment, word, details ...]; see pages/watch.js."""
        found: list[list[Any]] = await self.tab.evaluate("begin => window.watched.notes(begin)", begin)
        return found

    async def words(self, begin: float) -> list[str]:
        """The words of these notes, those of Jingle with their action."""
        return [
            f"jingle {detail[0]}" if word == "jingle" else word
            for _, word, *detail in await self.notes(begin)
        ]

    async def mutes(self, who: str, begin: float) -> list[bool]:
        """How this tab has seen somebody mute and unmute since."""
        return [note[3] for note in await self.notes(begin) if note[1] == "muted" and note[2] == who]

    async def gets(self, who: str, begin: float, timeout_s: float, media: Sequence[str] = MEDIA) -> float:
        """Wait until sound and picture of somebody come; the seconds from `begin` to the later of the two."""
        streams = [f"{who} {one}" for one in media]

        async def came() -> float | None:
            times = [
                await self.tab.evaluate("stream => window.watched.risen(...stream)", [stream, begin])
                for stream in streams
            ]
            return None if None in times else max(times)

        try:
            at: float = await eventually(f"{self.id} gets {who}", came, timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{await self.tab.story()}") from None
        return (at - begin) / 1000


def uninvited(words: list[str]) -> list[str]:
    """What must not be among `words` when nobody is to notice a restart."""
    disturbing = ("jingle session-", "jingle transport-replace", "focus-left", "left", "stream-")
    return [word for word in words if word.startswith(disturbing)]
