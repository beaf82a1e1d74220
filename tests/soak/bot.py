"""A participant without a browser: real signalling and real, if thin, media."""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import suppress
from typing import Any

from bridge.media import rtp
from carillon.settings import Settings
from jingle.content import Action
from jingle.element import Jingle
from jingle.ice import IceTransport
from tests.bridge.media_client import MediaClient
from tests.component.guest import FEATURES, Guest
from tests.component.prosody import Client

FRAME_S = 0.1
"""Between two packets of sound: a fifth of what a browser sends."""
SAMPLES = 4800
"""Of a clock of 48 kHz in that time."""
OCTETS = 20


class Media(MediaClient):
    """Counts what arrives and looks into none of it: decrypting is what takes a client's time."""

    def __init__(self, ufrag: str, pwd: str, bridge: tuple[str, int]) -> None:
        super().__init__(ufrag, pwd, bridge)
        self.arrived = 0

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if data[0] < 64:
            super().datagram_received(data, addr)
        else:
            self.arrived += 1


class Bot(Guest):
    """Lives in a room until it is told to leave: answers every invitation, and sends sound."""

    def __init__(self, client: Client, room: str, nick: str, features: tuple[str, ...]) -> None:
        super().__init__(client, room, nick, features)
        self.invitations = 0
        self.arrived = 0
        """Packets of media that the others have sent to it."""
        self._ssrc = secrets.randbelow(1 << 30) + 1
        self._lives: asyncio.Task[None]
        self._media: asyncio.Task[None] | None = None

    @classmethod
    async def arrive(cls, settings: Settings, room: str) -> Bot:
        """Log in and begin to live in a room. Does not wait until it is in."""
        bot = cls(await Client.login(settings), room, secrets.token_hex(4), FEATURES)
        bot._lives = asyncio.create_task(bot._live())
        return bot

    async def depart(self) -> None:
        """Leave the room and log out."""
        self._lives.cancel()
        await asyncio.wait([self._lives])
        self.leave()
        await self.client.close()

    def failure(self) -> str:
        """What ended its life or its media before their time; "" = it lives."""
        for task in (self._lives, self._media):
            if task is not None and task.done() and not task.cancelled():
                return f"{type(task.exception()).__name__}: {task.exception()}"
        return ""

    async def _live(self) -> None:
        while not await self._granted():  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(1)
        self.join()
        while True:
            offer = await self._next_offer()
            self._media = asyncio.create_task(self._send(offer))
            try:
                while not self._over(offer):
                    self._changed.clear()
                    await self._changed.wait()
            finally:
                self._media.cancel()
                await asyncio.wait([self._media])

    async def _granted(self) -> bool:
        """Ask for the conference; while the focus is away, a request may be refused or not be answered."""
        try:
            return bool((await self.request()).ready)
        except (AssertionError, TimeoutError):
            return False

    async def _next_offer(self) -> Jingle:
        while self.invitations == len(offers := self.of(Action.SESSION_INITIATE)):
            self._changed.clear()
            await self._changed.wait()
        self.invitations = len(offers)
        return offers[-1]

    def _over(self, offer: Jingle) -> bool:
        """Whether that session has ended, or another one has taken its place."""
        ends = self.of(Action.SESSION_TERMINATE)
        return len(self.of(Action.SESSION_INITIATE)) > self.invitations or any(
            end.sid == offer.sid for end in ends
        )

    async def _send(self, offer: Jingle) -> None:
        transport = offer.contents[0].transport
        description = offer.contents[0].description
        assert isinstance(transport, IceTransport) and description is not None
        bridge = next(one for one in transport.candidates if one.protocol == "udp" and "." in one.ip)
        media = Media(transport.ufrag, transport.pwd, (bridge.ip, bridge.port))
        await media.open()
        try:
            own = IceTransport(media.local.ufrag, media.local.pwd, (media.dtls.fingerprint,))
            with suppress(TimeoutError):  # the focus is away: it will get this when it is back
                await self.accept(self._ssrc, own)
            await media.connect()
            opus = next(one.id for one in description.payload_types if one.name == "opus")
            number, before = 0, 0
            while True:
                media.send_rtp(
                    rtp.build(opus, number & 0xFFFF, number * SAMPLES, self._ssrc, os.urandom(OCTETS))
                )
                self.arrived += media.arrived - before
                before, number = media.arrived, number + 1
                await asyncio.sleep(FRAME_S)
        finally:
            await media.close()
