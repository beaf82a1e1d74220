"""The link at work: its hosts, the components that attach on the UNIX socket, and which of them is active."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import structlog

from carillon.handover import peer_of
from carillon.settings import Settings, read_secret
from component.hosts import hosts_of, limits_of
from component.loss import Timing
from component.server_link import metrics
from component.server_link.attachment import Attachment, Stage
from component.server_link.buffer import Buffer
from component.server_link.host import Host
from component.server_link.instances import Instances

TICK_S = 0.25
MAX_ATTACHMENTS = 64
"""Streams of components at a time: three of each process."""
HELLO_S = 10.0
"""Who has not shown in this time (seconds) that it is a component is cut."""

_log = structlog.get_logger()


class Service:
    """See the module."""

    def __init__(self, settings: Settings, clock: Callable[[], float], timing: Timing | None = None) -> None:
        """`clock` gives seconds. Raises SettingsError when the secret cannot be read."""
        xmpp, link = settings.xmpp, settings.link
        self.secret = read_secret(xmpp.secret_file)
        self.instances = Instances()
        self._clock = clock
        self._abandoned_s = link.abandoned_s
        self._alone_since: float | None = None
        self.attachments: set[Attachment] = set()
        """Every stream of a component."""
        self.listener: socket.socket | None = None
        """Where components attach."""
        self._ticks: asyncio.TimerHandle | None = None
        self._applying = False
        self._last_active: int | None = None
        self.hosts = {
            name: Host(
                name,
                self.secret,
                (xmpp.server, xmpp.component_port),
                pinged=xmpp.domain,
                limits=limits_of(settings),
                buffer=Buffer(link.buffer_bytes, link.buffer_s),
                clock=clock,
                timing=timing,
            )
            for name in hosts_of(settings)
        }
        """The hosts of the component, by name; that of the focus is the first."""
        hosts = self.hosts.values()
        metrics.INSTANCES.set_function(lambda: len({one.pid for one in self.attachments}))
        metrics.BUFFERED.set_function(lambda: sum(host.buffer.bytes for host in hosts))
        metrics.PRESENCES.set_function(lambda: sum(len(host.presences) for host in hosts))
        metrics.UNACKNOWLEDGED.set_function(
            lambda: sum(len(one.delivery.pending) for one in self.attachments if one.delivery is not None)
        )

    def reload(self, settings: Settings) -> None:
        """Take up secret, limits and what is kept how long. Raises SettingsError."""
        self.secret = read_secret(settings.xmpp.secret_file)
        self._abandoned_s = settings.link.abandoned_s
        for host in self.hosts.values():
            host.buffer.max_bytes, host.buffer.max_age_s = settings.link.buffer_bytes, settings.link.buffer_s
            host.upstream.reload(self.secret, limits_of(settings))

    def start(self, listener: socket.socket) -> None:
        """Let components attach on this listening UNIX socket."""
        self.listener = listener
        self.go_on()

    def pause(self) -> None:
        """Read and write nothing, and take nobody; close nothing."""
        if self.listener is not None:
            asyncio.get_running_loop().remove_reader(self.listener)
        if self._ticks is not None:
            self._ticks.cancel()
            self._ticks = None
        for host in self.hosts.values():
            host.upstream.pause()
        for attachment in self.attachments:
            attachment.channel.freeze()

    def go_on(self) -> None:
        """Begin, or go on after `pause`."""
        assert self.listener is not None
        asyncio.get_running_loop().add_reader(self.listener, self._accept)
        for host in self.hosts.values():
            host.upstream.go_on()
        for attachment in self.attachments:
            attachment.channel.start()
        self._tick()

    async def stop(self) -> None:
        """End everything in order. A component that is attached comes back when there is a link again, and so
        nobody is told that it is gone; where none is, nobody else would say it."""
        if self.listener is None:
            return
        asyncio.get_running_loop().remove_reader(self.listener)
        if self._ticks is not None:
            self._ticks.cancel()
            self._ticks = None
        self.listener.close()
        self.listener = None
        ending = [host.upstream.channel for host in self.hosts.values()]
        for host in self.hosts.values():
            if not host.attachments:
                host.farewell()
            host.upstream.rest()
        ending += [attachment.channel for attachment in self.attachments]
        for attachment in list(self.attachments):
            attachment.end("system-shutdown")
        while any(channel is not None and channel.unsent for channel in ending):  # noqa: ASYNC110 - it is brief
            await asyncio.sleep(0.01)

    def release(self) -> None:
        """All of it is another process's now: let go without a word."""
        self.pause()
        for host in self.hosts.values():
            host.upstream.release()
        for attachment in self.attachments:
            attachment.channel.close()
        self.attachments.clear()
        if self.listener is not None:
            self.listener.close()
            self.listener = None

    def adopt(self, attachment: Attachment) -> None:
        """An attachment of another process goes on here; its channel is not started."""
        self.attachments.add(attachment)

    def begin_with(self, active: int | None) -> None:
        """This instance is the active one of all that were adopted."""
        now, pids = self._clock(), [attachment.pid for attachment in self.attachments]
        self._last_active = active if active in pids else None
        self.instances = Instances(self._last_active)
        for pid in pids:
            self.instances.attached(pid, now)

    def state(self) -> dict[str, Any]:
        """Who is there and what waits, for people: an object of scalars, lists and objects."""
        return {
            "active": self.instances.active,
            "standby": self.instances.standby,
            "hosts": {
                name: {
                    "up": bool(host.session),
                    "loss": host.upstream.loss.kind if host.upstream.loss and not host.session else None,
                    "attached": host.active is not None,
                    "waiting": len(host.buffer),
                }
                for name, host in self.hosts.items()
            },
        }

    def replace(self, pid: int) -> None:
        """Have this instance take the place of the active one. Raises KeyError when it does not stand by."""
        self.instances.replace(pid, self._clock())
        if self.instances.replacing and self.instances.active is not None:
            for host in self.hosts.values():
                host.make_way(self.instances.active)
        self._apply()

    # What attachments call

    def host_of(self, attachment: Attachment, name: str) -> Host | None:
        """See attachment.House."""
        host = self.hosts.get(name)
        if host is not None:
            host.attachments.append(attachment)
            host.upstream.want()
        return host

    def proven(self, attachment: Attachment) -> None:
        """See attachment.House."""
        host = attachment.host
        assert isinstance(host, Host)
        self.instances.attached(attachment.pid, self._clock())
        for other in list(host.attachments):
            if other is not attachment and other.pid == attachment.pid and other.proven:
                other.leave()  # a process has one stream for each host: the newest
        self._apply()
        if attachment.stage is Stage.STANDBY:
            attachment.stand_by(self.instances.active or 0)

    def over(self, attachment: Attachment, *, proven: bool, by_us: bool) -> None:
        """See attachment.House."""
        self.attachments.discard(attachment)
        if isinstance(attachment.host, Host):
            attachment.host.detach(attachment)
        if proven:
            self.instances.detached(attachment.pid, self._clock(), by_us=by_us)
            self._apply()

    def _apply(self) -> None:
        """Have the attachments be what their instances are."""
        if self._applying:  # one that ends leads here again
            return
        self._applying = True
        try:
            active = self.instances.active
            if active != self._last_active:
                self._changed(active)
            if not self.instances.replacing:
                for host in self.hosts.values():
                    for attachment in list(host.attachments):
                        if attachment.pid == active and attachment.stage is Stage.STANDBY:
                            host.activate(attachment)
        finally:
            self._applying = False

    def _changed(self, active: int | None) -> None:
        self._last_active = active
        if active is None:
            _log.info("no component is attached: what comes for it is kept", seconds=self._abandoned_s)
            return
        metrics.TAKEOVERS.inc()
        _log.info("the component is attached", pid=active)
        for attachment in list(self.attachments):
            if attachment.stage is Stage.LEAVING:  # it has had its time
                attachment.leave()

    # The socket

    def _accept(self) -> None:
        assert self.listener is not None
        try:
            connected, _ = self.listener.accept()
        except OSError:  # it has gone again, or there is no descriptor left
            return
        if len(self.attachments) >= MAX_ATTACHMENTS:
            connected.close()
            return
        connected.setblocking(False)
        attachment = Attachment(connected, peer_of(connected).pid, self, self._clock())
        self.attachments.add(attachment)
        attachment.channel.start()

    def _tick(self) -> None:
        now = self._clock()
        self._ticks = asyncio.get_running_loop().call_later(TICK_S, self._tick)
        for host in self.hosts.values():
            host.tick(now)
        for attachment in list(self.attachments):
            if attachment.stage in (Stage.OPENING, Stage.GREETED) and now - attachment.since >= HELLO_S:
                attachment.end("connection-timeout")
        self.instances.tick(now)
        self._apply()
        self._look_for_components(now)

    def _look_for_components(self, now: float) -> None:
        if self.attachments or self.instances.active is not None:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
        elif now - self._alone_since >= self._abandoned_s:
            for host in self.hosts.values():
                host.abandon()
