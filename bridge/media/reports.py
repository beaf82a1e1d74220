"""Reports of the bridge (RFC 3550 §6.4): RRs to senders about what arrives, SRs to receivers with the clocks.

The RTP clocks of one endpoint keep their relation: its SRs map them to its wall clock, and one constant per
endpoint maps that to the bridge's. So audio and video stay in step at the receivers, and LSR/DLSR measure the
way to the bridge.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge.media import rtcp
from bridge.media.endpoint import Endpoint
from bridge.media.outgoing import Clock
from bridge.media.outgoing_video import OutgoingVideo

NTP_EPOCH_S = 2208988800
"""From 1900 to 1970."""
MAX_CLOCK_STEP_S = 5.0
"""A sender's wall clock that moved by more was set anew."""
SRS_PER_PACKET = 15
"""An SR and a CNAME chunk take about 60 octets: a compound of them stays below a datagram."""
MAX_RTT_S = 10.0


def ntp_time(now: float) -> int:
    """The router's clock as a 64-bit NTP time (only its differences mean something)."""
    return int((now + NTP_EPOCH_S) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


def note_sender_report(endpoint: Endpoint, report: rtcp.SenderReport, now: float) -> None:
    """An SR of an endpoint about one of its SSRCs."""
    stream = endpoint.streams.get(report.ssrc)
    if stream is None and endpoint.bindings is not None:
        bound = endpoint.bindings.sender_report(report)
        if bound is not None:
            stream, report = bound
    if stream is None:
        endpoint.drop("report of an SSRC not signalled")
        return
    if not report.ntp:
        return
    stream.reception.sender_report(report, now)
    clock = now - report.ntp / (1 << 32)
    if endpoint.sender_clock is None or abs(clock - endpoint.sender_clock) > MAX_CLOCK_STEP_S:
        endpoint.sender_clock = clock


def note_report_blocks(endpoint: Endpoint, blocks: tuple[rtcp.ReportBlock, ...], now: float) -> None:
    """What a receiver says about the streams it gets: loss, jitter, round trip time."""
    video_expected = video_lost = 0
    for block in blocks:
        outgoing = endpoint.outgoing.get(block.ssrc)
        if outgoing is None:
            continue
        expected, lost = outgoing.quality.report(block)
        # Audio that was lost on its way to the bridge is not repaired: it says nothing about this receiver.
        if isinstance(outgoing, OutgoingVideo):
            video_expected += expected
            video_lost += lost
        if block.last_sr:
            passed = (ntp_time(now) >> 16) - block.last_sr - block.delay_since_last_sr & 0xFFFFFFFF
            if passed / 65536 < MAX_RTT_S:
                endpoint.rtt_s += (passed / 65536 - endpoint.rtt_s) * 0.3
    fraction_lost = endpoint.loss_limit.reported(video_expected, video_lost, now)
    if fraction_lost is not None:
        sent_bps = sum(outgoing.quality.rate_bps for outgoing in endpoint.video.values())
        endpoint.loss_limit.judge(fraction_lost, sent_bps, endpoint.unlimited_bps, now)


def receiver_reports(endpoint: Endpoint, now: float) -> list[bytes]:
    """RR compounds about everything that arrives from an endpoint; none when nothing does."""
    ssrc = endpoint.feedback_ssrc
    blocks = [
        stream.reception.report_block(now)
        for stream in endpoint.streams.values()
        if stream.reception.highest >= 0
    ]
    return [
        rtcp.receiver_report(ssrc, blocks[start : start + 31]) + endpoint.feedback_description
        for start in range(0, len(blocks), 31)
    ]


def rate_limit(endpoint: Endpoint) -> list[bytes]:
    """A REMB for an endpoint that sends video and knows no better feedback."""
    capabilities = endpoint.capabilities
    layers = [layer for track in endpoint.video_tracks for layer in track.layers if layer.reception.received]
    if not layers or not capabilities.remb or capabilities.transport_cc_id >= 0:
        return []
    endpoint.receive_limit.update(
        endpoint.received_bps, max(layer.reception.fraction_lost for layer in layers)
    )
    ssrcs = [layer.reception.ssrc for layer in layers]
    return [
        endpoint.feedback_start + rtcp.remb(endpoint.feedback_ssrc, round(endpoint.receive_limit.bps), ssrcs)
    ]


def sender_reports(endpoint: Endpoint, endpoints: Mapping[str, Endpoint], now: float) -> list[bytes]:
    """SR compounds about the streams that an endpoint got packets of since the last ones."""
    reports: list[bytes] = []
    cnames: list[tuple[int, str]] = []
    for outgoing in endpoint.outgoing.values():
        clock = outgoing.clock(now)
        if outgoing.packets == outgoing.quality.reported_packets or clock is None:
            continue
        timestamp = _timestamp(clock, endpoints, now)
        if timestamp is None:
            continue
        outgoing.quality.reported_packets = outgoing.packets
        payload_octets = outgoing.octets - 12 * outgoing.packets
        reports.append(
            rtcp.sender_report(
                rtcp.SenderReport(
                    outgoing.track.ssrc, ntp_time(now), timestamp, outgoing.packets, payload_octets
                )
            )
        )
        cnames.append((outgoing.track.ssrc, outgoing.track.owner))
    return [
        b"".join(reports[start : start + SRS_PER_PACKET])
        + rtcp.source_description(cnames[start : start + SRS_PER_PACKET])
        for start in range(0, len(reports), SRS_PER_PACKET)
    ]


def _timestamp(clock: Clock, endpoints: Mapping[str, Endpoint], now: float) -> int | None:
    """What a stream's clock shows now."""
    if clock.reception is None:
        return clock.offset & 0xFFFFFFFF
    sender = endpoints.get(clock.owner)
    if sender is None or sender.sender_clock is None:
        return None
    timestamp = clock.reception.timestamp_at(now - sender.sender_clock)
    return None if timestamp is None else (timestamp + clock.offset) & 0xFFFFFFFF


def measure_rates(endpoint: Endpoint, elapsed_s: float) -> None:
    """Compute all rates of an endpoint over the time since the last call."""
    endpoint.received_bps = 0.0
    for stream in endpoint.streams.values():
        stream.reception.measure(elapsed_s)
        endpoint.received_bps += stream.reception.rate_bps
    endpoint.sent_bps = 0.0
    for outgoing in endpoint.outgoing.values():
        outgoing.quality.measure(outgoing.octets, elapsed_s)
        endpoint.sent_bps += outgoing.quality.rate_bps
