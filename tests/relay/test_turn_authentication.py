"""The long-term mechanism on the server core (RFC 8489 §9.2), with time-limited credentials and nonces."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.credentials import Credential, issue, password_of
from carillon.stun import Attribute, MessageClass, Method, build
from relay.turn.five_tuple import FiveTuple
from relay.turn.nonce import NONCE_LIFETIME_S
from tests.relay.turn_core import SECRET, UDP_TRANSPORT, UNIX_TIME, Core, code_of

DAY_S = 86400


def of(username: str) -> Credential:
    return Credential(username, password_of(SECRET, username), 600)


def allocate(core: Core, user: Credential) -> int:
    return core.client(user=user).code(Method.ALLOCATE, UDP_TRANSPORT)


END = int(UNIX_TIME) + 600


@pytest.mark.parametrize("username", [f"{END}", f"{END}:f0e1d2c3", f"{END}:romeo@localhost", f"{END}:ü:x"])
def test_all_three_forms_of_credentials_are_taken(username: str) -> None:
    assert allocate(Core(), of(username)) == 0


@pytest.mark.parametrize(
    "username",
    [
        "romeo",
        "",
        f"{END}:",
        f"{int(UNIX_TIME) - 1}:romeo@localhost",
        f"{int(UNIX_TIME)}",
        f"{int(UNIX_TIME) + 10 * 365 * DAY_S}:romeo@localhost",
        f"{int(UNIX_TIME) + 2 * DAY_S + 1}",
        "9" * 15,
        f"{END}:" + "x" * 520,
    ],
)
def test_other_users_are_unknown(username: str) -> None:
    core = Core()
    assert allocate(core, of(username)) == 401
    assert not core.output.open
    assert allocate(core, of(f"{int(UNIX_TIME) + 2 * DAY_S}")) == 0


def test_wrong_password_and_unknown_user_get_the_same_answer() -> None:
    core = Core()
    good = core.client()
    good.challenge()
    tid = bytes(12)
    answers = []
    for user in (
        Credential(good.user.username, "wrong", 1),
        issue("south", "romeo@localhost", 600, UNIX_TIME),
        of("nobody"),
        issue(SECRET, "romeo@localhost", -1, UNIX_TIME),
    ):
        client = good.with_user(user)
        client.nonce = good.nonce
        answer = client.request(Method.ALLOCATE, UDP_TRANSPORT, tid=tid)
        assert answer is not None and code_of(answer) == 401
        answers.append([(kind, len(value)) for kind, value in answer.attributes])
    assert all(answer == answers[0] for answer in answers)
    assert good.code(Method.ALLOCATE, UDP_TRANSPORT) == 0


def test_a_wrong_realm_is_refused() -> None:
    core = Core()
    assert core.client(realm="elsewhere").code(Method.ALLOCATE, UDP_TRANSPORT) == 401


def test_a_challenge_has_realm_and_nonce_and_makes_no_state() -> None:
    core = Core()
    answer = core.answer(
        FiveTuple("udp", "198.51.100.1", 1), build(Method.ALLOCATE, MessageClass.REQUEST, bytes(12), [])
    )
    assert answer is not None and code_of(answer) == 401
    assert answer.get(Attribute.REALM) == b"localhost"
    assert answer.get(Attribute.NONCE)
    assert answer.get(Attribute.MESSAGE_INTEGRITY) is None
    assert not core.server.allocations.by_client and not core.output.open


@pytest.mark.parametrize("missing", [Attribute.USERNAME, Attribute.REALM, Attribute.NONCE])
def test_a_signed_request_without_all_of_its_attributes_is_bad(missing: int) -> None:
    core = Core()
    attributes = [(kind, b"x") for kind in (0x0006, 0x0014, 0x0015) if kind != missing]
    data = build(Method.ALLOCATE, MessageClass.REQUEST, bytes(12), attributes, key=b"k")
    assert code_of(core.answer(FiveTuple("udp", "198.51.100.1", 1), data)) == 400


def test_a_nonce_is_good_for_one_address_and_port_and_some_time() -> None:
    core = Core()
    client = core.client()
    client.challenge()
    here = client.five_tuple
    for other in (
        here._replace(port=here.port + 1),
        here._replace(ip="203.0.113.77"),
        here._replace(transport="tcp"),
    ):
        thief = core.client(five_tuple=other, user=client.user)
        thief.nonce = client.nonce
        answer = thief.request(Method.ALLOCATE, UDP_TRANSPORT)
        assert answer is not None and code_of(answer) == 438
        thief.nonce = answer.get(Attribute.NONCE) or b""
        assert thief.code(Method.ALLOCATE, UDP_TRANSPORT) == 0
    core.now += NONCE_LIFETIME_S - 1
    assert client.code(Method.ALLOCATE, UDP_TRANSPORT) == 0
    core.now += 2
    assert client.refresh() == -438


@pytest.mark.parametrize("nonce", [b"", b"x", b"\xff" * 24, b"A" * 24, b"A" * 764, "☃".encode()])
def test_a_forged_nonce_is_answered_with_a_fresh_one(nonce: bytes) -> None:
    core = Core()
    client = core.client()
    client.challenge()
    client.nonce = nonce or b" "
    answer = client.request(Method.ALLOCATE, UDP_TRANSPORT)
    assert answer is not None and code_of(answer) == 438
    client.nonce = answer.get(Attribute.NONCE) or b""
    assert client.code(Method.ALLOCATE, UDP_TRANSPORT) == 0


def test_nonces_cannot_be_predicted() -> None:
    core = Core(turn__unauthenticated_per_second="1000.0")
    client = core.client()
    macs = set()
    for _ in range(200):
        client.challenge()
        macs.add(base64.b64decode(client.nonce)[6:])
    assert len(macs) >= 199
    bits = [bin(int.from_bytes(mac, "big")).count("1") / 96 for mac in macs]
    assert 0.45 < sum(bits) / len(bits) < 0.55


def test_somebody_else_on_an_allocation_has_wrong_credentials() -> None:
    core = Core()
    client = core.client()
    client.allocate()
    thief = client.with_user(issue(SECRET, "tybalt@localhost", 600, UNIX_TIME))
    assert thief.refresh(0) == -441
    assert thief.permit("1.1.1.1") == 441
    assert thief.bind() == 441
    assert thief.code(Method.ALLOCATE, UDP_TRANSPORT) == 437
    assert client.refresh(0) == 0


def test_an_expired_credential_ends_nothing_but_asks_no_more() -> None:
    core = Core()
    client = core.client()
    client.allocate()
    client.permit("1.1.1.1")
    core.unix_time += 601
    assert client.send(b"x", ("1.1.1.1", 1))
    assert client.refresh() == -401


def test_attributes_after_the_signature_are_ignored() -> None:
    core = Core()
    client = core.client()
    client.allocate()
    signed = client.signed(Method.CREATE_PERMISSION, (), bytes(12))
    body = signed[20:] + bytes.fromhex("001200080001000001010101")
    data = signed[:2] + len(body).to_bytes(2, "big") + signed[4:20] + body
    assert code_of(core.answer(client.five_tuple, data)) == 400
    assert not client.send(b"x", ("1.1.1.1", 1))


def test_a_changed_body_is_unauthenticated() -> None:
    core = Core()
    client = core.client()
    client.allocate()
    signed = bytearray(client.signed(Method.REFRESH, [(Attribute.LIFETIME, bytes(4))], bytes(12)))
    signed[27] ^= 1
    assert code_of(core.answer(client.five_tuple, bytes(signed))) == 401
    assert core.output.open


@given(st.binary(max_size=30))
def test_any_nonce_is_answered(nonce: bytes) -> None:
    client = Core().client()
    client.nonce = nonce or b"\0"
    assert client.code(Method.ALLOCATE, UDP_TRANSPORT) == 438
