"""Whether a SQL store answers and takes writes, and how much room is left beside a file."""

from __future__ import annotations

import shutil
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tidemill.adapters.sql.engine import write
from tidemill.adapters.sql.market._tables import WATERMARK
from tidemill.ports import StoreHealth


def examine_store(engine: Engine, *, lock: int) -> StoreHealth:
    """Write the watermark where it is: a full disk, a file that is read-only and a lock that is kept all say so."""
    with write(engine, lock=lock) as connection:
        mark = int(connection.execute(sa.select(WATERMARK.c.stored_at)).scalar_one())
        connection.execute(WATERMARK.update().values(stored_at=mark))
        version = ".".join(str(number) for number in connection.dialect.server_version_info or ())
    if engine.dialect.name == "sqlite":
        path = Path(str(engine.url.database)).absolute()
        free = shutil.disk_usage(path.parent).free
        return StoreHealth(kind=f"SQLite {version}", place=str(path), watermark=mark, free_bytes=free)
    place = f"{engine.url.host or 'local'}/{engine.url.database}"
    return StoreHealth(kind=f"PostgreSQL {version}", place=place, watermark=mark)
