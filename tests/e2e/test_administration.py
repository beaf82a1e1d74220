"""Administrators look after meetings, by ad-hoc commands of an unchanged slixmpp and by `carillon` itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from slixmpp import ClientXMPP
from slixmpp.exceptions import IqError

from carillon.settings import load
from component.focus.occupant import MUC_USER
from tests.component.guest import MUC, Guest
from tests.dev_server import DevServer
from tests.e2e.harness import Meeting, eventually, room_name

WAIT_S = 15.0
FOCUS = "focus.localhost"
COMMANDS = "http://jabber.org/protocol/commands"
PERSISTENT = (
    "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>"
    "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
    "<field var='muc#roomconfig_persistentroom'><value>1</value></field></x></query>"
)


@pytest.fixture(scope="module", params=["prosody", "ejabberd"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    """A deployment whose administrator is root."""
    options = ("--user", "root:r", "--user", "mallory:m", "--set", 'admin.jids=["root@localhost"]')
    directory = tmp_path_factory.mktemp("administration") / "dev"
    with DevServer(directory, "--server", request.param, *options) as server:
        yield server


class Person:
    """A slixmpp client with its plugin for ad-hoc commands."""

    def __init__(self, xmpp: Any) -> None:
        self.xmpp = xmpp

    async def command(self, node: str, *stages: dict[str, str]) -> Any:
        """Carry out a command, one stage after the other; the last answer."""
        plugin = self.xmpp.plugin["xep_0050"]
        answer = await plugin.send_command(FOCUS, node, timeout=WAIT_S)
        for answers in stages:
            session, form = answer["command"]["sessionid"], answer["command"]["form"]
            assert answer["command"]["status"] == "executing"
            assert set(answers) <= set(form.get_fields()), form
            reply = self.xmpp.plugin["xep_0004"].make_form(ftype="submit")
            for var, value in answers.items():
                reply.add_field(var=var, value=value)
            last = "complete" in answer["command"]["actions"]
            answer = await plugin.send_command(
                FOCUS,
                node,
                action="complete" if last else "next",
                payload=reply,
                sessionid=session,
                timeout=WAIT_S,
            )
        return answer["command"]


@contextlib.asynccontextmanager
async def person(house: DevServer, name: str, password: str) -> AsyncIterator[Person]:
    """Somebody with an account, logged in."""
    xmpp: Any = ClientXMPP(
        f"{name}@localhost", password, plugin_config={"feature_mechanisms": {"unencrypted_scram": True}}
    )
    xmpp.enable_plaintext = True
    xmpp.enable_starttls = xmpp.enable_direct_tls = False
    for plugin in ("xep_0030", "xep_0004", "xep_0050"):
        xmpp.register_plugin(plugin)
    started = asyncio.get_running_loop().create_future()
    xmpp.add_event_handler("session_start", started.set_result)
    xmpp.connect(*house.endpoints["c2s"])
    async with asyncio.timeout(WAIT_S):
        await started
    yield Person(xmpp)
    await xmpp.disconnect()


@contextlib.asynccontextmanager
async def meeting_of(house: DevServer, room: str, *nicks: str) -> AsyncIterator[list[Guest]]:
    """Scripted participants with active sessions at the real bridge; the first one is owner."""
    settings = load(Path(house.endpoints["config"]))
    guests = [await Guest.login(settings, room, nick) for nick in nicks]
    for guest in guests:
        await guest.enter()
    for number, guest in enumerate(guests):
        await guest.accept(100 * (number + 1))
        await guest.until(lambda: nicks[0] in guest.owners)  # noqa: B023
    yield guests
    for guest in guests:
        await guest.client.close()


def fate(guest: Guest) -> tuple[set[str], str | None]:
    """Status codes and reason with which the room let a guest go; codes have `destroyed` for its end."""
    gone = guest.presences[guest.nick]
    told = gone.find(f"{{{MUC_USER}}}x")
    assert gone.get("type") == "unavailable" and told is not None
    codes = {status.get("code", "") for status in told.iterfind(f"{{{MUC_USER}}}status")}
    destroy = told.find(f"{{{MUC_USER}}}destroy")
    if destroy is not None:
        return codes | {"destroyed"}, destroy.findtext(f"{{{MUC_USER}}}reason")
    return codes, told.findtext(f"{{{MUC_USER}}}item/{{{MUC_USER}}}reason")


async def gone(guest: Guest) -> tuple[set[str], str | None]:
    """Wait until the room has let a guest go."""
    await guest.until(lambda: guest.presences[guest.nick].get("type") == "unavailable")
    return fate(guest)


async def test_an_administrator_lists_mutes_removes_and_ends(house: DevServer) -> None:
    room = f"weekly@{MUC}"
    async with (
        meeting_of(house, "weekly", "aaaa1111", "bbbb2222", "cccc3333") as (first, second, third),
        person(house, "root", "r") as root,
    ):
        info = await root.xmpp.plugin["xep_0030"].get_info(FOCUS)
        assert COMMANDS in info["disco_info"]["features"]
        listed = await root.xmpp.plugin["xep_0050"].get_commands(FOCUS)
        assert {node for _, node, _ in listed["disco_items"]["items"]} == {
            "rooms",
            "participants",
            "mute",
            "remove",
            "end",
        }
        (row,) = (await root.command("rooms"))["form"].get_items()
        assert (row["room"], row["participants"], row["state"]) == (room, "3", "running")
        people = (await root.command("participants", {"room": room}))["form"].get_items()
        assert [one["nick"] for one in people] == [first.nick, second.nick, third.nick]
        assert {one["session"] for one in people} == {"active"}

        await root.command("mute", {"room": room}, {"nick": second.nick, "media": "audio"})
        await second.until(lambda: second.muted)
        assert (second.muted[0].media, second.muted[0].actor) == ("audio", f"{room}/focus")

        removed = await root.command("remove", {"room": room}, {"nick": first.nick, "reason": "too loud"})
        assert removed["notes"] == [("info", f"{first.nick} was removed.")]
        codes, reason = await gone(first)
        assert "307" in codes and reason == "too loud"
        await second.until(lambda: second.nick in second.owners)

        await root.command("end", {"room": room, "reason": "The server is updated."})
        for guest in (second, third):
            codes, reason = await gone(guest)
            assert "destroyed" in codes and reason == "The server is updated."
        assert (await root.command("rooms"))["notes"] == [("info", "There is no meeting.")]
    assert house.log().count("an administrator has acted") == 3


async def test_who_is_no_administrator_sees_nothing_and_may_nothing(house: DevServer) -> None:
    async with person(house, "mallory", "m") as mallory:
        info = await mallory.xmpp.plugin["xep_0030"].get_info(FOCUS)
        assert COMMANDS not in info["disco_info"]["features"]
        listed = await mallory.xmpp.plugin["xep_0050"].get_commands(FOCUS)
        assert not listed["disco_items"]["items"]
        with pytest.raises(IqError) as caught:
            await mallory.command("rooms")
        assert caught.value.condition == "forbidden"


async def test_a_persistent_room_is_left_with_its_owner(house: DevServer) -> None:
    async with meeting_of(house, "office", "aaaa1111", "bbbb2222") as (first, second):
        configured = await first.ask(fromstring(PERSISTENT), first.room)
        assert configured.get("type") == "result"
        status, said = await carillon(house, "rooms", "end", "office", "--reason", "Good night.")
        assert (status, said) == (0, "")
        for guest in (first, second):
            codes, reason = await gone(guest)
            assert "307" in codes and reason == "Good night."
        await first.enter()
        await first.until(lambda: first.presences[first.nick].get("type") is None)
        item = first.presences[first.nick].find(f".//{{{MUC_USER}}}item")
        assert item is not None and item.get("affiliation") == "owner"


async def test_the_operator_does_the_same_on_the_command_line(house: DevServer) -> None:
    async with meeting_of(house, "daily", "aaaa1111", "bbbb2222") as (first, second):
        status, said = await carillon(house, "rooms", "--json")
        (room,) = [one for one in json.loads(said)["rooms"] if one["room"] == first.room]
        assert (room["participants"], room["state"]) == (2, "running") and room["bridge_version"]
        status, said = await carillon(house, "participants", "daily")
        assert status == 0 and max(map(len, said.splitlines())) <= 100
        assert first.nick in said and "no connection to the bridge" in said
        assert await carillon(house, "participants", "daily", "mute", second.nick, "video") == (0, "")
        await second.until(lambda: second.muted)
        assert second.muted[0].media == "video"
        status, said = await carillon(house, "participants", "dayly")
        assert status == 1 and "did you mean daily?" in said
        status, said = await carillon(house, "participants", "daily", "remove", "nobody")
        assert status == 1 and "nobody called nobody" in said
        assert await carillon(house, "participants", "daily", "remove", first.nick) == (0, "")
        assert "307" in (await gone(first))[0]
        assert await carillon(house, "rooms", "end", "daily") == (0, "")
        assert "destroyed" in (await gone(second))[0]


@pytest.mark.asyncio(loop_scope="session")
async def test_real_tabs_are_measured_muted_and_told_the_end(deployment: DevServer, meeting: Meeting) -> None:
    room = room_name()
    tabs = [await meeting.open("page", room, f"p{number}", p2p="off") for number in range(2)]
    ids = [await tab.joined() for tab in tabs]
    await asyncio.gather(tabs[0].sees_and_hears({ids[1]}), tabs[1].sees_and_hears({ids[0]}))

    async def measured() -> bool:
        people = json.loads((await carillon(deployment, "participants", room, "--json"))[1])["participants"]
        first, second = (one["quality"] for one in people)
        return (
            first["way"]["protocol"] == "udp"
            and first["way"]["kind"] == "host"
            and first["up_bps"] > 50_000 < second["down_bps"]
            and first["rtt_ms"] is not None
            and max(first["heights"], default=0) >= 180
            and max((one["height"] or 0 for one in second["pictures"]), default=0) >= 180
        )

    await eventually("the bridge measures both", measured, 10)
    status, said = await carillon(deployment, "participants", room)
    assert status == 0 and "UDP direct, round trip" in said and max(map(len, said.splitlines())) <= 100

    assert await carillon(deployment, "participants", room, "mute", ids[1]) == (0, "")
    await tabs[0].sees_muted(ids[1], "audio", True)

    assert await carillon(deployment, "rooms", "end", room, "--reason", "Lunch is ready.") == (0, "")

    async def told() -> bool:
        return all([await tab.data("state") == "ended" for tab in tabs])

    await eventually("the meeting is over", told, 10)
    assert "Reason given: Lunch is ready." in await tabs[0].page.inner_text("body")


async def carillon(house: DevServer, *words: str) -> tuple[int, str]:
    """Run `carillon` with the deployment's configuration: status, and what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "carillon",
        *words,
        "--config",
        house.endpoints["config"],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(WAIT_S):
        said, _ = await process.communicate()
    return process.returncode or 0, said.decode()
