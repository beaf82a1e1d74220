"""The journal in a Redis, for components on several machines.

Names of servers are resolved, connections made and rows read by a thread; what the event loop does is one
command over a connection that stands, with a short time-out. After the first failure it does nothing more
until the thread has a new connection (`Journal` waits some seconds between two tries).
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from carillon.journal.row import Row
from carillon.journal.schema import STEPS, Step, migrated, steps_from, version_of
from carillon.journal.store import Inspection, StoreError, Superseded

ANSWER_S: Final = 0.2
"""How long one command may take: all else of the component waits for it."""
CONNECT_S: Final = 2.0
"""The same for what the thread does."""
PATIENCE_S: Final = 0.1
"""How long is waited for the thread while the component is at work; a server that is there answers sooner."""
OPEN_S: Final = 2 * CONNECT_S
"""The same when a component starts: nothing else runs then."""

_WRITE: Final = """
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'attended', ARGV[2])
local last = 3 + tonumber(ARGV[3])
for i = 4, last do redis.call('HDEL', KEYS[2], ARGV[i]) end
for i = last + 1, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
return 1
"""
"""All of one write, at once and only for the owner. Takes owner, time, how many are deleted, their fields,
then field and value of each row that is written."""

_OWN: Final = """
local owner = redis.call('HGET', KEYS[1], 'owner')
if ARGV[2] == 'again' and owner and owner ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'owner', ARGV[1])
return 1
"""

_log = structlog.get_logger()


@dataclass
class _Attempt:
    """What the thread is at, or has come to."""

    client: Any = None
    sha: str = ""
    rows: list[Row] = field(default_factory=list)
    attended_at: float | None = None
    error: StoreError | None = None
    thread: threading.Thread | None = None


class RedisStore:
    """Two hashes of one Redis: the rows, and what is to be known about them."""

    def __init__(self, url: str, name: str, steps: Sequence[Step] = STEPS) -> None:
        """`name` tells the journals of one Redis apart: the host of the focus."""
        self._url = url
        self._where = where(url)
        self._meta, self._rows = (f"{{carillon:{name}}}:{what}" for what in ("meta", "rows"))
        self._steps = steps
        self._owner = secrets.token_hex(8)
        self._owned = False
        self._attempt: _Attempt | None = None
        self._live: _Attempt | None = None

    def open(self) -> None:
        """See Store.open."""
        if self._attempt is None:
            attempt = self._attempt = _Attempt()
            attempt.thread = threading.Thread(
                target=self._try, args=(attempt, self._owned), name="journal", daemon=True
            )
            attempt.thread.start()
        attempt = self._attempt
        assert attempt.thread is not None
        attempt.thread.join(PATIENCE_S if self._owned else OPEN_S)
        if attempt.thread.is_alive():
            raise StoreError(f"the Redis at {self._where} does not answer")
        self._attempt = None
        if attempt.error is not None:
            raise attempt.error
        self._live, self._owned = attempt, True

    def load(self) -> list[Row]:
        """See Store.load."""
        if self._live is None:
            raise StoreError(f"there is no connection to the Redis at {self._where}")
        return list(self._live.rows) if self._live.rows else self._read(self._live.client)

    def attended_at(self) -> float | None:
        """See Store.attended_at."""
        return None if self._live is None else self._live.attended_at

    def write(self, rows: Sequence[Row], now: float) -> None:
        """See Store.write."""
        deleted = [_field(row) for row in rows if row.value is None]
        written = [text for row in rows if row.value is not None for text in (_field(row), row.value)]
        if self._live is None:
            raise StoreError(f"there is no connection to the Redis at {self._where}")
        self._live.rows.clear()
        arguments = (self._owner, repr(now), len(deleted), *deleted, *written)
        try:
            done = self._live.client.evalsha(self._live.sha, 2, self._meta, self._rows, *arguments)
        except redis.RedisError as error:
            raise self._failed(error) from None
        if not done:
            raise Superseded("another component writes the journal")

    def attend(self, now: float) -> None:
        """See Store.attend."""
        self.write((), now)

    def close(self) -> None:
        """See Store.close."""
        if self._live is not None:
            with suppress(redis.RedisError, OSError):
                self._live.client.close()
            self._live = None

    def inspect(self) -> Inspection:
        """See Inspection. Raises StoreError."""
        try:
            with self._client(CONNECT_S) as client:
                known = client.hgetall(self._meta)
                if known:
                    steps_from(int(known.get(b"version", 1)), self._steps)
                attended = known.get(b"attended")
                rows = list(_rows_of(client.hgetall(self._rows)))
        except ValueError:
            raise StoreError(f"what is in the Redis at {self._where} is no journal") from None
        except (redis.RedisError, OSError) as error:
            raise self._failed(error) from None
        return Inspection(rows, None if attended is None else float(attended), exists=bool(known))

    # In the thread

    def _try(self, attempt: _Attempt, again: bool) -> None:
        try:
            with self._client(CONNECT_S) as slow:
                attempt.rows = self._prepare(slow)
                attended = slow.hget(self._meta, "attended")
                attempt.attended_at = None if attended is None else float(attended)
                if not slow.eval(_OWN, 1, self._meta, self._owner, "again" if again else "first"):
                    raise Superseded("another component writes the journal")
                attempt.sha = slow.script_load(_WRITE)
            attempt.client = self._client(ANSWER_S)
            attempt.client.ping()
        except StoreError as error:
            attempt.error = error
        except (redis.RedisError, OSError, ValueError) as error:
            attempt.error = self._failed(error)

    def _client(self, timeout_s: float) -> Any:
        return redis.Redis.from_url(
            self._url,
            socket_timeout=timeout_s,
            socket_connect_timeout=CONNECT_S,
            single_connection_client=True,
            retry=Retry(NoBackoff(), 0),
        )

    def _prepare(self, client: Any) -> list[Row]:
        """Bring the schema up to ours, and read what is there."""
        found = client.hget(self._meta, "version")
        steps = steps_from(int(found), self._steps) if found is not None else ()
        rows = self._read(client)
        with client.pipeline(transaction=True) as pipe:
            if steps:
                rows = migrated(rows, steps)
                pipe.delete(self._rows)
                if rows:
                    pipe.hset(self._rows, mapping={_field(row): row.value for row in rows})
                _log.info("the journal is one of this version now", rows=len(rows), steps=len(steps))
            pipe.hset(self._meta, "version", version_of(self._steps))
            pipe.execute()
        return rows

    def _read(self, client: Any) -> list[Row]:
        try:
            return list(_rows_of(client.hgetall(self._rows)))
        except redis.RedisError as error:
            raise self._failed(error) from None
        except ValueError:
            aside = f"{self._rows}:broken-{secrets.token_hex(4)}"
            client.rename(self._rows, aside)
            _log.error("the journal is broken: it is set aside and begins anew", kept=aside)
            return []

    def _failed(self, error: Exception) -> StoreError:
        if isinstance(error, redis.TimeoutError):
            return StoreError(
                f"the Redis at {self._where} does not answer in time: is it, or the network, busy?"
            )
        return StoreError(f"the Redis at {self._where} cannot be used: {error}: mend it, or journal.store")


def where(url: str) -> str:
    """The address in a URL, without the password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else parts.path


def _field(row: Row) -> str:
    return json.dumps(row.name, ensure_ascii=False)


def _rows_of(found: Mapping[bytes, bytes]) -> Iterator[Row]:
    """Raises ValueError for what is no row."""
    for name, value in found.items():
        kind, scope, key = json.loads(name)
        if not all(isinstance(text, str) for text in (kind, scope, key)):
            raise ValueError(name)
        yield Row(kind, scope, key, value)
