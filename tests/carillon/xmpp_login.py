"""A login on a c2s port with nothing but the standard library: enough to see whether an account is good."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import socket


class LoginError(Exception):
    """The server refused; the text is what it said."""


def anonymous_login(c2s: tuple[str, int], host: str) -> str:
    """Log in as a guest and give the full JID."""
    with Stream(c2s, host) as stream:
        stream.ask("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>", "<success")
        return stream.bind()


def scram_login(c2s: tuple[str, int], host: str, name: str, password: str) -> str:
    """Log in with SCRAM-SHA-1 (RFC 5802) and give the full JID. Raises LoginError."""
    with Stream(c2s, host) as stream:
        stream.scram(name, password)
        return stream.bind()


def features_with_an_account(c2s: tuple[str, int], host: str, name: str, password: str) -> set[str]:
    """What a host says of itself to somebody who has logged in on it (XEP-0030)."""
    with Stream(c2s, host) as stream:
        stream.scram(name, password)
        stream.bind()
        query = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
        answer = stream.ask(f"<iq type='get' id='f' to='{host}'>{query}</iq>", "</iq>")
        return set(re.findall(r"""var=["']([^"']+)["']""", answer))


class Stream:
    """One c2s stream."""

    def __init__(self, c2s: tuple[str, int], host: str) -> None:
        self._host = host
        self._socket = socket.create_connection(c2s, timeout=10)
        self._open()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def scram(self, name: str, password: str) -> None:
        """Log in with SCRAM-SHA-1 (RFC 5802). Raises LoginError."""
        first = f"n={name},r={secrets.token_hex(8)}"
        challenge = self.ask(_sasl("auth mechanism='SCRAM-SHA-1'", f"n,,{first}"), "</challenge>")
        server_first = base64.b64decode(re.findall(r">([^<]+)</challenge>", challenge)[0]).decode()
        fields = dict(part.split("=", 1) for part in server_first.split(","))
        bare = f"c=biws,r={fields['r']}"
        salted = hashlib.pbkdf2_hmac(
            "sha1", password.encode(), base64.b64decode(fields["s"]), int(fields["i"])
        )
        key = hmac.digest(salted, b"Client Key", "sha1")
        signature = hmac.digest(hashlib.sha1(key).digest(), f"{first},{server_first},{bare}".encode(), "sha1")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()
        self.ask(_sasl("response", f"{bare},p={proof}"), "</success>")

    def bind(self) -> str:
        """Restart the stream after authentication and bind a resource."""
        self._open()
        bind = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
        return str(re.findall(r"<jid>([^<]+)</jid>", self.ask(bind, "</iq>"))[0])

    def ask(self, text: str, end: str) -> str:
        """Send `text` and give what comes, up to `end`. Raises LoginError."""
        self._socket.sendall(text.encode())
        got = ""
        while end not in got:
            data = self._socket.recv(65536).decode()
            got += data
            if not data or "<failure" in got or "<stream:error" in got:
                raise LoginError(got)
        return got

    def _open(self) -> None:
        header = f"<stream:stream to='{self._host}' version='1.0' xmlns='jabber:client'"
        self.ask(header + " xmlns:stream='http://etherx.jabber.org/streams'>", "</stream:features>")


def _sasl(tag: str, data: str) -> str:
    name = tag.split()[0]
    return (
        f"<{tag} xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{base64.b64encode(data.encode()).decode()}</{name}>"
    )
