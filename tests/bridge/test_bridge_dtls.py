"""Our DTLS against pyOpenSSL on the other side, datagram by datagram."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from bridge.dtls import MTU, Certificate, DtlsAssociation, DtlsError, usable
from jingle.ice import Fingerprint
from tests.bridge.dtls_peer import DtlsClient, DtlsServer, Key

CERTIFICATE = Certificate()


def shake(
    client: DtlsClient, server: DtlsAssociation, lost: Callable[[bytes], bool] = lambda data: False
) -> list[bytes]:
    """Carry datagrams to and fro until both are silent; gives what the server sent."""
    sent: list[bytes] = []
    waiting = client.advance()
    while waiting:
        answers: list[bytes] = []
        for datagram in waiting:
            if not lost(datagram):
                server.receive(datagram)
                answers += server.datagrams()
        sent += answers
        waiting = [reply for answer in answers for reply in client.receive(answer)]
    return sent


def test_both_sides_get_the_same_keys_and_gcm_is_preferred() -> None:
    client = DtlsClient()
    server = DtlsAssociation(CERTIFICATE, (client.fingerprint,))
    shake(client, server)
    assert client.done
    assert server.keys == client.keys()
    assert server.keys is not None
    assert server.keys.profile.name == b"SRTP_AEAD_AES_128_GCM"
    assert client.server_fingerprint() == CERTIFICATE.fingerprint
    assert client.connection.get_protocol_version_name() == "DTLSv1.2"


def shake_with_server(association: DtlsAssociation, server: DtlsServer) -> None:
    """The same with the roles exchanged."""
    waiting = list(association.datagrams())
    while waiting:
        answers = [reply for datagram in waiting for reply in server.receive(datagram)]
        for answer in answers:
            association.receive(answer)
        waiting = list(association.datagrams())


@pytest.mark.parametrize("key", [None, rsa.generate_private_key(65537, 2048)], ids=["ecdsa", "rsa"])
def test_as_the_client_we_speak_first_and_both_sides_get_the_same_keys(key: Key | None) -> None:
    server = DtlsServer(key)
    association = DtlsAssociation(CERTIFICATE, (server.fingerprint,), active=True)
    shake_with_server(association, server)
    assert server.done
    assert association.keys == server.keys()
    assert server.server_fingerprint() == CERTIFICATE.fingerprint


def test_as_the_client_we_believe_only_the_signalled_fingerprint() -> None:
    server = DtlsServer()
    association = DtlsAssociation(CERTIFICATE, (DtlsServer().fingerprint,), active=True)
    with pytest.raises(DtlsError) as caught:
        shake_with_server(association, server)
    assert caught.value.reason == "fingerprint"
    assert association.keys is None


def test_as_the_client_our_timer_runs_from_the_first_flight_on() -> None:
    server = DtlsServer()
    association = DtlsAssociation(CERTIFICATE, (server.fingerprint,), active=True)
    due = association.timeout(10.0)
    assert due is not None and 10.0 < due <= 11.1
    shake_with_server(association, server)
    assert association.timeout(10.0) is None


def test_sha1_80_is_taken_from_a_client_that_has_nothing_else() -> None:
    client = DtlsClient(b"SRTP_AES128_CM_SHA1_80")
    server = DtlsAssociation(CERTIFICATE, (client.fingerprint,))
    shake(client, server)
    assert server.keys is not None
    assert server.keys.profile.name == b"SRTP_AES128_CM_SHA1_80"
    assert server.keys == client.keys()


def test_a_client_without_srtp_is_refused() -> None:
    client = DtlsClient(b"")
    with pytest.raises(DtlsError) as caught:
        shake(client, DtlsAssociation(CERTIFICATE, (client.fingerprint,)))
    assert caught.value.reason == "profile"


def test_no_keys_without_the_signalled_fingerprint() -> None:
    client = DtlsClient()
    server = DtlsAssociation(CERTIFICATE, (DtlsClient().fingerprint,))
    with pytest.raises(DtlsError) as caught:
        shake(client, server)
    assert caught.value.reason == "fingerprint"
    assert server.keys is None


def test_one_wrong_bit_in_the_fingerprint_is_enough() -> None:
    client = DtlsClient()
    value = client.fingerprint.value
    altered = value[:-1] + ("0" if value[-1] != "0" else "1")
    with pytest.raises(DtlsError, match="not the signalled one"):
        shake(client, DtlsAssociation(CERTIFICATE, (Fingerprint("sha-256", altered),)))


def test_several_fingerprints_of_the_strongest_hash_are_alternatives() -> None:
    client, other = DtlsClient(), DtlsClient()
    server = DtlsAssociation(CERTIFICATE, (other.fingerprint_512, client.fingerprint_512, other.fingerprint))
    shake(client, server)
    assert server.keys is not None


def test_a_weaker_hash_that_matches_does_not_outweigh_a_stronger_one_that_does_not() -> None:
    client, other = DtlsClient(), DtlsClient()
    with pytest.raises(DtlsError) as caught:
        shake(client, DtlsAssociation(CERTIFICATE, (client.fingerprint, other.fingerprint_512)))
    assert caught.value.reason == "fingerprint"


def test_unknown_hashes_are_not_usable() -> None:
    assert usable((Fingerprint("sha-1", "AA"), Fingerprint("md5", "AA"))) == ()
    assert usable((Fingerprint("SHA-256", "AA"),)) == (Fingerprint("SHA-256", "AA"),)


def test_datagrams_hold_whole_records_and_fit_the_path() -> None:
    client = DtlsClient()
    sent = shake(client, DtlsAssociation(CERTIFICATE, (client.fingerprint,)))
    for datagram in sent:
        assert len(datagram) <= MTU
        while datagram:
            length = 13 + int.from_bytes(datagram[11:13], "big")
            assert length <= len(datagram)
            datagram = datagram[length:]  # noqa: PLW2901


def test_the_timer_runs_only_while_an_answer_is_missing() -> None:
    client = DtlsClient()
    server = DtlsAssociation(CERTIFICATE, (client.fingerprint,))
    assert server.timeout(10.0) is None
    for datagram in client.advance():
        server.receive(datagram)
    due = server.timeout(10.0)
    assert due is not None
    assert 10.0 < due <= 11.1
    server.handle_timeout()
    for answer in server.datagrams():
        for reply in client.receive(answer):
            server.receive(reply)
    assert server.keys is not None
    assert server.timeout(10.0) is None


def test_the_clients_good_bye_is_seen() -> None:
    client = DtlsClient()
    server = DtlsAssociation(CERTIFICATE, (client.fingerprint,))
    shake(client, server)
    client.connection.shutdown()
    for datagram in client.datagrams():
        server.receive(datagram)
    assert server.closed


def test_application_data_is_swallowed() -> None:
    client = DtlsClient()
    server = DtlsAssociation(CERTIFICATE, (client.fingerprint,))
    shake(client, server)
    client.connection.send(b"hello")
    for datagram in client.datagrams():
        server.receive(datagram)
    assert not server.closed


@settings(max_examples=50)
@given(st.lists(st.binary(min_size=1, max_size=100), max_size=5), st.integers(0, 63))
def test_rubbish_raises_nothing_but_the_declared_error(datagrams: list[bytes], first: int) -> None:
    server = DtlsAssociation(CERTIFICATE, (Fingerprint("sha-256", "AA"),))
    try:
        for datagram in datagrams:
            server.receive(bytes([first]) + datagram)
            list(server.datagrams())
    except DtlsError as error:
        assert error.reason == "handshake"


def test_rubbish_after_the_handshake_changes_nothing() -> None:
    client = DtlsClient()
    server = DtlsAssociation(CERTIFICATE, (client.fingerprint,))
    shake(client, server)
    for kind in (20, 21, 22, 23):
        server.receive(bytes([kind]) + b"\xfe\xfd\0\0\0\0\0\0\0\x09\0\x02\x02\x28")
        server.receive(bytes([kind]) + b"\xfe\xfd\0\x01\0\0\0\0\0\x09\0\x02\x02\x28")
    assert not server.closed
    server.close()
    for datagram in server.datagrams():
        client.connection.bio_write(datagram)
    with pytest.raises(SSL.ZeroReturnError):
        client.connection.recv(100)
