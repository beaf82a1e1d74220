"""SRTP and SRTCP of one endpoint (RFC 3711, RFC 7714) with keys from DTLS (RFC 5764 §4.2), on libsrtp."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pylibsrtp

MAX_RECEIVE_SOURCES = 128
"""SSRCs one endpoint may send: libsrtp keeps a state for each; a camera with simulcast and RTX takes six."""
MAX_SEND_SOURCES = 4096
"""SSRCs sent to one endpoint over its whole life. A state is never given back: a second life of the same SSRC
under the same key would repeat the key stream."""
REPLAY_WINDOW = 1024
"""Packets. A repaired one is forwarded late; behind libsrtp's 128 it would be taken for a replay."""
MAX_PLAIN_BYTES = 1356
"""What pylibsrtp's fixed buffer can protect: 1500 less the longest trailer."""


@dataclass(frozen=True)
class SrtpProfile:
    """A protection profile: OpenSSL's name, libsrtp's number, octets of master key and master salt."""

    name: bytes
    policy: int
    key_length: int
    salt_length: int


PROFILES = (
    SrtpProfile(b"SRTP_AEAD_AES_128_GCM", pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    SrtpProfile(b"SRTP_AES128_CM_SHA1_80", pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
)
"""In the order of preference: the DTLS server picks the first that the client offers too."""


@dataclass(frozen=True)
class SrtpKeys:
    """The profile with master key and salt, joined as libsrtp wants them, of both directions."""

    profile: SrtpProfile
    client: bytes
    server: bytes

    def __repr__(self) -> str:
        return f"SrtpKeys({self.profile.name.decode()})"


def split_keys(profile: SrtpProfile, material: bytes) -> SrtpKeys:
    """Exported keying material is client key, server key, client salt, server salt (RFC 5764 §4.2)."""
    key, salt = profile.key_length, profile.salt_length
    salts = material[2 * key :]
    return SrtpKeys(profile, material[:key] + salts[:salt], material[key : 2 * key] + salts[salt : 2 * salt])


class SrtpError(Exception):
    """A packet that must be dropped. `reason`: authentication, replay, sources, malformed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _refusal(error: Exception) -> SrtpError:
    text = str(error)
    if "replay" in text or "too old" in text:
        return SrtpError("replay")
    return SrtpError("authentication" if "auth" in text else "malformed")


def _session(key: bytes, direction: int, profile: SrtpProfile) -> pylibsrtp.Session:
    policy = pylibsrtp.Policy(key, direction, srtp_profile=profile.policy)
    policy.window_size = REPLAY_WINDOW
    return pylibsrtp.Session(policy)


class SrtpSession:
    """Both directions of one endpoint. Replay windows and roll-over counters are libsrtp's, per SSRC."""

    def __init__(self, keys: SrtpKeys, *, server: bool = True) -> None:
        receive, send = (keys.client, keys.server) if server else (keys.server, keys.client)
        self._receive = _session(receive, pylibsrtp.Policy.SSRC_ANY_INBOUND, keys.profile)
        self._send = _session(send, pylibsrtp.Policy.SSRC_ANY_OUTBOUND, keys.profile)
        self._received_sources: set[bytes] = set()
        self._sent_sources: set[bytes] = set()

    def unprotect_rtp(self, packet: bytes) -> bytes:
        """The RTP packet in `packet`, authenticated and not seen before. Raises SrtpError."""
        return self._unprotect(self._receive.unprotect, packet, packet[8:12])

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """The RTCP packet in `packet`, authenticated and not seen before. Raises SrtpError."""
        return self._unprotect(self._receive.unprotect_rtcp, packet, packet[4:8])

    def _unprotect(self, unprotect: Callable[[bytes], bytes], packet: bytes, ssrc: bytes) -> bytes:
        known = ssrc in self._received_sources
        if not known and len(self._received_sources) >= MAX_RECEIVE_SOURCES:
            raise SrtpError("sources")
        try:
            plain = unprotect(packet)
        except (pylibsrtp.Error, ValueError) as error:
            raise _refusal(error) from None
        if not known:
            self._received_sources.add(ssrc)
        return plain

    def protect_rtp(self, packet: bytes) -> bytes:
        """The SRTP packet to send. Raises SrtpError when it is too long or its number was used before."""
        self._admit_sent(packet[8:12])
        try:
            return self._send.protect(packet)
        except (pylibsrtp.Error, ValueError) as error:
            raise _refusal(error) from None

    def protect_rtcp(self, packet: bytes) -> bytes:
        """The SRTCP packet to send. Raises SrtpError when it is too long."""
        self._admit_sent(packet[4:8])
        try:
            return self._send.protect_rtcp(packet)
        except (pylibsrtp.Error, ValueError) as error:
            raise _refusal(error) from None

    def _admit_sent(self, ssrc: bytes) -> None:
        if ssrc not in self._sent_sources:
            if len(self._sent_sources) >= MAX_SEND_SOURCES:
                raise SrtpError("sources")
            self._sent_sources.add(ssrc)
