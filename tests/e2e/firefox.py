"""Drives a stock Firefox from its system package over WebDriver BiDi (JSON over a WebSocket; W3C draft)."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.harness import Participant, eventually

FIREFOX = "/usr/bin/firefox-esr"
ANSWER_S = 30.0
"""How long a command may take, loading a page included."""

PREFERENCES: dict[str, Any] = {
    # Made-up camera and microphone, given without a question and to windows in the background too.
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "permissions.default.camera": 1,
    "permissions.default.microphone": 1,
    # Media plays without a gesture.
    "media.autoplay.default": 0,
    # Loopback is no candidate of Firefox otherwise (and the permissions make it one at all).
    "media.peerconnection.ice.loopback": True,
    # Nothing but the test goes out (what remote control does not already switch off by itself).
    "app.update.disabledForTesting": True,
    "browser.newtabpage.enabled": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.push.connection.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.enabled": False,
}


class FirefoxError(Exception):
    """Firefox does not do what was asked; the text says what it answered."""


class Firefox:
    """A running Firefox, by its one BiDi session."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.logs: dict[str, list[str]] = {}
        """What the pages write on their consoles, by browsing context."""

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result. Raises FirefoxError."""
        number = next(self._ids)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send_json({"id": number, "method": method, "params": parameters})
            async with asyncio.timeout(ANSWER_S):
                answer = await self._waiting[number]
        finally:
            del self._waiting[number]
        if answer["type"] == "error":
            raise FirefoxError(f"{method}: {answer['error']}: {answer['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def listen(self) -> None:
        """Take in answers and events until the connection ends."""
        async for message in self._socket:
            read = json.loads(message.data)
            waiting = self._waiting.get(read.get("id"))
            if waiting is not None and not waiting.done():
                waiting.set_result(read)
            elif read.get("method") == "log.entryAdded":
                entry = read["params"]
                log = self.logs.get(entry["source"].get("context"), [])
                log.append(f"{entry['level']}: {entry['text']}"[:400])
        for waiting in self._waiting.values():
            waiting.cancel()

    async def new_tab(self, kind: str, *scripts: str) -> FirefoxTab:
        """A window with cookies and storage of its own; `scripts` run before each of its pages."""
        user = (await self.command("browser.createUserContext", acceptInsecureCerts=True))["userContext"]
        created = await self.command("browsingContext.create", type="window", userContext=user)
        context = created["context"]
        for script in scripts:
            function = f"() => {{ {script} }}"
            await self.command("script.addPreloadScript", functionDeclaration=function, contexts=[context])
        return FirefoxTab(self, kind, user, context)

    async def close_tabs(self) -> None:
        """Close whatever is open still."""
        for one in (await self.command("browser.getUserContexts"))["userContexts"]:
            if one["userContext"] != "default":
                await self.command("browser.removeUserContext", userContext=one["userContext"])
        self.logs.clear()


class FirefoxTab(Participant):
    """A tab of Firefox."""

    def __init__(self, firefox: Firefox, kind: str, user: str, context: str) -> None:
        self.kind = kind
        self.log = firefox.logs.setdefault(context, [])
        self._firefox = firefox
        self._user = user
        self._context = context

    async def evaluate(self, script: str, argument: Any = None) -> Any:
        called = script if argument is None else f"({script})({json.dumps(argument)})"
        answer = await self._firefox.command(
            "script.evaluate",
            expression=f"(async () => JSON.stringify((await ({called})) ?? null))()",
            target={"context": self._context},
            awaitPromise=True,
        )
        return json.loads(read(answer)["value"])

    async def go(self, address: str) -> None:
        await self._firefox.command(
            "browsingContext.navigate", context=self._context, url=address, wait="complete"
        )

    async def press(self, button: str) -> None:
        place = {"type": "element", "element": await self._node("button", button)}
        actions = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": place},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        source = {"type": "pointer", "id": "mouse", "actions": actions}
        await self._firefox.command("input.performActions", context=self._context, actions=[source])

    async def fill(self, field: str, text: str) -> None:
        answer = await self._firefox.command(
            "script.callFunction",
            functionDeclaration="(field, text) => {"
            " field.focus(); field.select(); document.execCommand('insertText', false, text); }",
            arguments=[await self._node("textbox", field), {"type": "string", "value": text}],
            target={"context": self._context},
            awaitPromise=False,
        )
        read(answer)

    async def close(self) -> None:
        await self._firefox.command("browser.removeUserContext", userContext=self._user)
        del self._firefox.logs[self._context]

    async def _node(self, role: str, name: str) -> dict[str, Any]:
        """The one element with this role and accessible name, waited for."""

        async def found() -> list[dict[str, Any]]:
            answer = await self._firefox.command(
                "browsingContext.locateNodes",
                context=self._context,
                locator={"type": "accessibility", "value": {"role": role, "name": name}},
            )
            nodes: list[dict[str, Any]] = answer["nodes"]
            return nodes

        (node,) = await eventually(f"a {role} named {name!r}", found)
        return {"sharedId": node["sharedId"]}


def read(answer: dict[str, Any]) -> dict[str, Any]:
    """The remote value that a script gave. Raises FirefoxError when it threw."""
    if answer["type"] == "exception":
        raise FirefoxError(answer["exceptionDetails"]["text"])
    value: dict[str, Any] = answer["result"]
    return value


def profile(directory: Path) -> Path:
    """A fresh profile with our preferences."""
    path = directory / "profile"
    path.mkdir()
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (path / "user.js").write_text("\n".join(lines))
    return path


@asynccontextmanager
async def firefox() -> AsyncIterator[Firefox]:
    """A headless Firefox of the system's package."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        used = profile(Path(directory))
        arguments = ["--headless", "--no-remote", "--profile", str(used), "--remote-debugging-port", "0"]
        environment = {**os.environ, "HOME": directory, "MOZ_CRASHREPORTER_DISABLE": "1"}
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            FIREFOX, *arguments, env=environment, stdout=quiet, stderr=quiet, start_new_session=True
        )
        try:
            async with (
                aiohttp.ClientSession() as http,
                http.ws_connect(f"ws://127.0.0.1:{await port(used)}/session", max_msg_size=0) as socket,
            ):
                opened = Firefox(socket)
                listening = asyncio.create_task(opened.listen())
                await opened.command("session.new", capabilities={})
                await opened.command("session.subscribe", events=["log.entryAdded"])
                yield opened
                listening.cancel()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its own group: it and the processes of its tabs
            await process.wait()


async def port(used: Path) -> int:
    """Where Firefox listens: it writes that into its profile."""
    told = used / "WebDriverBiDiServer.json"

    async def listens() -> int:
        with suppress(FileNotFoundError, ValueError):
            return int(json.loads(told.read_text())["ws_port"])
        return 0

    return int(await eventually("Firefox listens", listens))
