"""RTCP packets."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.media import rtcp
from bridge.media.rtcp import (
    Bye,
    Fir,
    Nack,
    Pli,
    ReceiverReport,
    Remb,
    ReportBlock,
    SenderReport,
    SourceDescription,
    TransportCc,
)

WORD = st.integers(0, 0xFFFFFFFF)
BLOCK = st.builds(
    ReportBlock, WORD, st.integers(0, 255), st.integers(-0x800000, 0x7FFFFF), WORD, WORD, WORD, WORD
)


@given(
    st.builds(
        SenderReport,
        WORD,
        st.integers(0, (1 << 64) - 1),
        WORD,
        WORD,
        WORD,
        st.lists(BLOCK, max_size=31).map(tuple),
    )
)
def test_sender_reports(report: SenderReport) -> None:
    assert rtcp.parse(rtcp.sender_report(report)) == [report]


@given(WORD, st.lists(BLOCK, max_size=31))
def test_receiver_reports(ssrc: int, blocks: list[ReportBlock]) -> None:
    assert rtcp.parse(rtcp.receiver_report(ssrc, blocks)) == [ReceiverReport(ssrc, tuple(blocks))]


@given(st.lists(st.tuples(WORD, st.text(max_size=40)), max_size=31))
def test_source_descriptions(cnames: list[tuple[int, str]]) -> None:
    assert rtcp.parse(rtcp.source_description(cnames)) == [SourceDescription(tuple(cnames))]


@given(st.integers(0, 0xFFFF), st.sets(st.integers(0, 400), min_size=1, max_size=60))
def test_nacks_name_each_number_once_across_the_wrap(first: int, offsets: set[int]) -> None:
    numbers = [(first + offset) & 0xFFFF for offset in sorted(offsets)]
    (packet,) = rtcp.parse(rtcp.nack(1, 2, numbers))
    assert packet == Nack(1, 2, tuple(numbers))


def test_a_nack_packs_neighbours_into_one_entry() -> None:
    assert len(rtcp.nack(1, 2, [65530, 65531, 2, 10])) == 16
    assert len(rtcp.nack(1, 2, [1, 18])) == 20


def test_the_other_packets() -> None:
    compound = (
        rtcp.receiver_report(1)
        + rtcp.pli(1, 2)
        + rtcp.fir(1, 2, 300)
        + rtcp.remb(1, 2_500_000, [5, 6])
        + rtcp.transport_cc(1, 2, b"12345678")
        + rtcp.bye([7, 8])
    )
    assert rtcp.parse(compound) == [
        ReceiverReport(1),
        Pli(1, 2),
        Fir(1, ((2, 300 & 0xFF),)),
        Remb(1, 2_500_000 >> 4 << 4, (5, 6)),
        TransportCc(1, 2, b"12345678"),
        Bye((7, 8)),
    ]


def test_unknown_types_and_formats_are_skipped_by_their_length() -> None:
    extended_report = b"\x80\xcf\x00\x02" + bytes(8)
    application_defined = b"\x80\xcc\x00\x02" + bytes(4) + b"name"
    other_feedback = b"\x8c\xcd\x00\x02" + bytes(8) + b"\x82\xce\x00\x02" + bytes(8)
    data = extended_report + application_defined + other_feedback + rtcp.pli(1, 2)
    assert rtcp.parse(data) == [Pli(1, 2)]


def test_padding_of_the_last_packet_is_cut_off() -> None:
    padded = b"\xa1\xce\x00\x03" + bytes.fromhex("0000000100000002") + b"\x00\x00\x00\x04"
    assert rtcp.parse(padded) == [Pli(1, 2)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        b"\x80\xc8\x00\x06",
        b"\x40\xc9\x00\x00",
        b"\x81\xc9\x00\x01\x00\x00\x00\x01",
        b"\x81\xca\x00\x01\x00\x00\x00\x01",
        b"\x81\xce\x00\x01\x00\x00\x00\x01",
        b"\x82\xcb\x00\x01\x00\x00\x00\x01",
        b"\xa0\xc9\x00\x01\x00\x00\x00\x00",
        b"\x81\xca\x00\x02\x00\x00\x00\x01\x01\xff\x00\x00",
        rtcp.pli(1, 2) + b"\x80",
    ],
)
def test_what_is_not_rtcp_is_refused(data: bytes) -> None:
    with pytest.raises(rtcp.RtcpError):
        rtcp.parse(data)


@given(
    st.lists(
        st.tuples(st.integers(0, 63), st.integers(192, 223), st.integers(0, 12), st.binary(max_size=48)),
        max_size=5,
    )
)
def test_any_bytes_are_packets_or_an_rtcp_error(parts: list[tuple[int, int, int, bytes]]) -> None:
    data = b"".join(
        bytes((0x80 | first, kind)) + words.to_bytes(2, "big") + body for first, kind, words, body in parts
    )
    with contextlib.suppress(rtcp.RtcpError):
        rtcp.parse(data)


@given(st.binary(max_size=100))
def test_noise_is_refused_as_an_rtcp_error(data: bytes) -> None:
    with contextlib.suppress(rtcp.RtcpError):
        rtcp.parse(data)
