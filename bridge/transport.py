"""One endpoint's transport: ICE, DTLS and SRTP put together (RFC 7983). Sans-I/O.

The owner brings datagrams: STUN that names this endpoint through `receive_stun`, the rest through `receive`:
media only from addresses that the ICE agent has reported as validated, DTLS also from those it has learned.
What comes out goes to the listener.

DTLS begins at the first address that is validated, and so may media: any valid pair will do until one is
nominated (RFC 8445 §12.1.1). What a client sends before we have validated its address waits for that.
"""

from __future__ import annotations

import math
from typing import Protocol

from bridge.dtls import Certificate, DtlsAssociation, DtlsError
from bridge.ice import IceAgent
from bridge.ice_data import (
    Address,
    ConsentLost,
    ConsentRenewed,
    Credentials,
    Forgotten,
    IceRefused,
    Learned,
    Selected,
    Send,
    Validated,
)
from bridge.metrics import CONNECTED, REJECTED
from bridge.srtp import SrtpError, SrtpSession
from carillon.stun import Message
from jingle.ice import Fingerprint

MAX_EARLY_DATAGRAMS = 4
"""DTLS from one address that is not validated yet: a ClientHello of Chromium takes two datagrams, and it may
be repeated. It comes as soon as the client's own check is answered, often before ours is."""
MAX_EARLY_BYTES = 2048
"""Length of each of them."""


class TransportListener(Protocol):
    """Whom a transport reports to."""

    def send_datagram(self, data: bytes, address: Address) -> None:
        """Send it from the base that the address names."""

    def learned(self, address: Address) -> None:
        """Responses to checks may come from there."""

    def validated(self, address: Address) -> None:
        """DTLS and media may come from there."""

    def forgotten(self, address: Address) -> None:
        """Nothing may come from there any more."""

    def connected(self, now: float) -> None:
        """Media may be sent and will be received."""

    def consented(self, now: float) -> None:
        """The client is alive, whether it sends media or not."""

    def receive_rtp(self, packet: bytes, now: float) -> None:
        """One authenticated RTP packet."""

    def receive_rtcp(self, packet: bytes, now: float) -> None:
        """One authenticated RTCP packet, maybe compound."""

    def closed(self, reason: str, now: float) -> None:
        """It is over: consent, closed (by the client), fingerprint, profile or handshake."""


