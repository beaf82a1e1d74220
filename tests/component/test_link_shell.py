"""The contract with slixmpp: what component.link.shell overrides and relies on.

The methods are private there: when a new slixmpp changes them, this test says so before an operator does.
"""

import asyncio
import hashlib
import inspect
from xml.etree.ElementTree import Element

import pytest
import slixmpp
from slixmpp import ComponentXMPP
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from component.link.shell import Listener, Shell
from component.loss import LossKind
from tests.component.fake_server import HEADER, LIMITS

OVERRIDDEN = (
    "_start_keepalive",
    "connection_lost",
    "data_received",
    "init_parser",
    "send",
    "send_raw",
)
CALLED = ("_handle_handshake", "abort", "connection_made", "start_stream_handler")
PING = b"<iq type='get' id='1' from='a@b' to='focus.example'><ping xmlns='urn:xmpp:ping'/></iq>"


class FakeTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.reading = True
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True


class Session:
    """A shell on a fake transport, past the handshake."""

    def __init__(self) -> None:
        self.ups = 0
        self.stanzas: list[Element] = []
        self.transport = FakeTransport()
        self.shell = Shell(
            "focus.example",
            "s3cret",
            ("127.0.0.1", 1),
            limits=LIMITS,
            listener=Listener(self._up, self.stanzas.append, lambda refused: None),
        )
        self.shell.connection_made(self.transport)

    def _up(self) -> None:
        self.ups += 1


@pytest.mark.parametrize("name", [*OVERRIDDEN, *CALLED])
def test_slixmpp_has_the_seams(name: str) -> None:
    assert callable(getattr(ComponentXMPP, name))
    if name in OVERRIDDEN:
        theirs, ours = (inspect.signature(getattr(cls, name)) for cls in (ComponentXMPP, Shell))
        assert list(theirs.parameters) == list(ours.parameters)


def test_slixmpp_is_the_release_that_was_read() -> None:
    assert slixmpp.__version__.startswith("1.17.")


async def test_slixmpp_opens_the_stream_and_proves_the_secret_through_our_send() -> None:
    session = Session()
    assert session.transport.written == (
        b'<stream:stream xmlns="jabber:component:accept" xmlns:stream="http://etherx.jabber.org/streams"'
        b' to="focus.example">'
    )
    session.transport.written = b""
    session.shell.data_received(HEADER)
    proof = hashlib.sha1(b"s1s3cret").hexdigest().encode()
    assert session.transport.written == b"<handshake>" + proof + b"</handshake>"
    assert session.ups == 0
    session.shell.data_received(b"<handshake/>")
    assert session.ups == 1
    session.shell.connection_lost(None)
    assert (await session.shell.ended).kind is LossKind.CLOSED


async def test_slixmpp_keeps_no_queue_no_timer_and_no_parser_of_its_own() -> None:
    session = Session()
    session.shell.data_received(HEADER + b"<handshake/>")
    assert session.shell.parser is None
    assert session.shell.scheduled_events == {}
    assert session.shell.waiting_queue.empty()
    session.shell.connection_lost(None)
    session.shell.send("<x/>")
    session.shell.send_raw("<x/>")
    assert session.shell.waiting_queue.empty()
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert tasks == []


async def test_slixmpps_handlers_see_no_stanza() -> None:
    session = Session()
    seen: list[object] = []
    session.shell.register_handler(Callback("all", MatchXPath("{jabber:component:accept}iq"), seen.append))
    session.shell.data_received(HEADER + b"<handshake/>" + PING)
    assert [stanza.tag for stanza in session.stanzas] == ["{jabber:component:accept}iq"]
    assert seen == []


async def test_stanzas_before_the_handshake_are_nothing() -> None:
    session = Session()
    session.shell.data_received(HEADER + PING)
    assert session.stanzas == []


async def test_nothing_leaves_data_received() -> None:
    session = Session()

    def fail(_: Element) -> None:
        raise RuntimeError

    session.shell._listener = Listener(session._up, fail, lambda refused: None)
    session.shell.data_received(HEADER + b"<handshake/>" + PING)
    assert session.transport.aborted
    session.shell.connection_lost(None)
    assert (await session.shell.ended).kind is LossKind.BROKEN


async def test_answers_to_one_read_are_written_together_and_reading_stops_when_writing_must() -> None:
    session = Session()
    writes: list[bytes] = []
    session.shell._listener = Listener(session._up, lambda _: session.shell.send_raw("<a/>"), lambda _: None)
    session.shell.data_received(HEADER + b"<handshake/>")
    session.transport.write = writes.append  # type: ignore[assignment, method-assign]
    session.shell.data_received(PING * 3)
    assert writes == [b"<a/><a/><a/>"]
    session.shell.pause_writing()
    assert not session.transport.reading
    session.shell.resume_writing()
    assert session.transport.reading
