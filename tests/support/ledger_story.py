"""Decisions and intents as the ledger's tests write them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tidemill.domain.market import Stamp
from tidemill.domain.trading import Decision, OrderIntent, OrderType, Side, TimeInForce

NOW = datetime(2021, 1, 1, tzinfo=UTC)
STAMP = Stamp(market=NOW, wall=NOW)
BTC = "BTC-USDT.T"


def decision(number: int = 0, **changes) -> Decision:
    made = Decision(
        decision_id=f"d{number}",
        account="a",
        strategy="trend",
        as_of=NOW + timedelta(hours=number),
        attempt=0,
        mode="paper",
        outcome="decided",
        reason="",
        model="trend",
        model_version="",
        limits_version="l",
        ledger_sequence=0,
        store_watermark=0,
        market_time=NOW,
        wall_time=NOW,
        record={"equity": "1000.10", "features": {BTC: {"x": 0.1}}},
    )
    return replace(made, **changes)


def intent(number: int = 0, leg: int = 0, side: Side = Side.BUY, quantity: str = "2") -> OrderIntent:
    name = f"i{number}l{leg}"
    return OrderIntent(
        intent_id=name,
        decision_id=f"d{number}",
        account="a",
        instrument=BTC,
        leg=leg,
        side=side,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        quantity=Decimal(quantity),
        limit_price=Decimal("100.5"),
        client_order_id=name,
        expires_at=NOW + timedelta(hours=number + 1),
    )