class Transport:
    """See the module."""

    def __init__(self, listener: TransportListener, ice: IceAgent, certificate: Certificate) -> None:
        self.ice = ice
        self.due = math.inf
        """When `handle_timeout` is to be called next."""
        self.connected = False
        """Keys are there."""
        self.ice_succeeded = False
        """A pair was nominated once."""
        self.packets_received = self.bytes_received = self.packets_sent = self.bytes_sent = 0
        self._listener = listener
        self._certificate = certificate
        self._fingerprints: tuple[Fingerprint, ...] = ()
        self._dtls: DtlsAssociation | None = None
        self._srtp: SrtpSession | None = None
        self._remote: Address | None = None
        self._early: dict[Address, list[bytes]] = {}
        """DTLS from addresses learned but not validated; the ICE agent bounds how many there are."""

    @property
    def remote(self) -> Address | None:
        """The nominated address of the client, before that a valid one: where everything is sent to."""
        return self._remote

    @property
    def has_fingerprint(self) -> bool:
        """Whether the client's fingerprint is known."""
        return bool(self._fingerprints)

    def set_remote(self, credentials: Credentials, fingerprints: tuple[Fingerprint, ...], now: float) -> None:
        """The client's answer: checks can begin, and DTLS once one has succeeded.

        We are the DTLS client of a client that is passive (RFC 5763 §5), else the server.
        """
        if fingerprints:
            self._fingerprints = fingerprints
        self.ice.set_remote(credentials, now)
        self._after_ice(now)

    def receive_stun(self, message: Message, source: Address, now: float) -> None:
        """Take a STUN message that is meant for this endpoint."""
        try:
            self.ice.receive(message, source, now)
        except IceRefused as refused:
            REJECTED.labels("ice", refused.reason).inc()
            return
        self._after_ice(now)

    def lose(self, address: Address, now: float) -> None:
        """The connection to this address is closed: who connects from there next may be somebody else."""
        if self._remote == address:
            self._remote = None
        self.ice.lose(address)
        self._after_ice(now)

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """Take a datagram that is not STUN, from an address that belongs to this endpoint."""
        first = data[0]
        if 128 <= first < 192 and len(data) >= 12:
            self._receive_media(data, now)
        elif 20 <= first < 64:
            self._receive_dtls(data, source, now)
        else:
            REJECTED.labels("udp", "unknown").inc()

    def _receive_media(self, data: bytes, now: float) -> None:
        srtp = self._srtp
        if srtp is None:
            REJECTED.labels("srtp", "early").inc()
            return
        self.packets_received += 1
        self.bytes_received += len(data)
        try:
            if 192 <= data[1] < 224:  # RFC 5761 §4
                self._listener.receive_rtcp(srtp.unprotect_rtcp(data), now)
            else:
                self._listener.receive_rtp(srtp.unprotect_rtp(data), now)
        except SrtpError as error:
            REJECTED.labels("srtp", error.reason).inc()

    def _receive_dtls(self, data: bytes, source: Address, now: float) -> None:
        if self.ice.validated(source):
            self._feed_dtls(data, source, now)
            return
        early = self._early.setdefault(source, []) if not self.connected else None
        if early is None or len(early) >= MAX_EARLY_DATAGRAMS or len(data) > MAX_EARLY_BYTES:
            REJECTED.labels("dtls", "unchecked").inc()
        else:
            early.append(data)

    def _feed_dtls(self, data: bytes, source: Address, now: float) -> None:
        dtls = self._dtls
        if dtls is None:
            return
        if self._remote is None:
            self._remote = source
        try:
            dtls.receive(data)
        except DtlsError as error:
            self._give_up(dtls, error.reason, now)
            return
        self._flush_dtls(dtls, now)
        if dtls.closed:
            self._close("closed", now)
        elif dtls.keys is not None and self._srtp is None:
            self._srtp = SrtpSession(dtls.keys, server=not dtls.active)
            self.connected = True
            self._early.clear()
            CONNECTED.inc()
            self._listener.connected(now)

    def _flush_dtls(self, dtls: DtlsAssociation, now: float) -> None:
        for datagram in dtls.datagrams():
            self._send(datagram)
        self._schedule(now)

    def _give_up(self, dtls: DtlsAssociation, reason: str, now: float) -> None:
        REJECTED.labels("dtls", reason).inc()
        dtls.close()
        self._flush_dtls(dtls, now)
        self._close(reason, now)

    def _after_ice(self, now: float) -> None:
        for event in self.ice.events():
            match event:
                case Send(data, address):
                    self._listener.send_datagram(data, address)
                case Learned(address):
                    self._listener.learned(address)
                case Validated(address):
                    self._listener.validated(address)
                    self._reached(address, now)
                case Forgotten(address):
                    self._forget(address)
                case Selected(address):
                    self._remote = address
                    self.ice_succeeded = True
                case ConsentRenewed():
                    self._listener.consented(now)
                case ConsentLost():
                    self._close("consent", now)
        self._schedule(now)

    def _reached(self, address: Address, now: float) -> None:
        """The client is reached at this address: what it sent from there counts from now on."""
        if self.ice.closed:
            return
        if self._remote is None:
            self._remote = address
        if self._dtls is None and self._fingerprints:
            passive = any(one.setup == "passive" for one in self._fingerprints)
            self._dtls = DtlsAssociation(self._certificate, self._fingerprints, active=passive)
            self._flush_dtls(self._dtls, now)
        for data in self._early.pop(address, ()):
            self._feed_dtls(data, address, now)

    def _forget(self, address: Address) -> None:
        self._early.pop(address, None)
        if self._remote == address:
            self._remote = None
        self._listener.forgotten(address)

    def _schedule(self, now: float) -> None:
        times = [self.ice.timeout(), self._dtls.timeout(now) if self._dtls is not None else None]
        self.due = min((time for time in times if time is not None), default=math.inf)

    def handle_timeout(self, now: float) -> None:
        """Do what is due: see `due`."""
        self.ice.handle_timeout(now)
        if self._dtls is not None and not self.ice.closed:
            try:
                self._dtls.handle_timeout()
            except DtlsError as error:
                self._give_up(self._dtls, error.reason, now)
                return
            self._flush_dtls(self._dtls, now)
        self._after_ice(now)

    def ask(self, now: float) -> None:
        """Ask the client whether it is there (RFC 7675); `consented` tells that it is."""
        self.ice.ask_consent(now)
        self._after_ice(now)

    def send_rtp(self, packet: bytes) -> None:
        """Protect and send one RTP packet; nothing happens before the endpoint is connected."""
        if self._srtp is not None and self._remote is not None:
            try:
                self._send(self._srtp.protect_rtp(packet))
            except SrtpError as error:
                REJECTED.labels("srtp", "send_" + error.reason).inc()

    def send_rtcp(self, packet: bytes) -> None:
        """Protect and send one RTCP packet; nothing happens before the endpoint is connected."""
        if self._srtp is not None and self._remote is not None:
            try:
                self._send(self._srtp.protect_rtcp(packet))
            except SrtpError as error:
                REJECTED.labels("srtp", "send_" + error.reason).inc()

    def _send(self, data: bytes) -> None:
        if self._remote is not None:
            self.packets_sent += 1
            self.bytes_sent += len(data)
            self._listener.send_datagram(data, self._remote)

    def _close(self, reason: str, now: float) -> None:
        self.close()
        self._listener.closed(reason, now)

    def close(self) -> None:
        """Stop for good, without a word to the client."""
        self.ice.close()
        self._srtp = self._dtls = self._remote = None
        self._early.clear()
        self.connected = False
        self.due = math.inf
