"""Whether a store is whole, looked at before it is opened; and how to recover one that is not."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tidemill.adapters.sql.engine import check_whole
from tidemill.domain.errors import TidemillError

RECOVERY = {
    "ops": (
        "stop all runs, move the file away, put your last backup in its place and run reconcile: it freezes whatever "
        "the venue did since, tells it order by order, and 'tidemill resume --accept-venue' takes it over; without a "
        "backup 'tidemill account open' begins a new ledger with the venue's balances"
    ),
    "market": "move the file away, put your last backup in its place or none, and run backfill: the venue has the bars",
}


def store_damage(name: str, url: str) -> str:
    """Say what SQLite's own check finds, with the way out; empty when all is well."""
    path = Path(url.removeprefix("sqlite:///"))
    if not url.startswith("sqlite:///") or not path.exists():
        return ""
    try:
        check_whole(path)
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except (sqlite3.DatabaseError, TidemillError) as error:
        answer = str(error).partition(" is damaged: ")[2].partition(";")[0] or str(error)
    if answer == "ok":
        return ""
    return f"{path} is damaged ({answer}); {RECOVERY[name]}"
