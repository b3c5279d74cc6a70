"""The one order of storage of a market database: whatever is written, is stored after all that was before."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tidemill.adapters.sql.market._tables import WATERMARK
from tidemill.domain.market import to_micros

LOCK = 7301
"""Of all who write to a market database: they move its one row of storage time."""


def next_stored(connection: Connection, now: datetime) -> int:
    """The next storage time: taken inside the write transaction, so that a late commit never slips under a read."""
    last = int(connection.execute(sa.select(WATERMARK.c.stored_at)).scalar_one())
    return max(to_micros(now), last + 1)


def keep_stored(connection: Connection, stored: int) -> None:
    """Let the watermark say that something is stored at ``stored``."""
    connection.execute(WATERMARK.update().values(stored_at=stored))
