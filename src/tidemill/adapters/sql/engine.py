"""What both SQL stores share: engines, write transactions that cannot deadlock, and errors that name the store.

SQLAlchemy Core on SQLite and PostgreSQL alike; which one is a matter of the URL.
"""

from __future__ import annotations

import os
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import ArgumentError, DBAPIError

from tidemill.adapters.sql._write_ahead import logged_pages
from tidemill.domain.errors import ConfigurationError, TidemillError, TransientError

LONGEST_WAIT_MS = 15_000
"""How long a writer waits for the one before it."""

MIGRATION_WAIT_MS = 600_000
LOCK_BYTES = 2**30
DAMAGE = ("not a database", "malformed")
_turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
_connected: Counter[str] = Counter()
"""Connections of this process by SQLite file."""
_connecting = threading.Lock()


def open_engine(url: str, *, durable: bool, wait_ms: int = LONGEST_WAIT_MS) -> Engine:
    """An engine for ``url``; ``durable`` makes SQLite fsync each commit (the ledger needs it).

    ``wait_ms`` is how long a writer waits for the one before it.

    ConfigurationError when the URL or the store cannot be used.
    """
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            check_whole(Path(parsed.database))
        engine = sa.create_engine(parsed, connect_args=_session(parsed, wait_ms))
    except (ArgumentError, OSError, ModuleNotFoundError) as error:
        raise ConfigurationError(f"the store {_safe(url)} cannot be opened: {error}") from error
    if engine.dialect.name == "sqlite":
        _tune_sqlite(engine, durable=durable, wait_ms=wait_ms)
    return engine


def check_whole(path: Path) -> None:
    """Raise ConfigurationError for a SQLite file that is none, or shorter than its header says.

    SQLite itself notices a missing end only when it reads there; nothing must be decided on half a ledger. What a
    checkpoint did not get done for a full disk stands in the write-ahead log and is missing nowhere.

    A file that this process is connected to was looked at before, and is not opened again: POSIX drops all locks of
    a process on a file with the first descriptor of it that is closed. The next process to close the store would
    take itself for the last one and remove the log that our connections go on writing to, commits and all.
    """
    with _connecting:
        if _connected[_file(path)] or not path.exists() or path.stat().st_size == 0:
            return
        with path.open("rb") as file:
            head = file.read(32)
    if not head.startswith(b"SQLite format 3\x00") or len(head) < 32:
        raise ConfigurationError(damaged(str(path), "file is not a database"))
    size_code, pages = int.from_bytes(head[16:18], "big"), int.from_bytes(head[28:32], "big")
    size = 65536 if size_code == 1 else size_code
    there = path.stat().st_size
    # the page of the lock bytes at 1 GiB holds nothing and is never written
    lacking = set(range(there // size + 1, pages + 1)) - {LOCK_BYTES // size + 1} if there < pages * size else set()
    if lacking - logged_pages(path):
        text = f"{there:,} bytes are left of {pages * size:,}"
        raise ConfigurationError(damaged(str(path), text))


def _file(path: Path | str) -> str:
    """One name for a file, however it is given."""
    return os.path.realpath(path)


def damaged(store: str, how: str) -> str:
    """Say that a store is damaged, and what to do."""
    return f"the store {store} is damaged: {how}; nothing is traded on it, 'tidemill doctor' tells how to recover"


def _session(url: sa.URL, wait_ms: int) -> dict[str, Any]:
    """What a PostgreSQL session is told: a writer that was stopped in mid-transaction must not hold up the others.

    The server ends its transaction; when it wakes, its connection is gone and nothing of it was written.
    """
    if url.get_backend_name() != "postgresql":
        return {}
    waits = f"-c lock_timeout={wait_ms} -c idle_in_transaction_session_timeout={wait_ms // 2}"
    return {"options": waits, "connect_timeout": max(2, wait_ms // 1000)}


def _tune_sqlite(engine: Engine, *, durable: bool, wait_ms: int) -> None:
    name = _file(engine.url.database) if engine.url.database else ""

    @sa.event.listens_for(engine, "close")
    def _on_close(_connection: Any, _record: Any) -> None:
        with _connecting:
            _connected[name] -= 1

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        with _connecting:  # before the first lock is taken, which check_whole would drop
            _connected[name] += 1
        connection.isolation_level = None  # transactions are ours, see write()
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={'FULL' if durable else 'NORMAL'}",
            f"busy_timeout={wait_ms}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        # A deferred BEGIN that reads and then writes fails at once with "database is locked".
        immediate = connection.get_execution_options().get("tidemill_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


@contextmanager
def write(engine: Engine, *, lock: int = 0) -> Iterator[Connection]:
    """One write transaction; writers are serialised (BEGIN IMMEDIATE, or an advisory lock ``lock``).

    TransientError when the database refuses or is locked; nothing is written then.
    """
    with translated(engine), turn(engine), _begun(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})
        yield connection


@contextmanager
def _begun(engine: Engine) -> Iterator[Connection]:
    with engine.connect().execution_options(tidemill_write=True) as connection, connection.begin():
        yield connection


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """One consistent read; TransientError when the database does not answer."""
    with translated(engine), engine.connect() as connection, connection.begin():
        yield connection


def turn(engine: Engine) -> AbstractContextManager[object]:
    """Threads of one process queue for a SQLite file; SQLite itself would let each sleep and look again."""
    return _turns[engine.url.database or ""] if engine.dialect.name == "sqlite" else nullcontext()


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Turn the driver's operational errors into ours; integrity errors are bugs and pass."""
    try:
        yield
    except DBAPIError as error:
        cause = error.orig or error
        is_damage = any(sign in str(cause) for sign in DAMAGE)
        if is_damage or error.connection_invalidated or isinstance(cause, engine.dialect.loaded_dbapi.OperationalError):
            raise refused(engine, str(cause)) from error
        raise


def refused(engine: Engine, text: str) -> TidemillError:
    """What the database said, as an error of ours: damage is for a person, all else may pass."""
    store = _safe(str(engine.url))
    if any(sign in text for sign in DAMAGE):
        return ConfigurationError(damaged(store, text))
    return TransientError(f"the store {store} did not answer: {text}")


def upgrade(engine: Engine, scripts: str) -> None:
    """Bring a store to the newest migration of ``migrations/<scripts>``; safe to run at every start."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations" / scripts))
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                _take_time(connection)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as error:
        if any(sign in str(error.orig) for sign in DAMAGE):
            raise ConfigurationError(damaged(_safe(str(engine.url)), str(error.orig))) from error
        raise ConfigurationError(f"the store {_safe(str(engine.url))} cannot be opened: {error.orig}") from error


def _take_time(connection: Connection) -> None:
    """Let a migration work between two statements for longer than an order may; no order is sent on this connection."""
    connection.detach()
    connection.exec_driver_sql(f"SET idle_in_transaction_session_timeout = {MIGRATION_WAIT_MS}")
    connection.commit()


def _safe(url: str) -> str:
    """Return the URL without its password."""
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "(unreadable URL)"
