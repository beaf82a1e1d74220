"""RTCP (RFC 3550 §6, RFC 4585, RFC 5104): compound packets parsed into data and built from it."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SR, RR, SDES, BYE = 200, 201, 202, 203
RTPFB, PSFB = 205, 206
FMT_NACK, FMT_TRANSPORT_CC = 1, 15
FMT_PLI, FMT_FIR, FMT_AFB = 1, 4, 15

_HEADER = struct.Struct("!BBH")
_SENDER_INFO = struct.Struct("!IIIIII")
_REPORT_BLOCK = struct.Struct("!IIIIII")
_FEEDBACK = struct.Struct("!II")
_NACK_ENTRY = struct.Struct("!HH")


class RtcpError(Exception):
    """Bytes that are not a well-formed RTCP packet."""


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """One block of an SR or RR (RFC 3550 §6.4.1)."""

    ssrc: int
    fraction_lost: int
    """In 1/256."""
    cumulative_lost: int
    highest_sequence: int
    jitter: int
    last_sr: int
    """The middle 32 bits of the NTP time of the last SR received from `ssrc` (0 = none)."""
    delay_since_last_sr: int
    """In 1/65536 s."""


@dataclass(frozen=True, slots=True)
class SenderReport:
    """SR: when (`ntp`: 64-bit fixed point) the RTP clock of `ssrc` showed `rtp_timestamp`, and what was sent
    so far."""

    ssrc: int
    ntp: int
    rtp_timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """RR."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """SDES: (SSRC, CNAME) of each chunk; other items are skipped."""

    cnames: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Bye:
    """BYE."""

    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Nack:
    """Generic NACK (RFC 4585 §6.2.1)."""

    ssrc: int
    media_ssrc: int
    sequence_numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TransportCc:
    """Transport-wide feedback: `fci` is for transport_cc.parse_feedback."""

    ssrc: int
    media_ssrc: int
    fci: bytes


@dataclass(frozen=True, slots=True)
class Pli:
    """Picture loss indication (RFC 4585 §6.3.1)."""

    ssrc: int
    media_ssrc: int


@dataclass(frozen=True, slots=True)
class Fir:
    """Full intra request (RFC 5104 §4.3.1): (media SSRC, command sequence number) of each entry."""

    ssrc: int
    entries: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Remb:
    """Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03), an application layer feedback."""

    ssrc: int
    bitrate_bps: int
    media_ssrcs: tuple[int, ...]


RtcpPacket = SenderReport | ReceiverReport | SourceDescription | Bye | Nack | TransportCc | Pli | Fir | Remb


def parse(data: bytes) -> list[RtcpPacket]:
    """The known packets of a compound or reduced-size packet; unknown types and formats are skipped by their
    length.

    Raises RtcpError.
    """
    packets: list[RtcpPacket] = []
    position = 0
    if not data:
        raise RtcpError("empty")
    while position < len(data):
        if position + 4 > len(data):
            raise RtcpError("header cut off")
        first, packet_type, words = _HEADER.unpack_from(data, position)
        end = position + 4 + 4 * words
        if first & 0xC0 != 0x80 or end > len(data):
            raise RtcpError("not version 2, or cut off")
        body_end = end
        if first & 0x20:
            if end != len(data) or not 0 < data[end - 1] <= 4 * words:
                raise RtcpError("bad padding")
            body_end -= data[end - 1]
        packet = _parse_one(packet_type, first & 0x1F, data[position + 4 : body_end])
        if packet is not None:
            packets.append(packet)
        position = end
    return packets


def _parse_one(packet_type: int, count: int, body: bytes) -> RtcpPacket | None:
    try:
        if packet_type == SR:
            ssrc, ntp_high, ntp_low, rtp_timestamp, packets, octets = _SENDER_INFO.unpack_from(body)
            blocks = _blocks(body, 24, count)
            return SenderReport(ssrc, ntp_high << 32 | ntp_low, rtp_timestamp, packets, octets, blocks)
        if packet_type == RR:
            return ReceiverReport(_word(body, 0), _blocks(body, 4, count))
        if packet_type == SDES:
            return _source_description(body, count)
        if packet_type == BYE:
            return Bye(tuple(_word(body, 4 * index) for index in range(count)))
        if packet_type == RTPFB:
            return _transport_feedback(count, body)
        if packet_type == PSFB:
            return _payload_feedback(count, body)
    except struct.error:
        raise RtcpError(f"packet of type {packet_type} cut off") from None
    return None


def _word(body: bytes, position: int) -> int:
    if position + 4 > len(body):
        raise RtcpError("cut off")
    return int.from_bytes(body[position : position + 4], "big")


def _blocks(body: bytes, position: int, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for index in range(count):
        ssrc, loss, highest, jitter, last_sr, delay = _REPORT_BLOCK.unpack_from(body, position + 24 * index)
        lost = loss & 0xFFFFFF
        if lost & 0x800000:
            lost -= 0x1000000
        blocks.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last_sr, delay))
    return tuple(blocks)


def _source_description(body: bytes, count: int) -> SourceDescription:
    """RFC 3550 §6.5: chunks of an SSRC and items, each chunk ended by a null and filled up to 32 bits."""
    cnames: list[tuple[int, str]] = []
    position = 0
    for _ in range(count):
        ssrc = _word(body, position)
        position += 4
        while True:
            if position >= len(body):
                raise RtcpError("SDES chunk cut off")
            item = body[position]
            if item == 0:
                position += 4 - position % 4
                break
            if position + 2 > len(body) or position + 2 + body[position + 1] > len(body):
                raise RtcpError("SDES item cut off")
            text = body[position + 2 : position + 2 + body[position + 1]]
            if item == 1:
                cnames.append((ssrc, text.decode("utf-8", "replace")))
            position += 2 + len(text)
    return SourceDescription(tuple(cnames))


def _transport_feedback(fmt: int, body: bytes) -> RtcpPacket | None:
    ssrc, media_ssrc = _FEEDBACK.unpack_from(body)
    if fmt == FMT_TRANSPORT_CC:
        return TransportCc(ssrc, media_ssrc, body[8:])
    if fmt != FMT_NACK:
        return None
    numbers: list[int] = []
    for position in range(8, len(body), 4):
        word = _word(body, position)
        first, mask = word >> 16, word & 0xFFFF
        numbers.append(first)
        numbers.extend((first + 1 + bit) & 0xFFFF for bit in range(16) if mask >> bit & 1)
    return Nack(ssrc, media_ssrc, tuple(numbers))


def _payload_feedback(fmt: int, body: bytes) -> RtcpPacket | None:
    ssrc, media_ssrc = _FEEDBACK.unpack_from(body)
    if fmt == FMT_PLI:
        return Pli(ssrc, media_ssrc)
    if fmt == FMT_FIR:
        entries = [(_word(body, position), body[position + 4]) for position in range(8, len(body) - 7, 8)]
        return Fir(ssrc, tuple(entries))
    if fmt == FMT_AFB and body[8:12] == b"REMB":
        count = _word(body, 12) >> 24
        word = _word(body, 12)
        bitrate = (word & 0x3FFFF) << (word >> 18 & 0x3F)
        return Remb(ssrc, bitrate, tuple(_word(body, 16 + 4 * index) for index in range(count)))
    return None


def _packet(packet_type: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, packet_type, len(body) // 4) + body


def _build_blocks(blocks: Sequence[ReportBlock]) -> bytes:
    return b"".join(
        _REPORT_BLOCK.pack(
            block.ssrc,
            block.fraction_lost << 24 | block.cumulative_lost & 0xFFFFFF,
            block.highest_sequence,
            block.jitter,
            block.last_sr,
            block.delay_since_last_sr,
        )
        for block in blocks
    )


def sender_report(report: SenderReport) -> bytes:
    """An SR with at most 31 blocks."""
    info = _SENDER_INFO.pack(
        report.ssrc,
        report.ntp >> 32,
        report.ntp & 0xFFFFFFFF,
        report.rtp_timestamp,
        report.packets & 0xFFFFFFFF,
        report.octets & 0xFFFFFFFF,
    )
    return _packet(SR, len(report.blocks), info + _build_blocks(report.blocks))


def receiver_report(ssrc: int, blocks: Sequence[ReportBlock] = ()) -> bytes:
    """An RR with at most 31 blocks; without any it is the usual first packet of a compound."""
    return _packet(RR, len(blocks), ssrc.to_bytes(4, "big") + _build_blocks(blocks))


def source_description(cnames: Iterable[tuple[int, str]]) -> bytes:
    """An SDES with one CNAME chunk for each (SSRC, name); at most 31."""
    chunks = []
    for ssrc, cname in cnames:
        text = cname.encode()[:255]
        chunk = ssrc.to_bytes(4, "big") + bytes((1, len(text))) + text
        chunks.append(chunk + bytes(4 - len(chunk) % 4))
    return _packet(SDES, len(chunks), b"".join(chunks))


def bye(ssrcs: Sequence[int]) -> bytes:
    """A BYE for at most 31 SSRCs."""
    return _packet(BYE, len(ssrcs), b"".join(ssrc.to_bytes(4, "big") for ssrc in ssrcs))


def nack(ssrc: int, media_ssrc: int, sequence_numbers: Iterable[int]) -> bytes:
    """A generic NACK; numbers in order are packed into as few entries as they need."""
    entries: list[list[int]] = []
    for number in sequence_numbers:
        if entries and 1 <= (number - entries[-1][0]) & 0xFFFF <= 16:
            entries[-1][1] |= 1 << ((number - entries[-1][0] - 1) & 0xFFFF)
        else:
            entries.append([number, 0])
    fci = b"".join(_NACK_ENTRY.pack(first, mask) for first, mask in entries)
    return _packet(RTPFB, FMT_NACK, _FEEDBACK.pack(ssrc, media_ssrc) + fci)


def transport_cc(ssrc: int, media_ssrc: int, fci: bytes) -> bytes:
    """Transport-wide feedback around an FCI of transport_cc.Arrivals."""
    return _packet(RTPFB, FMT_TRANSPORT_CC, _FEEDBACK.pack(ssrc, media_ssrc) + fci)


def pli(ssrc: int, media_ssrc: int) -> bytes:
    """A PLI."""
    return _packet(PSFB, FMT_PLI, _FEEDBACK.pack(ssrc, media_ssrc))


def fir(ssrc: int, media_ssrc: int, command: int) -> bytes:
    """A FIR with one entry; `command` must differ from that of the previous FIR (8 bits)."""
    entry = media_ssrc.to_bytes(4, "big") + bytes((command & 0xFF, 0, 0, 0))
    return _packet(PSFB, FMT_FIR, _FEEDBACK.pack(ssrc, 0) + entry)


def remb(ssrc: int, bitrate_bps: int, media_ssrcs: Sequence[int]) -> bytes:
    """A REMB; the bitrate keeps its upper 18 bits."""
    exponent = max(0, bitrate_bps.bit_length() - 18)
    word = len(media_ssrcs) << 24 | exponent << 18 | bitrate_bps >> exponent
    fci = b"REMB" + word.to_bytes(4, "big") + b"".join(media.to_bytes(4, "big") for media in media_ssrcs)
    return _packet(PSFB, FMT_AFB, _FEEDBACK.pack(ssrc, 0) + fci)
