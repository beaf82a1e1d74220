"""Administration as a service: who sees commands, what they answer on the wire, and the control routes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
import structlog

from carillon.control import Control, ask
from carillon.settings import AdminSettings
from component.administration import data_form
from component.administration.command import COMMAND, NAMESPACE
from component.administration.commands import COMMANDS, MAX_ROWS
from component.administration.service import Administration
from component.disco import DISCO_INFO_NS, DISCO_ITEMS_NS, FOCUS, Disco
from component.link.link import MAX_STANZA_BYTES
from component.main import Component
from component.stanza import serialise
from component.stanza_error import StanzaError
from tests.component.fake_link import FakeLink
from tests.component.focus_room import presence
from tests.component.oversight_house import MUC, House, settings_of_administrators
from tests.component.prosody import settings_in
from tests.component.test_data_form import submission

ROOT = "root@meet.lab"
INFO, ITEMS = f"{{{DISCO_INFO_NS}}}query", f"{{{DISCO_ITEMS_NS}}}query"
WEEKLY = f"weekly@{MUC}"


class Host:
    """The focus's host with one administrator and a meeting of ann and bob."""

    def __init__(self) -> None:
        self.link = FakeLink("focus.meet.lab")
        self.house = House("weekly")
        self.house.room("weekly").join("ann", "bob")
        settings = settings_of_administrators(ROOT)
        self.administration = Administration(self.link, self.house.oversight, settings, clock=lambda: 0.0)
        Disco(self.link, FOCUS, ()).extend(self.administration)

    def ask(self, payload: Element, sender: str = f"{ROOT}/desk", type: str = "get", to: str = "") -> Element:
        """An IQ that is answered at once."""
        return self.link.ask(payload, sender, to=to, type=type)

    def command(self, node: str, sender: str = f"{ROOT}/desk", **attributes: str) -> Element:
        """A command that is answered at once."""
        return self.ask(Element(COMMAND, {"node": node, **attributes}), sender, "set")

    async def carried_out(self, command: Element) -> Element:
        """The answer to a command that takes a while."""
        request = Element("{jabber:component:accept}iq", {"type": "set", "to": self.link.domain, "id": "8"})
        request.set("from", f"{ROOT}/desk")
        request.append(command)
        self.link._dispatch.receive(request)
        async with asyncio.timeout(5):
            while not self.link.sent:  # noqa: ASYNC110
                await asyncio.sleep(0)
        return self.link.sent.pop()[0]


@pytest.fixture
def host() -> Host:
    return Host()


def features(info: Element) -> set[str]:
    return {one.get("var", "") for one in info.findall(f"{{{DISCO_INFO_NS}}}feature")}


def refused(error: StanzaError) -> tuple[str, str, str | None]:
    app = None if error.app is None else error.app.tag.removeprefix(f"{{{NAMESPACE}}}")
    return error.condition, error.type, app


# Who sees commands


def test_an_administrator_finds_the_commands(host: Host) -> None:
    assert NAMESPACE in features(host.ask(Element(INFO)))
    items = host.ask(Element(ITEMS, {"node": NAMESPACE}))
    assert [(one.get("jid"), one.get("node")) for one in items] == [
        ("focus.meet.lab", node) for node in COMMANDS
    ]
    info = host.ask(Element(INFO, {"node": "mute"}))
    identity = info.find(f"{{{DISCO_INFO_NS}}}identity")
    assert identity is not None
    assert (identity.get("category"), identity.get("type")) == ("automation", "command-node")
    assert features(info) == {NAMESPACE, data_form.NAMESPACE}


@pytest.mark.parametrize(
    "sender",
    [
        "ann@meet.lab/x",
        "root@meet.lab.evil/x",
        "root@guest.meet.lab/x",
        f"{WEEKLY}/root@meet.lab",
        "meet.lab",
    ],
)
def test_who_is_none_sees_no_command_and_is_forbidden_all(host: Host, sender: str) -> None:
    assert NAMESPACE not in features(host.ask(Element(INFO), sender))
    assert len(host.ask(Element(ITEMS, {"node": NAMESPACE}), sender)) == 0
    for node in (NAMESPACE, "mute"):
        with pytest.raises(StanzaError) as caught:
            host.ask(Element(INFO, {"node": node}), sender)
        assert refused(caught.value) == ("forbidden", "cancel", None)
    for node in ("rooms", "unknown"):
        with pytest.raises(StanzaError) as caught:
            host.command(node, sender)
        assert refused(caught.value) == ("forbidden", "cancel", None)


