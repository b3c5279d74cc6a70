"""Column types that both databases keep exactly: money as Decimal, times as aware UTC."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from tidemill.domain.market import from_micros, to_micros


class Money(sa.types.TypeDecorator[Decimal]):
    """Decimal kept to the last digit: TEXT on SQLite (whose NUMERIC is a float), NUMERIC on PostgreSQL."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        """Choose the column type of the database."""
        return dialect.type_descriptor(sa.Numeric() if dialect.name == "postgresql" else sa.Text())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | str | None:
        """Refuse anything but Decimal: a float would lose money silently."""
        if value is None:
            return None
        if not isinstance(value, Decimal):
            raise TypeError(f"money must be a Decimal, not {type(value).__name__}")
        return value if dialect.name == "postgresql" else format(value, "f")

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Return a Decimal."""
        del dialect
        return None if value is None else Decimal(value)


class Micros(sa.types.TypeDecorator[datetime]):
    """Aware UTC datetime kept as int64 microseconds (SQLite would drop the offset)."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Store micros; a time without zone is refused."""
        del dialect
        return None if value is None else to_micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Return aware UTC."""
        del dialect
        return None if value is None else from_micros(value)
