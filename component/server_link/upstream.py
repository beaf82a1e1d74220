"""The session of one host with the XMPP server: kept up as long as somebody wants it (XEP-0114)."""

from __future__ import annotations

import asyncio
import random
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from component.limited_stream import Broken, Closed, Limits, Opened, Refused
from component.loss import Backoff, Loss, LossKind, Timing, loss_by_error
from component.server_link import metrics, stream
from component.server_link.channel import Channel
from component.server_link.framer import Framer, Stanza

_log = structlog.get_logger()


@dataclass(frozen=True)
class Listener:
    """Whom the session tells what happens."""

    up: Callable[[], None]
    down: Callable[[Loss], None]
    """A session, or an attempt, is over."""
    stanzas: Callable[[list[Stanza]], None]
    refused: Callable[[Refused], None]
    eased: Callable[[], None]
    """The server has taken what had piled up."""


class Upstream:
    """One session after the other, as the component `host`."""

    def __init__(
        self,
        host: str,
        secret: str,
        server: tuple[str, int],
        *,
        pinged: str,
        limits: Limits,
        listener: Listener,
        clock: Callable[[], float],
        timing: Timing | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """`pinged` is the JID whose answers show that the server is alive: a domain it serves.

        `clock` gives seconds.
        """
        self.host = host
        self.secret = secret
        """For the next handshake; another one may be set at any time."""
        self._server = server
        self._pinged = pinged
        self._limits = limits
        self._listener = listener
        self._clock = clock
        self._timing = timing or Timing()
        self._backoff = Backoff(rng or random.SystemRandom())
        self.session = ""
        """The id of the server's stream; "" while there is no session."""
        self.loss: Loss | None = None
        """Why there is no session, once an attempt has failed."""
        self.framer = Framer(limits)
        self.channel: Channel | None = None
        self._wanted = asyncio.Event()
        self._over: asyncio.Future[Loss] | None = None
        self._since = 0.0
        self._heard = 0.0
        self._ping = ""
        self._task: asyncio.Task[None] | None = None

    @property
    def wanted(self) -> bool:
        """Whether it is to be up."""
        return self._wanted.is_set()

    def reload(self, secret: str, limits: Limits) -> None:
        """Take another secret, for the next session, and other limits; a session that is up stays."""
        self.secret = secret
        self._limits = self.framer.limits = limits

    def want(self) -> None:
        """Be up from now on."""
        self._wanted.set()
        if self._task is None:
            self._task = asyncio.create_task(self._keep_up())

    def rest(self) -> None:
        """End the session in order, and begin none until it is wanted again."""
        self._wanted.clear()
        self.loss = None
        if self._task is not None:
            self._task.cancel()
            self._task = None
        channel, self.channel = self.channel, None
        if channel is not None:
            channel.write(stream.END)
            channel.finish()
        self._set_down()

    def adopt(self, channel: Channel, session: str) -> None:
        """Go on with a session of another process: `framer` is where its was, `channel` not started."""
        self._wanted.set()
        self.channel = channel
        self._over = asyncio.get_running_loop().create_future()
        self._set_up(session)
        self._task = asyncio.create_task(self._keep_up())

    def new_channel(self, connected: socket.socket) -> Channel:
        """A channel for a connected socket whose bytes come here."""
        return Channel(connected, self._received, self._ended, self._listener.eased)

    def pause(self) -> None:
        """Read and write nothing; an attempt that has not led to a session yet is given up."""
        if not self.session:
            self.release()
        elif self.channel is not None:
            self.channel.freeze()

    def go_on(self) -> None:
        """Behind `pause`."""
        if self.channel is not None:
            self.channel.start()
        elif self.wanted:
            self.want()

    def release(self) -> None:
        """Forget the connection, without a word to the server: it may be another process's now."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self.channel is not None:
            self.channel.close()
            self.channel = None

    def tick(self, now: float) -> None:
        """Look whether the server is still there; wants to be called a few times a second."""
        channel = self.channel
        if not self.session or channel is None:
            return
        if not channel.reads:  # we do not listen: it cannot be asked for an answer
            self._heard = now
        silent_s = now - self._heard
        if silent_s >= self._timing.ping_interval_s + self._timing.ping_timeout_s:
            self._give_up(Loss(LossKind.UNANSWERED, "the server does not answer pings"))
        elif silent_s >= self._timing.ping_interval_s and not self._ping:
            self._ping = f"link-{secrets.token_urlsafe(9)}"
            ask = f"<iq type='get' id='{self._ping}' from='{self.host}' to='{self._pinged}'>"
            channel.write(f"{ask}<ping xmlns='urn:xmpp:ping'/></iq>".encode())

    # The connection

    async def _keep_up(self) -> None:
        """Connect, wait for the end, wait some more, for ever."""
        while True:
            before = self.loss
            loss = await self._one_session()
            session_s = self._clock() - self._since if self.session else 0.0
            self.loss = loss
            if self.channel is not None:
                self.channel.close()
                self.channel = None
            self._set_down()
            metrics.LOSSES.labels(loss.kind.value).inc()
            if session_s or before is None or before.kind is not loss.kind:
                _log.warning(
                    "no session with the XMPP server",
                    component=self.host,
                    reason=loss.kind.value,
                    detail=loss.text,
                )
            delay_s = self._backoff.delay_s(loss.kind, session_s)
            self._listener.down(loss)
            await asyncio.sleep(delay_s)

    async def _one_session(self) -> Loss:
        if not self.session:
            try:
                async with asyncio.timeout(self._timing.connect_s):
                    connected = await self._connected()
            except (OSError, ValueError) as error:  # ValueError: a host name that is none
                return Loss(LossKind.REFUSED, type(error).__name__)
            self._open(connected)
        assert self._over is not None
        watchdog = asyncio.get_running_loop().call_later(self._timing.handshake_s, self._silent)
        try:
            return await self._over
        finally:
            watchdog.cancel()

    async def _connected(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(*self._server, type=socket.SOCK_STREAM)
        failure: OSError | None = None
        for family, kind, number, _, address in found:
            one = socket.socket(family, kind, number)
            try:
                one.setblocking(False)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await loop.sock_connect(one, address)
            except OSError as error:
                failure = error
                one.close()
            except BaseException:
                one.close()
                raise
            else:
                return one
        raise failure or OSError("no address")

    def _open(self, connected: socket.socket) -> None:
        self._over = asyncio.get_running_loop().create_future()
        self.framer = Framer(self._limits)
        self.channel = self.new_channel(connected)
        self.channel.write(stream.header(to=self.host))
        self.channel.start()

    def _silent(self) -> None:
        if not self.session:
            self._give_up(Loss(LossKind.SILENT, "the handshake was not answered"))

    def _give_up(self, loss: Loss) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(loss)
            if self.channel is not None:
                self.channel.freeze()

    def _ended(self, why: str) -> None:
        self._give_up(Loss(LossKind.CLOSED, why))

    # What the server sends

    def _received(self, data: bytes) -> None:
        self._heard = self._clock()
        stanzas: list[Stanza] = []
        for event in self.framer.feed(data):
            if isinstance(event, Stanza) and event.kind is not None:
                if self._ping and event.attributes.get("id") == self._ping:
                    self._ping = ""  # the answer, whatever it is
                elif self.session:
                    stanzas.append(event)
                continue
            if stanzas:
                self._listener.stanzas(stanzas)
                stanzas = []
            self._take(event)
        if stanzas:
            self._listener.stanzas(stanzas)

    def _take(self, event: Stanza | Opened | Refused | Closed | Broken) -> None:
        if isinstance(event, Refused):
            if self.session:
                self._listener.refused(event)
        elif isinstance(event, Opened):
            if self.channel is not None:
                self.channel.write(stream.handshake(event.id, self.secret))
        elif isinstance(event, Closed):
            self._give_up(Loss(LossKind.CLOSED, "the server ended the stream"))
        elif isinstance(event, Broken):
            self._give_up(Loss(LossKind.BROKEN, event.reason))
        elif event.tag == stream.HANDSHAKE and not self.session:
            self._set_up(self.framer.header.get("id", ""))
            self._listener.up()
        elif event.tag == stream.STREAM_ERROR:
            conditions = stream.element(event, self.framer)
            self._give_up(loss_by_error(child.tag.rpartition("}")[2] for child in conditions))

    def _set_up(self, session: str) -> None:
        self.session = session
        self._since = self._heard = self._clock()
        self._ping = ""
        metrics.UP.labels(self.host).set(1)
        _log.info("connected to the XMPP server", component=self.host)

    def _set_down(self) -> None:
        self.session = ""
        metrics.UP.labels(self.host).set(0)
