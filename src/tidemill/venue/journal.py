"""Every accepted call, on disk before its answer leaves: the venue's memory across a crash.

Calls are kept, not states: matching is deterministic, so reading them again in order makes the same orders, trades and
balances. What may differ from run to run (times, fetched prices) is part of the call.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import format_time, parse_time
from tidemill.venue.calls import rules_row
from tidemill.venue.options import Beginning, VenueOptions


class Journal:
    """An append-only table of calls, written in groups; without a path nothing is kept.

    :meth:`append` returns at once. :meth:`settled` returns when all that was appended before is on disk, so many
    requests share one commit, and an answer that waits for it never tells of what a crash could undo.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._pending: list[str] = []
        self._commit: asyncio.Task[None] | None = None
        self.appended = 0
        self.written = 0
        self.failure: str | None = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # One thread at a time: the one that starts the venue, then the worker that writes a group.
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode=WAL")
            # An answer promises that a power cut cannot undo it; below FULL, WAL syncs at checkpoints only.
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute("CREATE TABLE IF NOT EXISTS calls (id INTEGER PRIMARY KEY, call TEXT NOT NULL)")
        except (sqlite3.Error, OSError) as error:
            raise ConfigurationError(f"the venue's database {path} cannot be opened: {error}") from error

    def begin(self, options: VenueOptions, wall: datetime) -> Beginning:
        """Where the clock began when this database did, or begins now; ConfigurationError when it does not fit.

        The first call of a new database holds the rules and the clock. A venue that is opened again must have the same,
        and goes on where its clock began; ``wall`` counts for a new one only. Without a path it always begins now.
        """
        options_row = {"rules": rules_row(options.rules), "clock": options.clock}
        first = next(self._rows(), None)
        if first is not None and first["call"] == "begin":
            _check_fits(self._path, first, options_row)
            return Beginning(
                start=parse_time(first["start"], "start"), offset=timedelta(seconds=first["offset_seconds"])
            )
        begun = Beginning.of(options, wall)
        if first is None:
            offset = int(begun.offset.total_seconds())
            self.append({"call": "begin", "start": format_time(begun.start), "offset_seconds": offset, **options_row})
            self._flush()
        return begun

    def read(self) -> Iterator[dict[str, Any]]:
        """All calls, oldest first.

        Empty without a path and for a new database. Rows are read as they are asked for.
        """
        return (call for call in self._rows() if call["call"] != "begin")

    def _rows(self) -> Iterator[dict[str, Any]]:
        if self._connection is not None:
            for (text,) in self._connection.execute("SELECT call FROM calls ORDER BY id"):
                yield json.loads(text)

    def _flush(self) -> None:
        """Write what waits, here and now."""
        if self._connection is not None and self._pending:
            group, self._pending = self._pending, []
            self._insert(group)
            self.written += len(group)

    def append(self, call: dict[str, Any]) -> None:
        """Take one call; it is on disk once :meth:`settled` has returned.

        ``call`` must be JSON as it is: text, numbers, lists and None. The order of calls is the order of appending.
        """
        self.appended += 1
        if self._connection is None:
            self.written = self.appended
        else:
            self._pending.append(json.dumps(call))

    async def settled(self) -> None:
        """Return when all that was appended so far is on disk; ConfigurationError when the disk refuses.

        Many callers may wait at once; one commit answers all of them. After a refusal of the disk every later wait
        fails too, since memory and disk have parted.
        """
        goal = self.appended
        while self.written < goal:
            if self.failure is not None:
                raise ConfigurationError(f"the venue cannot write its database: {self.failure}")
            if self._commit is None or self._commit.done():
                self._commit = asyncio.create_task(self._write_pending())
            # One waiter whose request is cut must not cancel the commit that others wait for.
            await asyncio.shield(self._commit)

    def close(self) -> None:
        """Write what is left and close the file.

        After a failure nothing more is written: what the disk has must stay a prefix of the calls.
        """
        if self._connection is not None:
            if self.failure is None:
                self._flush()
            self._connection.close()

    async def _write_pending(self) -> None:
        """Commit all calls that wait, in a thread: more may arrive meanwhile, and make the next group."""
        group, self._pending = self._pending, []
        try:
            await asyncio.to_thread(self._insert, group)
        except sqlite3.Error as error:
            # What memory holds is ahead of the disk now; nothing more may be told.
            self.failure = str(error)
        else:
            self.written += len(group)

    def _insert(self, group: list[str]) -> None:
        assert self._connection is not None
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany("INSERT INTO calls (call) VALUES (?)", [(text,) for text in group])
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


def _check_fits(path: Path | None, first: dict[str, Any], options_row: dict[str, Any]) -> None:
    """What is in the database came about by other rules: made again it would be something else."""
    then, now = ({"clock": row["clock"], **row["rules"]} for row in (first, options_row))
    for name in then | now:
        if then.get(name) != now.get(name):
            before, after = then.get(name, "unset"), now.get(name, "unset")
            raise ConfigurationError(
                f"{path} was made with {name} {before}, and now it is {after}: set it back, or start the venue with "
                "another --db"
            )
