"""The errors of streams (RFC 6120 §4.9.3) as conditions with which BOSH sessions end (XEP-0124 §17.2)."""

from __future__ import annotations

from lxml import etree

from bosh.bosh_body import BoshError, Condition
from bosh.server_stream import StreamRefused
from bosh.stanza_framer import Stanza

_CONDITIONS = {
    "bad-format": Condition.BAD_REQUEST,
    "invalid-namespace": Condition.BAD_REQUEST,
    "unsupported-version": Condition.BAD_REQUEST,
    "host-unknown": Condition.HOST_UNKNOWN,
    "improper-addressing": Condition.IMPROPER_ADDRESSING,
    "policy-violation": Condition.POLICY_VIOLATION,
    # Clients take BOSH's own `remote-connection-failed` for a wrong address and never come back; the stream
    # error says the same, and with it they do.
    "remote-connection-failed": Condition.REMOTE_STREAM_ERROR,
}
"""What a stream error condition of ours is in BOSH; all others are `undefined-condition`."""
_OF_THE_SERVER = {"host-gone": Condition.HOST_GONE, "host-unknown": Condition.HOST_UNKNOWN}
"""Stream errors of the server that have a name in BOSH; all others are `remote-stream-error`."""


def condition_of(error: BoshError | StreamRefused) -> Condition:
    """Why a session ends in which the client wants what is refused."""
    return error.condition if isinstance(error, BoshError) else condition_of_ours(error.condition)


def condition_of_ours(condition: str) -> Condition:
    """Why a session ends whose stream cannot go on because of `condition`."""
    return _CONDITIONS.get(condition, Condition.UNDEFINED_CONDITION)


def condition_of_server(error: Stanza) -> Condition:
    """Why a session ends whose server sent `<stream:error/>`."""
    # the framer has let nothing through that a parser could stumble over: no DTD, bounded depth and size
    root = etree.fromstring(error.data, etree.XMLParser(resolve_entities=False, no_network=True))
    names = [etree.QName(child).localname for child in root]
    return next(
        (_OF_THE_SERVER[name] for name in names if name in _OF_THE_SERVER), Condition.REMOTE_STREAM_ERROR
    )
