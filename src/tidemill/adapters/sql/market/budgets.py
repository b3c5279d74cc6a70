"""Request budgets shared by all processes that see one database."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tidemill.adapters.sql.engine import open_engine, upgrade, write
from tidemill.adapters.sql.market._budget_tables import BUDGETS
from tidemill.domain.budgets import Block, BudgetRule
from tidemill.domain.market import from_micros, to_micros

LOCK = 7304


class SqlBudgets:
    """The budget port on one database: a row per venue, moved in a write transaction that others wait for.

    The row says when the next unit is free. A process that dies leaves nothing to clean up: the moments that it
    leased pass, and the row has moved on already.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url, durable=False)
        upgrade(self._engine, "market")

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def lease_block(self, name: str, owner: str, rule: BudgetRule, units: float, *, now: datetime) -> Block:
        """The next free ``units`` of the line, for ``owner`` alone: no other lease ever overlaps them.

        Reading and moving the row are one transaction that others wait for. After a pause the line restarts at most
        one burst behind ``now``.
        """
        # what a pause saved up is bounded by the burst, or a night's rest would be spent in one go
        earliest = now - rule.tolerance
        with write(self._engine, lock=LOCK) as connection:
            free = _free_at(connection, name)
            start = max(free, earliest) if free else earliest
            _move(connection, name, start + units * rule.unit, owner=owner, units=units)
        return Block(start=start, units=units, owner=owner)

    def pause(self, name: str, seconds: float, *, now: datetime) -> None:
        """Begin no lease sooner than ``seconds`` from ``now``: the venue asked for it.

        The later of the line's own moment and the end of the pause counts; the row then names the venue as its owner.
        """
        until = now + timedelta(seconds=seconds)
        with write(self._engine, lock=LOCK) as connection:
            free = _free_at(connection, name)
            if free is None or free < until:
                _move(connection, name, until, owner="the venue", units=0.0)


def _free_at(connection: Connection, name: str) -> datetime | None:
    free_at = connection.execute(sa.select(BUDGETS.c.free_at).where(BUDGETS.c.name == name)).scalar()
    return None if free_at is None else from_micros(free_at)


def _move(connection: Connection, name: str, free: datetime, *, owner: str, units: float) -> None:
    values = {"free_at": to_micros(free), "owner": owner, "units": units}
    result = connection.execute(BUDGETS.update().where(BUDGETS.c.name == name).values(**values))
    if not result.rowcount:
        connection.execute(BUDGETS.insert().values(name=name, **values))
