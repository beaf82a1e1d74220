"""The log: one line per event on standard error, as text or JSON, that no peer's name can forge."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

from carillon.settings import LogSettings

MAX_VALUE = 2000
"""Characters of one value that reach the log; a name or a text of a peer may be long."""

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
"""Control characters, line separators, what turns the direction of writing, and lone surrogates."""

_PLAIN = re.compile(r"[^\s\"=]+")

_QUIET = {"slixmpp": logging.CRITICAL + 1, "aiohttp.access": logging.CRITICAL + 1, "asyncio": logging.WARNING}
"""Loggers of libraries and the level they start at. slixmpp prints whole stanzas, handshakes and unparsable
chunks, at ERROR too: what an operator needs to know of them is logged by the component's link."""


def set_up(settings: LogSettings, part: str, stream: TextIO | None = None) -> None:
    """Send structlog's events and the standard library's records to `stream` (standard error), as `part`."""
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _Tag(part),
            _render_json if settings.format == "json" else _render_text,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.root.handlers = [_ToStructlog()]
    logging.root.setLevel(max(level, logging.INFO))
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(quiet)
    logging.captureWarnings(True)


def escaped(text: str) -> str:
    """`text` with what could break or forge a line written as an escape, and cut where it is too long."""
    if len(text) > MAX_VALUE:
        text = text[:MAX_VALUE] + "…"
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode(), text)


class _Tag:
    """The processor that says which part of carillon speaks."""

    def __init__(self, part: str) -> None:
        self._part = part

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        event.setdefault("part", self._part)
        return event


def _render_text(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    """`time LEVEL part event key=value …`; the lines of a traceback follow, each behind a bar."""
    exception = str(event.pop("exception", ""))
    time, level, part, what = (str(event.pop(key, "")) for key in ("timestamp", "level", "part", "event"))
    words = [time, f"{level.upper():7}", f"{part:9}", escaped(what)]
    words += [f"{escaped(str(key))}={_text_value(value)}" for key, value in event.items()]
    return "\n    | ".join([" ".join(words), *(escaped(line) for line in exception.split("\n") if line)])


def _text_value(value: object) -> str:
    text = escaped(value if isinstance(value, str) else str(value))
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _render_json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    """One JSON object per line, in ASCII: control characters are escaped by the format itself."""
    return json.dumps({key: _json_value(value) for key, value in event.items()})


def _json_value(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= MAX_VALUE or "\n" in text else text[:MAX_VALUE] + "…"


class _ToStructlog(logging.Handler):
    """Hands a record of the standard library to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger()
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        logger.log(level, message, logger=record.name, exc_info=record.exc_info)
