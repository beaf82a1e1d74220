"""The log: a peer's text forges no line, and libraries do not print payloads."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from carillon import log
from carillon.settings import LogSettings


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    handlers, level = logging.root.handlers, logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers, logging.root.level = handlers, level
    logging.captureWarnings(False)


def logged(kind: str = "text", level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    log.set_up(LogSettings(level=level, format=kind), "bridge", stream)
    return stream


def test_a_text_line_has_time_level_part_event_and_values() -> None:
    stream = logged()
    structlog.get_logger().warning("peer refused", peer="10.0.0.1", reason="too many rooms", count=3)
    time, rest = stream.getvalue().split(" ", 1)
    assert time.endswith("Z")
    assert rest == 'WARNING bridge    peer refused peer=10.0.0.1 reason="too many rooms" count=3\n'


def test_a_json_line_is_one_object() -> None:
    stream = logged("json")
    structlog.get_logger().info("x\n", name="a\x1b[31m\r\n", port=3, nothing=None)
    assert stream.getvalue().count("\n") == 1
    found = json.loads(stream.getvalue())
    assert (found["event"], found["name"], found["port"], found["nothing"]) == (
        "x\n",
        "a\x1b[31m\r\n",
        3,
        None,
    )
    assert (found["level"], found["part"]) == ("info", "bridge")


@given(
    st.text() | st.sampled_from(["\r\nFAKE", "\x1b[2J", "\x9b2J", "\u2028x", "\u202egnp", "\x00", "\ud800"])
)
def test_no_name_writes_a_line_or_a_control_sequence(name: str) -> None:
    for kind in ("text", "json"):
        stream = logged(kind)
        structlog.get_logger().info(name, **{"nick": name, "list": [name]})
        line = stream.getvalue()
        assert line.endswith("\n")
        assert line[:-1].isprintable() or not set(line[:-1]) & set(
            "\r\n\x1b\x9b\x00\u2028\u2029\u202e\ud800\x85"
        )
        line.encode()


def test_a_long_value_is_cut() -> None:
    stream = logged()
    structlog.get_logger().info("x", name="n" * 100_000)
    assert len(stream.getvalue()) < 3 * log.MAX_VALUE


def test_a_traceback_stands_behind_a_bar_whatever_the_exception_says() -> None:
    stream = logged()
    try:
        raise ValueError("one\n2026-01-01T00:00:00Z INFO forged\x1b")
    except ValueError:
        structlog.get_logger().exception("failed")
    first, *more = stream.getvalue().splitlines()
    assert first.endswith("ERROR   bridge    failed")
    assert len(more) > 3
    assert all(line.startswith("    | ") for line in more)
    assert "\x1b" not in stream.getvalue()


def test_levels_below_the_configured_one_are_dropped() -> None:
    stream = logged(level="error")
    structlog.get_logger().warning("no")
    logging.getLogger("x").warning("no")
    assert stream.getvalue() == ""


def test_the_standard_library_is_routed_through() -> None:
    stream = logged()
    logging.getLogger("some.library").warning("odd %s", "a\nb")
    logging.getLogger("some.library").log(35, "between two levels")
    logging.getLogger("some.library").warning("bad %d", "format")
    assert "WARNING bridge    odd a\\nb logger=some.library" in stream.getvalue()
    assert "between two levels" in stream.getvalue()
    assert "bad %d" in stream.getvalue()


def test_slixmpp_says_nothing_because_it_prints_stanzas() -> None:
    stream = logged(level="debug")
    for name in ("slixmpp", "slixmpp.xmlstream.xmlstream", "slixmpp.componentxmpp"):
        for level in (logging.DEBUG, logging.INFO, logging.ERROR, logging.CRITICAL):
            logging.getLogger(name).log(level, "SEND: <handshake>secret</handshake>")
    assert stream.getvalue() == ""


def test_a_warning_of_python_is_an_event() -> None:
    stream = logged()
    with pytest.warns(UserWarning, match="old"):
        import warnings

        warnings.warn("old thing", stacklevel=1)
    logging.getLogger("py.warnings").warning("old thing")
    assert "old thing" in stream.getvalue()
