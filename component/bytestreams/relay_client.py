"""Activation at the relay, through its control API."""

from __future__ import annotations

from typing import Final

import aiohttp

from component.stanza_error import TYPES, StanzaError

TIMEOUT_S: Final = 5.0
"""The relay answers in milliseconds: one that takes longer is as good as gone."""


class RelayClient:
    """Asks the relay whose control API is on the UNIX socket `path`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Make ready; nothing is connected yet."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(self._path), timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)
        )

    async def stop(self) -> None:
        """Close all connections; idempotent."""
        if self._session is not None:
            await self._session.close()

    async def activate(self, digest: str, initiator: str, target: str) -> None:
        """Activate a stream for two bare JIDs. Raises StanzaError, also when the relay is not there."""
        assert self._session is not None, "not started"
        url, asked = f"http://relay/socks5/streams/{digest}", {"initiator": initiator, "target": target}
        # PUT, so that aiohttp asks again by itself on a connection that was left over from a restarted relay.
        try:
            async with self._session.put(url, json=asked) as response:
                if response.ok:
                    return
                answer = await response.json()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            raise StanzaError("internal-server-error", "the proxy is not available at the moment") from None
        condition = answer.get("condition") if isinstance(answer, dict) else None
        if not isinstance(condition, str) or condition not in TYPES:
            condition = "internal-server-error"
        raise StanzaError(condition)
