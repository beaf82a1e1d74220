"""The component while it runs: SIGHUP ends no conference, SIGTERM waits for those that go on."""

from __future__ import annotations

import asyncio
import hashlib
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
from structlog.testing import capture_logs

from carillon.control import ask
from carillon.journal import Journal
from carillon.settings import Settings, SettingsError
from component.calls.admission import Admission
from component.calls.reasons import CLOSED, STOPPING
from component.focus.service import Focus
from component.main import Component
from component.stanza_error import StanzaError, read_error
from jingle.jitsi.conference import Conference, build_conference
from tests.carillon.part_process import Process, part, rewrite
from tests.component.call_under_test import call_settings
from tests.component.fake_link import FakeLink
from tests.component.fake_server import DOMAIN, HEADER, LIMITS, Connection, linked
from tests.component.guest import Guest
from tests.component.prosody import running_prosody, settings_in
from tests.component.stub_bridge import StubBridge
from tests.component.test_calls_admission import ROOM


async def test_a_secret_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    component = Component(settings)
    (tmp_path / "secrets" / "turn").unlink()
    with pytest.raises(SettingsError, match="turn"):
        component.reload(replace(settings, focus=replace(settings.focus, max_participants=1)))
    assert component._settings is settings


async def test_the_next_session_has_the_new_secret_and_stanzas_the_new_limits_at_once() -> None:
    async def first(connection: Connection) -> None:
        await connection.accept()
        assert await connection.ping()
        link.reload("another secret", replace(LIMITS, bytes=100))
        connection.write(
            f"<message from='ann@example/r' to='{DOMAIN}'><body>{'x' * 200}</body></message>".encode()
        )
        assert await connection.ping()  # the session that is up stays
        link.reload("another secret", LIMITS)

    async def second(connection: Connection) -> None:
        await connection.until(b">")
        connection.write(HEADER)
        proof = hashlib.sha1(b"s1another secret").hexdigest().encode()
        assert proof in await connection.until(b"</handshake>")
        connection.write(b"<handshake/>")
        assert await connection.ping()
        done.set()
        await connection.closed()

    done = asyncio.Event()
    with capture_logs() as lines:
        async with linked(first, second) as (link, _), asyncio.timeout(10):
            await done.wait()
    assert [line["limit"] for line in lines if line["event"] == "a stanza broke a limit"] == ["bytes"]


def test_callers_meet_other_rules_after_a_reload() -> None:
    admission = Admission(call_settings(""), "")
    assert admission.refusal("alice@localhost/r", ROOM, now=0.0) is None
    admission.reload(call_settings('[calls]\nrooms = "closed"'), "")
    assert admission.refusal("alice@localhost/r", ROOM, now=0.0) is CLOSED


def test_who_drains_takes_no_call() -> None:
    admission = Admission(call_settings(""), "")
    admission.draining = True
    assert admission.refusal("alice@localhost/r", ROOM, now=0.0) is STOPPING


async def test_a_conference_is_refused_with_words_while_draining(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    link = FakeLink(settings.focus.domain)
    focus = Focus(settings, link, Journal(None, 0.0))
    focus.drain()
    request = build_conference(Conference(f"room@{settings.xmpp.muc}", machine_uid="uid"))
    with pytest.raises(StanzaError) as caught:
        await focus._on_conference(_iq(settings, request))
    assert (caught.value.condition, caught.value.type) == ("service-unavailable", "wait")
    assert "try again" in caught.value.text
    assert not focus.conferences


def _iq(settings: Settings, payload: Element) -> Element:
    iq = Element(
        "{jabber:component:accept}iq", {"from": f"guest@{settings.xmpp.guest_domain}/r", "type": "set"}
    )
    iq.append(payload)
    return iq


@dataclass
class House:
    """A component in a process of its own on a real Prosody."""

    settings: Settings
    bridge: StubBridge
    directory: Path
    process: Process

    def write(self, more: str = "") -> None:
        write(self.settings, self.bridge, self.directory, more)

    async def guest(self, room: str, nick: str) -> Guest:
        return await Guest.login(self.settings, room, nick)


def write(settings: Settings, bridge: StubBridge, directory: Path, more: str) -> None:
    text = (
        f"[xmpp]\nc2s_port = {settings.xmpp.c2s_port}\ncomponent_port = {settings.xmpp.component_port}\n"
        "[link]\nenabled = false\n[socks5]\nenabled = false\n[operation]\ndrain_s = 60\n"
        f'[focus]\nbridge = "{bridge.url}"\ncontrol = "c.sock"\n{more}'
    )
    rewrite(directory / "carillon.toml", text)


@asynccontextmanager
async def house(directory: Path) -> AsyncIterator[House]:
    bridge = StubBridge()
    await bridge.start()
    async with running_prosody(directory) as server:
        write(server.settings, bridge, directory, "")
        async with part("component", directory / "carillon.toml") as process:
            for host in ("focus", "calls"):
                await process.says(f"connected to the XMPP server component={host}.localhost")
            yield House(server.settings, bridge, directory, process)
    await bridge.stop()


async def refusal(guest: Guest) -> StanzaError:
    """The error that a request for the guest's room is answered with."""
    request = build_conference(Conference(guest.room, machine_uid="uid"))
    return read_error(await guest.ask(request, "focus.localhost"))


async def test_signals_while_a_conference_goes_on(tmp_path: Path) -> None:
    """SIGHUP with another limit and another domain, then SIGTERM: the conference notices nothing of both."""
    async with house(tmp_path) as here:
        first = await here.guest("room", "first")
        await first.enter()
        await first.until(lambda: "first" in first.presences)

        here.write('max_participants = 1\ndomain = "focus.elsewhere"\n')
        here.process.send(signal.SIGHUP)
        await here.process.says("reloaded changed=focus.max_participants")
        assert "settings=focus.domain" in await here.process.says("needs a restart of the component")
        second = await here.guest("room", "second")
        assert (await refusal(second)).text == "room is full"
        other = await here.guest("other", "other")
        await other.request()  # its conference waits for somebody to come

        here.process.send(signal.SIGTERM)
        await here.process.says("drains: nothing new begins")
        health = await ask(str(tmp_path / "c.sock"), "/about/health")
        assert health == (503, "draining: 1 conferences, 0 calls")
        late = await here.guest("late", "late")
        assert (await refusal(late)).condition == "service-unavailable"
        assert (await first.request()).ready
        first.leave()
        assert await here.process.ended() == 0
        for guest in (first, second, other, late):
            await guest.client.close()
