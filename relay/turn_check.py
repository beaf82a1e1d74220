"""The check's TURN client (RFC 8656): two allocations, and a packet from one to the other and back.

Data between two addresses relayed here are allowed to everybody, so that no rule about peers is in the way.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from carillon import stun
from carillon.check.stun_client import ANSWER_S, NoAnswer, StunClient, new_transaction
from carillon.credentials import Credential
from carillon.stun import Attribute, Message, MessageClass, Method

_UDP = (int(Attribute.REQUESTED_TRANSPORT), b"\x11\0\0\0")
_SHORTLY = (int(Attribute.LIFETIME), struct.pack("!I", 60))
_END = (int(Attribute.LIFETIME), bytes(4))
_STALE_NONCE = 438
_DATA_REPEATS = 3

Peer = tuple[str, int]


class Refused(Exception):
    """The server answers with an error: its code and words."""

    def __init__(self, step: str, code: int, words: str) -> None:
        super().__init__(f"{step} is refused: {code} {words}".rstrip())
        self.code = code


@dataclass(frozen=True)
class TurnSeen:
    """How far a client came over one transport."""

    transport: str
    """udp, tcp or tls."""
    relayed: str = ""
    """The relayed address that it was given; "" when it did not come so far."""
    trouble: str = ""
    """What ended it: nobody answers, or an answer of the server; "" = a packet went there and back."""
    code: int = 0
    """The error code of that answer; 0 without one."""


async def there_and_back(transport: str, host: str, port: int, credential: Credential) -> TurnSeen:
    """Allocate twice and send a packet each way."""
    clients = [Allocation(transport, credential) for _ in range(2)]
    relayed = ""
    try:
        peers = [await client.allocate(host, port) for client in clients]
        relayed = peers[0][0]
        for client, peer in zip(clients, reversed(peers), strict=True):
            await client.permit(peer)
        for number in range(2):
            payload = secrets.token_bytes(32)
            if not await _sent(clients[number], peers[1 - number], clients[1 - number], payload):
                return TurnSeen(transport, relayed, "what is sent to one relayed address does not arrive")
    except NoAnswer as failure:
        return TurnSeen(transport, relayed, str(failure))
    except Refused as refusal:
        return TurnSeen(transport, relayed, str(refusal), refusal.code)
    except stun.StunError as failure:
        return TurnSeen(transport, relayed, f"the answer is none of TURN: {failure}")
    finally:
        for client in clients:
            client.end()
    return TurnSeen(transport, relayed)


async def _sent(sender: Allocation, peer: Peer, receiver: Allocation, payload: bytes) -> bool:
    """Send until it arrives: datagrams may be lost."""
    for _ in range(_DATA_REPEATS):
        sender.send(peer, payload)
        if await receiver.receives(payload, ANSWER_S / _DATA_REPEATS):
            return True
    return False


class Allocation:
    """One allocation of one client."""

    def __init__(self, transport: str, credential: Credential) -> None:
        self._client = StunClient(transport)
        self._credential = credential
        self._realm = self._nonce = b""
        self._allocated = False

    async def allocate(self, host: str, port: int) -> Peer:
        """Connect and allocate; the relayed address. Raises NoAnswer, Refused, StunError."""
        await self._client.connect(host, port)
        id = new_transaction()
        self._challenged(
            await self._client.exchange(stun.build(Method.ALLOCATE, MessageClass.REQUEST, id, [_UDP]))
        )
        answer = await self._request("the allocation", Method.ALLOCATE, _UDP, _SHORTLY)
        self._allocated = True
        relayed = answer.get(Attribute.XOR_RELAYED_ADDRESS) or b""
        return stun.parse_xor_address(relayed, answer.transaction_id)

    async def permit(self, peer: Peer) -> None:
        """Let a peer send. Raises NoAnswer, Refused."""
        id = new_transaction()
        address = (int(Attribute.XOR_PEER_ADDRESS), stun.xor_address(*peer, id))
        await self._request("the permission", Method.CREATE_PERMISSION, address, id=id)

    def send(self, peer: Peer, data: bytes) -> None:
        """A Send indication."""
        id = new_transaction()
        address = (int(Attribute.XOR_PEER_ADDRESS), stun.xor_address(*peer, id))
        payload = (int(Attribute.DATA), data)
        self._client.send(stun.build(Method.SEND, MessageClass.INDICATION, id, [address, payload]))

    async def receives(self, data: bytes, within_s: float) -> bool:
        """Whether a Data indication with these data comes."""
        try:
            async with asyncio.timeout(within_s):
                while (await self._client.unasked.get()).get(Attribute.DATA) != data:
                    pass
        except TimeoutError:
            return False
        return True

    def end(self) -> None:
        """Give the allocation back, without waiting for the answer, and close."""
        if self._allocated:
            self._client.send(self._signed(Method.REFRESH, [_END], new_transaction()))
            asyncio.get_running_loop().call_later(0.05, self._client.close)
        else:
            self._client.close()

    def _challenged(self, answer: Message) -> None:
        """Learn realm and nonce from the answer to a request that nobody signed."""
        self._realm = answer.get(Attribute.REALM) or self._realm
        self._nonce = answer.get(Attribute.NONCE) or self._nonce
        if not self._nonce:
            raise Refused("the question for a nonce", *_error_of(answer))

    async def _request(
        self, step: str, method: Method, *attributes: tuple[int, bytes], id: bytes | None = None
    ) -> Message:
        answer = await self._client.exchange(self._signed(method, attributes, id or new_transaction()))
        if answer.cls is MessageClass.ERROR and _error_of(answer)[0] == _STALE_NONCE:
            self._challenged(answer)
            answer = await self._client.exchange(self._signed(method, attributes, id or new_transaction()))
        if answer.cls is MessageClass.ERROR:
            raise Refused(step, *_error_of(answer))
        return answer

    def _signed(self, method: Method, attributes: Iterable[tuple[int, bytes]], id: bytes) -> bytes:
        """A request with the long-term credential mechanism (RFC 8489 §9.2)."""
        name, password = self._credential.username.encode(), self._credential.password.encode()
        identity = (
            (int(Attribute.USERNAME), name),
            (int(Attribute.REALM), self._realm),
            (int(Attribute.NONCE), self._nonce),
        )
        key = hashlib.md5(b":".join((name, self._realm, password))).digest()
        return stun.build(method, MessageClass.REQUEST, id, (*attributes, *identity), key=key)


def _error_of(answer: Message) -> tuple[int, str]:
    """Code and words of an error response."""
    try:
        return stun.parse_error_code(answer.get(Attribute.ERROR_CODE) or b"")
    except stun.StunError:
        return 0, "an answer without sense"
