"""Keys that tell a client's requests from those of others who saw its session id (XEP-0124 §15). No I/O."""

from __future__ import annotations

import hashlib
import hmac

from bosh.bosh_body import Body, BoshError, Condition


class KeySequence:
    """The chain of one session: each key is the one whose SHA-1 was the key before."""

    __slots__ = ("_expected",)

    def __init__(self, newkey: str) -> None:
        """`newkey` is the end of the chain, which the client walks backwards."""
        self._expected = newkey

    @classmethod
    def begun(cls, body: Body) -> KeySequence | None:
        """The sequence that a request for a session begins; None for most clients, which use none."""
        newkey = body.attributes.get("newkey")
        return None if newkey is None else cls(newkey)

    def check(self, body: Body) -> None:
        """Take the key of the next request. Raises BoshError."""
        key = body.attributes.get("key", "")
        digest = hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()
        if not hmac.compare_digest(digest.encode(), self._expected.encode()):
            raise BoshError(Condition.ITEM_NOT_FOUND, "a wrong key")
        self._expected = body.attributes.get("newkey", key)
