"""The journal as the configuration says it."""

from __future__ import annotations

import importlib
from pathlib import Path

from carillon.journal.journal import Journal
from carillon.journal.store import Store
from carillon.settings import Settings


def journal_of(settings: Settings) -> Journal:
    """The journal of a component; nothing is opened before it is used."""
    return Journal(store_of(settings), settings.journal.stale_s)


def store_of(settings: Settings) -> Store | None:
    """Where the configuration has it kept; None for nowhere. Loads what this one needs, and no other."""
    journal = settings.journal
    if not journal.store:
        return None
    store: Store
    if journal.is_redis:
        redis_store = importlib.import_module("carillon.journal.redis_store")
        store = redis_store.RedisStore(journal.store, settings.focus.domain)
    else:
        sqlite_store = importlib.import_module("carillon.journal.sqlite_store")
        store = sqlite_store.SqliteStore(Path(journal.store), journal.max_bytes)
    return store
