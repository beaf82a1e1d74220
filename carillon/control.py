"""The control API of a part: health, version and counters over HTTP on a UNIX socket, and how to ask it."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import aiohttp
import prometheus_client
from aiohttp import web

from carillon import __version__
from carillon.handover import peer_of
from carillon.unreadable import reason

MAX_SOCKET_PATH = 107
"""Bytes that the path of a UNIX socket may have (unix(7)); the 108th is its end."""

MAX_REQUEST_BYTES = 65536
"""No control request is larger."""


TASKS = prometheus_client.Gauge("process_asyncio_tasks", "Tasks of the event loop.")


class ControlError(Exception):
    """The control API cannot listen, or does not answer; the text says why."""


class Control:
    """Serves the control API of one part on the UNIX socket `path`, which only this user may open."""

    def __init__(
        self, path: str, trouble: Callable[[], str | None], routes: Iterable[web.RouteDef] = ()
    ) -> None:
        self._path = Path(path)
        self._trouble = trouble
        self._site: web.SockSite | None = None
        self.listener: socket.socket | None = None
        """What listens at the path; it is never closed by what answers on a duplicate of it."""
        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        app.add_routes(
            [
                web.get("/about/health", self._health),
                web.get("/about/version", self._version),
                web.get("/metrics", self._metrics),
                *routes,
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def start(self, adopted: socket.socket | None = None) -> None:
        """Listen, with a socket that listens at the path already when there is one. Raises ControlError."""
        self.listener = adopted or listen(self._path)
        await self._runner.setup()
        await self.resume()

    async def pause(self) -> None:
        """Take no connection any more; those that come wait in the socket."""
        if self._site is not None:
            await self._site.stop()
            self._site = None

    async def resume(self) -> None:
        """Take connections. The kernel names this process as the one that listens from now on."""
        if self.listener is not None:
            self._site = web.SockSite(self._runner, self.listener.dup())
            await self._site.start()

    def release(self) -> None:
        """The socket is another process's now: `stop` leaves its file."""
        if self.listener is not None:
            self.listener.close()
            self.listener = None

    async def stop(self) -> None:
        """Close the socket and remove it; idempotent."""
        await self._runner.cleanup()
        if self.listener is not None:
            self._path.unlink(missing_ok=True)
            self.release()

    async def _health(self, _request: web.Request) -> web.Response:
        trouble = self._trouble()
        return web.Response(status=503 if trouble else 200, text=trouble or "ok")

    async def _version(self, _request: web.Request) -> web.Response:
        return web.json_response({"name": "carillon", "version": __version__, "pid": os.getpid()})

    async def _metrics(self, _request: web.Request) -> web.Response:
        TASKS.set(len(asyncio.all_tasks()))
        body = prometheus_client.generate_latest()
        return web.Response(body=body, headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST})


def adopt(descriptor: int | None) -> socket.socket | None:
    """The listening socket of this number, left open by what this process was before execve(2)."""
    if descriptor is None:
        return None
    adopted = socket.socket(fileno=descriptor)
    adopted.set_inheritable(False)
    adopted.setblocking(False)
    return adopted


def listen(path: Path) -> socket.socket:
    """A listening UNIX socket of mode 0600; one that a dead process left behind is replaced."""
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise ControlError(
            f"the path of the socket {path} is longer than {MAX_SOCKET_PATH} bytes: shorten it"
        )
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_stale(path)
        os.fchmod(listener.fileno(), 0o600)  # before bind: the socket's file gets this mode from the start
        listener.bind(os.fspath(path))
        path.chmod(0o600)
        listener.listen(64)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ControlError(f"the control socket {path} cannot be opened: {error.strerror}") from None
    except BaseException:
        listener.close()
        raise
    return listener


def _remove_stale(path: Path) -> None:
    """Remove a socket on which nobody listens. Raises ControlError when somebody does or it is no socket."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ControlError(f"{path} should be the control socket, and is something else: remove it")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
    raise ControlError(f"another process answers on the control socket {path}")


def listening_pid(path: str) -> int | None:
    """The process that listens on a control socket, as the kernel says; None when nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except OSError:
            return None
        return peer_of(probe).pid or None  # 0: a process that this one cannot see


async def ask(
    path: str, resource: str, timeout_s: float = 2.0, *, body: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """GET `resource` from the control API on the UNIX socket `path`, or POST `body` to it as JSON.

    Gives status and text. Raises ControlError.
    """
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    method = "GET" if body is None else "POST"
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(path), timeout=timeout) as session,
            session.request(method, f"http://control{resource}", json=body) as response,
        ):
            return response.status, await response.text()
    except aiohttp.ClientConnectorError as error:
        raise ControlError(f"{path}: {reason(error.os_error)}") from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise ControlError(f"{path}: {error or type(error).__name__}") from None


async def trouble_at(path: str) -> str | None:
    """What the part behind the control socket says is wrong, None when nothing is. Raises ControlError."""
    status, text = await ask(path, "/about/health")
    return None if status == 200 else text.strip() or f"status {status}"