def test_an_attempt_is_logged_once_for_each_stranger(host: Host) -> None:
    with structlog.testing.capture_logs() as log:
        for sender in ("ann@meet.lab/1", "ann@meet.lab/2", "bob@meet.lab/1"):
            with pytest.raises(StanzaError):
                host.command("rooms", sender)
    assert [entry["jid"] for entry in log] == ["ann@meet.lab", "bob@meet.lab"]


@pytest.mark.parametrize("to", ["focus@focus.meet.lab/focus", "focus@focus.meet.lab"])
def test_commands_are_at_the_host_itself_only(host: Host, to: str) -> None:
    with pytest.raises(StanzaError, match="item-not-found"):
        host.ask(Element(ITEMS, {"node": NAMESPACE}), to=to)
    with pytest.raises(StanzaError, match="service-unavailable"):
        host.ask(Element(COMMAND, {"node": "rooms"}), type="set", to=to)


def test_other_administrators_take_effect_at_once_in_sessions_too(host: Host) -> None:
    session = host.command("end").get("sessionid", "")
    host.administration.reload(settings_of_administrators("second@meet.lab"))
    with pytest.raises(StanzaError, match="forbidden"):
        host.command("end", sessionid=session)
    assert host.command("end", "second@meet.lab/x").get("status") == "executing"


