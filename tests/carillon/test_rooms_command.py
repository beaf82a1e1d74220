"""`carillon rooms` and `carillon participants`, with a component that says what the tests want."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import web

from carillon.cli import main
from carillon.control import Control
from carillon.meetings.table import WIDTH

ROOM = {
    "room": "weekly@conference.example.org",
    "since": 1_800_000_000.0,
    "seconds": 3900,
    "state": "running",
    "participants": 2,
    "audio": 1,
    "cameras": 2,
    "screens": 0,
    "full": False,
    "bridge": "default",
    "bridge_version": "1.2",
    "bridge_available": True,
    "bridge_trouble": "",
    "meeting_id": "m1",
}
QUALITY = {
    "connected": True,
    "way": {"protocol": "udp", "kind": "host", "address": "192.0.2.9:5000"},
    "rtt_ms": 12.0,
    "up_bps": 1_000_000,
    "down_bps": 2_000_000,
    "loss_up": 0.0,
    "loss_down": None,
    "jitter_ms": 1.0,
    "heights": [180, 360],
    "pictures": [],
    "payload_bps": 1,
}
ANN = {
    "nick": "8f26c11d",
    "name": "Ann with a name that is quite long for a table",
    "jid": "ann-with-a-long-name@guest.example.org",
    "since": 1_800_000_000.0,
    "seconds": 200,
    "role": "moderator",
    "affiliation": "owner",
    "kind": "browser",
    "session": "active",
    "sends": ["audio", "camera", "screen"],
    "muted": [],
    "bridge": "default",
    "quality": QUALITY,
}
CALLER = {**ANN, "nick": "bob", "name": "", "affiliation": "none", "role": "participant", "kind": "call"}


class Component:
    """The control API of a component, in a thread of its own; `asked` is what came."""

    def __init__(self, path: Path) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.answer: tuple[int, Any] = (200, {})
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._control = Control(str(path), lambda: None, [web.route("*", "/rooms{rest:.*}", self._on)])

    async def _on(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        self.asked.append((request.method, unquote(request.rel_url.raw_path), body))
        status, answer = self.answer
        return web.json_response(answer, status=status)

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._control.start(), self._loop).result(5)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._control.stop(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration of a component that may run or not."""
    path = tmp_path / "carillon.toml"
    path.write_text('[focus]\ncontrol = "component.sock"\n')
    return str(path)


@pytest.fixture
def component(config: str) -> Iterator[Component]:
    made = Component(Path(config).with_name("component.sock"))
    made.start()
    yield made
    made.stop()


Output = pytest.CaptureFixture[str]


def test_rooms_are_a_table(component: Component, config: str, capsys: Output) -> None:
    component.answer = (200, {"rooms": [ROOM, {**ROOM, "full": True, "bridge_available": False}]})
    assert main(["rooms", "--config", config]) == 0
    titles, first, second = capsys.readouterr().out.splitlines()
    assert titles.split() == ["ROOM", "FOR", "PEOPLE", "AUDIO", "CAMERAS", "SCREENS", "STATE", "BRIDGE"]
    assert "1 h 5 min" in first and "default 1.2" in first
    assert "2 (full)" in second and "does not answer" in second


def test_no_meeting_is_a_sentence(component: Component, config: str, capsys: Output) -> None:
    component.answer = (200, {"rooms": []})
    assert main(["rooms", "--config", config]) == 0
    assert capsys.readouterr().out == "There is no meeting.\n"


