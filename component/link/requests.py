"""Requests of ours that wait for their answer (RFC 6120 §8.2.3), by id and peer."""

from __future__ import annotations

import asyncio
from xml.etree.ElementTree import Element

from component.link.interface import RequestTimeout
from component.stanza import new_id
from component.stanza_error import StanzaError, read_error

# Each costs about 1 kB; so many are only there when the server has stopped answering.
MAX_PENDING = 10_000


class Requests:
    """The table of pending IQs. An answer counts only from whom the request went to."""

    def __init__(self, max_pending: int = MAX_PENDING) -> None:
        self._max_pending = max_pending
        self._pending: dict[tuple[str, str], asyncio.Future[Element]] = {}

    def open(self, iq: Element) -> asyncio.Future[Element]:
        """Enter a request, with an id if it has none, and return the future of its result.

        Raises StanzaError(resource-constraint) when too many are pending, ValueError for an id in use.
        """
        if len(self._pending) >= self._max_pending:
            raise StanzaError("resource-constraint", "too many requests are pending")
        if not iq.get("id"):
            iq.set("id", new_id())
        key = _key(iq, "to")
        if key in self._pending:
            raise ValueError("a request with this id is pending")
        future = asyncio.get_running_loop().create_future()
        self._pending[key] = future
        return future

    async def answer(self, iq: Element, answer: asyncio.Future[Element], timeout_s: float) -> Element:
        """Wait for the result of a request that `open` has given, and forget it. Raises RequestTimeout."""
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise RequestTimeout("no answer in time") from None
        finally:
            self.close(iq)

    def close(self, iq: Element) -> None:
        """Forget a request: it has been answered, or nobody waits any more."""
        self._pending.pop(_key(iq, "to"), None)

    def settle(self, answer: Element) -> bool:
        """Give a result or error to the request it answers; False when it answers none."""
        future = self._pending.get(_key(answer, "from"))
        if future is None or future.done():
            return False
        if answer.get("type") == "error":
            future.set_exception(read_error(answer))
        else:
            future.set_result(answer)
        return True

    def fail_all(self, error: Exception) -> None:
        """Let every pending request fail: the session is over."""
        for future in self._pending.values():
            if not future.done():
                future.set_exception(error)

    def __len__(self) -> int:
        return len(self._pending)


def _key(iq: Element, peer: str) -> tuple[str, str]:
    # Servers may answer with the JID in its normal form. The id cannot be guessed: folding all is safe.
    return iq.get("id", ""), iq.get(peer, "").casefold()
