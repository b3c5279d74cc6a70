"""One table for each kind of market event."""

from __future__ import annotations

import sqlalchemy as sa

from tidemill.domain.market_events import MARKET_EVENT_SHAPES, MarketEventKind, MarketEventShape

METADATA = sa.MetaData()


def _table(kind: MarketEventKind, shape: MarketEventShape) -> sa.Table:
    return sa.Table(
        str(kind),
        METADATA,
        sa.Column("instrument", sa.Text, primary_key=True),
        sa.Column("event_time", sa.BigInteger, primary_key=True),
        *(sa.Column(name, sa.Text) for name in shape.texts),
        *(sa.Column(name, sa.Double) for name in shape.numbers),
        sa.Column("knowledge_time", sa.BigInteger),
        sa.Column("assumed", sa.Boolean),
        sa.Column("stored_at", sa.BigInteger, primary_key=True),
    )


TABLES = {kind: _table(kind, shape) for kind, shape in MARKET_EVENT_SHAPES.items()}