def test_participants_are_a_table_with_their_quality(
    component: Component, config: str, capsys: Output
) -> None:
    people = [ANN, CALLER, {**ANN, "nick": "c", "quality": None}]
    component.answer = (200, {"room": ROOM, "participants": people, "direct": False})
    assert main(["participants", "weekly", "--config", config]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert component.asked == [("GET", "/rooms/weekly/participants", None)]
    assert "3 here, for 1 h 5 min" in lines[0] and max(map(len, lines)) <= WIDTH
    quality = "UDP direct, round trip 12 ms, up 1.0 Mbit/s, down 2.0 Mbit/s, sends 180p/360p"
    assert [line.strip() for line in lines[4:8:2]] == [quality, f"call, {quality}"]
    assert "owner" in lines[3] and "participant" in lines[5]
    assert len(lines) == 8


def test_two_who_do_without_the_bridge_are_said_to(component: Component, config: str, capsys: Output) -> None:
    component.answer = (200, {"room": ROOM, "participants": [], "direct": True})
    assert main(["participants", "weekly", "--config", config]) == 0
    assert "directly between the two" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "answer"),
    [(["rooms"], {"rooms": [ROOM]}), (["participants", "weekly"], {"room": ROOM, "participants": [ANN]})],
)
def test_json_is_what_the_component_says(
    component: Component, config: str, capsys: Output, words: list[str], answer: dict[str, Any]
) -> None:
    component.answer = (200, answer)
    assert main([*words, "--json", "--config", config]) == 0
    assert json.loads(capsys.readouterr().out) == answer


@pytest.mark.parametrize(
    ("words", "path", "body"),
    [
        (["rooms", "end", "weekly"], "/rooms/weekly/end", {"reason": ""}),
        (["rooms", "end", "a/b@c", "--reason", "late"], "/rooms/a/b@c/end", {"reason": "late"}),
        (["participants", "w", "mute", "ann"], "/rooms/w/mute", {"nick": "ann", "media": "audio"}),
        (
            ["participants", "w", "mute", "ann", "desktop"],
            "/rooms/w/mute",
            {"nick": "ann", "media": "desktop"},
        ),
        (
            ["participants", "w", "remove", "an n/", "--reason", "x"],
            "/rooms/w/remove",
            {"nick": "an n/", "reason": "x"},
        ),
    ],
)
def test_deeds_are_asked_of_the_component(
    component: Component, config: str, words: list[str], path: str, body: dict[str, str]
) -> None:
    assert main([*words, "--config", config]) == 0
    assert component.asked == [("POST", path, body)]


def test_a_deed_that_is_done_says_nothing(component: Component, config: str, capsys: Output) -> None:
    assert main(["rooms", "end", "weekly", "--config", config]) == 0
    assert capsys.readouterr().out == ""


def test_what_the_component_refuses_is_said(component: Component, config: str, capsys: Output) -> None:
    component.answer = (404, {"error": "there is no meeting in x: did you mean weekly?"})
    assert main(["rooms", "end", "x", "--config", config]) == 1
    assert capsys.readouterr().err == "carillon: there is no meeting in x: did you mean weekly?\n"


def test_something_else_on_the_socket_is_said(component: Component, config: str, capsys: Output) -> None:
    component.answer = (500, "what?")
    assert main(["rooms", "--config", config]) == 1
    assert "no component of this version (status 500)" in capsys.readouterr().err


def test_a_component_that_does_not_run_is_said_with_how_to_start_it(config: str, capsys: Output) -> None:
    assert main(["rooms", "--config", config]) == 1
    said = capsys.readouterr().err
    assert "does not answer" in said and "`carillon run`" in said


def test_another_user_is_told_to_be_the_right_one(
    config: str, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(config).with_name("component.sock").touch()
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert main(["rooms", "--config", config]) == 1
    assert "as the user that it runs as" in capsys.readouterr().err


def test_without_a_control_socket_nothing_can_be_asked(tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / "carillon.toml"
    path.write_text('[focus]\ncontrol = ""\n')
    assert main(["rooms", "--config", str(path)]) == 1
    assert "focus.control" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rooms", "end"], "say which ROOM"),
        (["rooms", "list", "weekly"], "carillon participants ROOM"),
        (["rooms", "--reason", "x"], "no --reason"),
        (["participants"], "ROOM"),
        (["participants", "w", "mute"], "say whom"),
        (["participants", "w", "remove"], "say whom"),
        (["participants", "w", "list", "ann"], "takes no NICK"),
        (["participants", "w", "remove", "ann", "audio"], "takes no audio"),
        (["participants", "w", "mute", "ann", "--reason", "x"], "--reason is for remove"),
        (["participants", "w", "mute", "ann", "smell"], "smell"),
    ],
)
def test_a_wrong_command_line_is_said(config: str, capsys: Output, words: list[str], said: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*words, "--config", config])
    assert caught.value.code == 2
    assert said in capsys.readouterr().err