def test_a_reload_of_the_component_brings_other_administrators(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    component = Component(settings)
    component.reload(replace(settings, admin=AdminSettings((ROOT,))))
    assert NAMESPACE in component._administration.features(f"{ROOT}/desk")


# On the wire


def test_a_stage_says_what_may_come_next_and_in_which_language(host: Host) -> None:
    answer = host.command("mute", **{"{http://www.w3.org/XML/1998/namespace}lang": "de-AT"})
    assert answer.get("{http://www.w3.org/XML/1998/namespace}lang") == "en"
    assert (answer.get("node"), answer.get("status")) == ("mute", "executing")
    (actions,) = answer.findall(f"{{{NAMESPACE}}}actions")
    assert actions.get("execute") == "next" and [one.tag for one in actions] == [f"{{{NAMESPACE}}}next"]


def test_the_actions_stand_in_the_order_of_the_schema(host: Host) -> None:
    first = Element(COMMAND, {"node": "mute", "sessionid": host.command("mute").get("sessionid", "")})
    first.append(submission(("room", WEEKLY)))
    (actions,) = host.ask(first, type="set").findall(f"{{{NAMESPACE}}}actions")
    assert [one.tag.rpartition("}")[2] for one in actions] == ["prev", "complete"]
    assert actions.get("execute") == "complete"


@pytest.mark.parametrize(
    ("attributes", "specific"),
    [
        ({"node": "mute", "action": "jump"}, "malformed-action"),
        ({"node": "mute", "action": "prev"}, "bad-action"),
        ({"node": "mute", "sessionid": "s1"}, "bad-sessionid"),
        ({"node": "mute", "sessionid": "s" * 300}, "bad-sessionid"),
        ({"node": "mute", "{http://www.w3.org/XML/1998/namespace}lang": "no language"}, "bad-locale"),
        ({"node": ""}, None),
        ({"node": "n" * 300}, None),
    ],
)
def test_requests_that_make_no_sense(host: Host, attributes: dict[str, str], specific: str | None) -> None:
    with pytest.raises(StanzaError) as caught:
        host.ask(Element(COMMAND, attributes), type="set")
    assert refused(caught.value) == ("bad-request", "modify", specific)


def test_a_form_that_is_none_is_a_bad_payload(host: Host) -> None:
    command = Element(COMMAND, {"node": "end", "sessionid": host.command("end").get("sessionid", "")})
    command.append(submission(("room", WEEKLY), ("room", WEEKLY)))
    with pytest.raises(StanzaError) as caught:
        host.ask(command, type="set")
    assert refused(caught.value) == ("bad-request", "modify", "bad-payload")


async def test_rooms_are_listed_in_a_result(host: Host) -> None:
    answer = await host.carried_out(Element(COMMAND, {"node": "rooms"}))
    assert answer.get("status") == "completed"
    (form,) = answer.findall(data_form.FORM)
    values = {
        field.get("var"): field.findtext(f"{{{data_form.NAMESPACE}}}value")
        for field in form.findall(f"{{{data_form.NAMESPACE}}}item/{{{data_form.NAMESPACE}}}field")
    }
    assert (values["room"], values["participants"], values["state"]) == (WEEKLY, "2", "running")


async def test_the_worst_names_do_not_make_a_table_too_large_to_send(host: Host) -> None:
    host.house.room("weekly").join(*(f"{number:03}{'&' * 900}" for number in range(MAX_ROWS + 10)))
    first = Element(COMMAND, {"node": "participants"})
    first.set("sessionid", host.command("participants").get("sessionid", ""))
    first.append(submission(("room", WEEKLY)))
    answer = await host.carried_out(first)
    assert len(answer.findall(f"{data_form.FORM}/{{{data_form.NAMESPACE}}}item")) == MAX_ROWS
    assert answer.findtext(f"{{{NAMESPACE}}}note") == "12 more are not shown."
    assert len(serialise(answer)) < MAX_STANZA_BYTES


async def test_without_meetings_a_note_says_so(host: Host) -> None:
    host.house.rooms.clear()
    answer = await host.carried_out(Element(COMMAND, {"node": "rooms"}))
    assert answer.findtext(f"{{{NAMESPACE}}}note") == "There is no meeting."
    assert answer.find(data_form.FORM) is None


async def test_a_participant_that_left_meanwhile_is_an_error_note(host: Host) -> None:
    command = Element(COMMAND, {"node": "remove", "sessionid": host.command("remove").get("sessionid", "")})
    command.append(submission(("room", WEEKLY)))
    host.ask(command, type="set")
    command.remove(command[0])
    command.append(submission(("nick", "bob"), ("reason", "")))
    conference = host.house.room("weekly").conference
    kick = conference.remove

    def too_late(ticket: int, nick: str, reason: str) -> list[object]:
        raise StanzaError("item-not-found", "not a participant of the conference")

    conference.remove = too_late  # type: ignore[assignment]
    answer = await host.carried_out(command)
    conference.remove = kick  # type: ignore[method-assign]
    (note,) = answer.findall(f"{{{NAMESPACE}}}note")
    assert (answer.get("status"), note.get("type")) == ("completed", "error")


# Over the control API


@pytest.fixture
async def socket(host: Host, tmp_path: Path) -> AsyncIterator[str]:
    """The control socket of the host."""
    path = str(tmp_path / "control.sock")
    control = Control(path, lambda: None, host.administration.routes())
    await control.start()
    yield path
    await control.stop()


async def test_rooms_and_participants_as_json(socket: str) -> None:
    status, text = await ask(socket, "/rooms")
    assert status == 200 and [room["room"] for room in json.loads(text)["rooms"]] == [WEEKLY]
    status, text = await ask(socket, f"/rooms/{WEEKLY}/participants")
    assert status == 200 and [one["nick"] for one in json.loads(text)["participants"]] == ["ann", "bob"]


async def test_the_operator_mutes_removes_and_ends(host: Host, socket: str) -> None:
    with structlog.testing.capture_logs() as log:
        for deed, body in (
            ("mute", {"nick": "bob", "media": "video"}),
            ("remove", {"nick": "bob", "reason": "noise"}),
            ("end", {}),
        ):
            assert await ask(socket, f"/rooms/weekly/{deed}", body=body) == (200, "{}")
    deeds = [(one["deed"], one["by"]) for one in log if one["event"] == "an administrator has acted"]
    assert deeds == [(deed, "the operator") for deed in ("mute", "remove", "end")]


@pytest.mark.parametrize(
    ("resource", "body", "status", "text"),
    [
        ("weekley/participants", None, 404, "did you mean weekly?"),
        (f"weekley@{MUC}/participants", None, 404, f"did you mean {WEEKLY}?"),
        ("zzz/end", {}, 404, "there are weekly"),
        ("weekly/mute", {"nick": "an"}, 404, "did you mean ann?"),
        ("weekly/mute", {"nick": "ann", "media": "smell"}, 400, "media"),
        ("weekly/mute", {"media": "audio"}, 400, "nick"),
        ("weekly/remove", {"nick": "ann", "media": "audio"}, 400, "unknown: 'media'"),
        ("%2e%2e%2frooms/end", {}, 404, "no meeting"),
    ],
)
async def test_what_cannot_be_done_is_said_in_words(
    socket: str, resource: str, body: dict[str, str] | None, status: int, text: str
) -> None:
    found, answer = await ask(socket, f"/rooms/{resource}", body=body)
    assert found == status and text in json.loads(answer)["error"]


@pytest.mark.parametrize("body", [[1], {"nick": 1}, "x"])
async def test_a_body_of_another_kind_is_refused(socket: str, body: object) -> None:
    status, answer = await ask(socket, "/rooms/weekly/mute", body=body)  # type: ignore[arg-type]
    assert status == 400 and "object of texts" in json.loads(answer)["error"]


async def test_a_refusal_of_the_server_is_a_conflict(host: Host, socket: str) -> None:
    host.house.room("weekly").receive(presence("bob", role="visitor", room=WEEKLY))
    status, answer = await ask(socket, "/rooms/weekly/mute", body={"nick": "bob"})
    assert status == 409 and "silent" in json.loads(answer)["error"]
