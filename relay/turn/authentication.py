"""The long-term credential mechanism (RFC 8489 §9.2) with time-limited credentials."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from carillon import credentials
from carillon.stun import Attribute, Message
from relay.turn.errors import TurnError
from relay.turn.five_tuple import FiveTuple
from relay.turn.nonce import Nonces


@dataclass(frozen=True, slots=True)
class User:
    """Who signed a request: `name` follows the username's colon ("" = nobody), `key` signs the answer."""

    username: str
    name: str
    key: bytes


class Authenticator:
    """Checks requests against the shared secret; it keeps no state about clients."""

    def __init__(
        self, secret: str, realm: str, max_ttl_s: int, nonces: Nonces, unix_time: Callable[[], float]
    ) -> None:
        self._secret = secret
        self._realm = realm.encode()
        self._max_ttl_s = max_ttl_s
        self._nonces = nonces
        self._unix_time = unix_time

    def reload(self, secret: str, max_ttl_s: int) -> None:
        """Take a new secret, for credentials that nobody has used yet, and a new longest life."""
        self._secret = secret
        self._max_ttl_s = max_ttl_s

    def user(self, message: Message, client: FiveTuple, now: float, holder: User | None = None) -> User:
        """Return the user who signed `message`; `holder` is whose allocation the client's is, if it has one.

        The holder's key stays good when the secret changes: who relays already goes on.
        Raises TurnError: 401 unsigned or wrong credentials, 400 for missing attributes, 438 for
        a nonce that has expired or was issued to somebody else.
        """
        if message.get(Attribute.MESSAGE_INTEGRITY) is None:
            raise self._challenge(401, client, now)
        username = message.get(Attribute.USERNAME)
        realm = message.get(Attribute.REALM)
        nonce = message.get(Attribute.NONCE)
        if username is None or realm is None or nonce is None:
            raise TurnError(400)
        if not self._nonces.valid(nonce, client, now):
            raise self._challenge(438, client, now)
        text = username.decode("utf-8", "replace")
        key = holder.key if holder is not None and holder.username == text else self._key(text)
        # The signature is compared whoever the user is: an unknown one takes as long as a wrong password.
        signed = message.integrity_ok(key)
        if not signed or realm != self._realm or not self._is_current(text):
            raise self._challenge(401, client, now)
        return User(text, credentials.name_of(text), key)

    def _key(self, username: str) -> bytes:
        password = credentials.password_of(self._secret, username)
        # MD5 is what the standard says (RFC 8489 §9.2.2); the password is an HMAC of 160 bits.
        digest = hashlib.md5(username.encode() + b":" + self._realm + b":" + password.encode())
        return digest.digest()

    def _is_current(self, username: str) -> bool:
        end = credentials.expiry(username)
        return end is not None and 0 < end - self._unix_time() <= self._max_ttl_s

    def _challenge(self, code: int, client: FiveTuple, now: float) -> TurnError:
        nonce = self._nonces.issue(client, now)
        return TurnError(code, ((Attribute.REALM, self._realm), (Attribute.NONCE, nonce)))
