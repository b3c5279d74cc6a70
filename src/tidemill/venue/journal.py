"""Every accepted call, on disk before its answer leaves: the venue's memory across a crash."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tidemill.domain.errors import ConfigurationError


class Journal:
    """An append-only table of calls; without a path nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._connection: sqlite3.Connection | None = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute("CREATE TABLE IF NOT EXISTS calls (id INTEGER PRIMARY KEY, call TEXT NOT NULL)")
        except (sqlite3.Error, OSError) as error:
            raise ConfigurationError(f"the venue's database {path} cannot be opened: {error}") from error

    def read(self) -> Iterator[dict[str, Any]]:
        """All calls, oldest first."""
        if self._connection is not None:
            for (text,) in self._connection.execute("SELECT call FROM calls ORDER BY id"):
                yield json.loads(text)

    def append(self, call: dict[str, Any]) -> None:
        """Keep one call; it is on disk when this returns."""
        if self._connection is not None:
            self._connection.execute("INSERT INTO calls (call) VALUES (?)", (json.dumps(call),))

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
