"""Small runs made by hand, for the tests of performance and pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pandas as pd

from tidemill.domain.trading import (
    Decision,
    Fill,
    LedgerOrder,
    OrderIntent,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
)
from tidemill.performance import RunRecord, decided_orders

START = datetime(2025, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
BTC, ETH = "BTC-USDT.T", "ETH-USDT.T"


def at(day: float) -> datetime:
    return START + day * DAY


def marks(*values: float | str, first: float = 0) -> list[tuple[datetime, Decimal]]:
    return [(at(first + place), Decimal(str(value))) for place, value in enumerate(values)]


def fill(day: float, side: str, quantity: str, price: str, **changes: object) -> Fill:
    values = {
        "trade_id": f"{day}",
        "venue_order_id": f"o{day}",
        "instrument": BTC,
        "side": Side(side),
        "price": Decimal(price),
        "quantity": Decimal(quantity),
        "fee": Decimal(0),
        "fee_asset": "USDT",
        "traded_at": at(day),
    }
    return Fill(**{**values, **changes})


def bars(closes: dict[str, Sequence[float]], volume: float = 1000.0) -> pd.DataFrame:
    """Daily bars; bar n closes at day n, the first at day 0."""
    rows = [
        {"instrument": name, "open_time": pd.Timestamp(at(day - 1)), "close": close, "volume": volume}
        for name, values in closes.items()
        for day, close in enumerate(values)
    ]
    return pd.DataFrame(rows)


def decision(day: float, prices: dict[str, str], volumes: dict[str, str]) -> Decision:
    return Decision(
        decision_id=f"d{day}",
        account="main",
        strategy="trend",
        as_of=at(day),
        attempt=0,
        mode="paper",
        outcome="decided",
        reason="",
        model="trend",
        model_version="",
        limits_version="",
        ledger_sequence=0,
        store_watermark=0,
        market_time=at(day),
        wall_time=at(day),
        record={"prices": prices, "volumes": volumes},
    )


def order(day: float, quantity: str, instrument: str = BTC) -> LedgerOrder:
    intent = OrderIntent(
        intent_id=f"i{day}",
        decision_id=f"d{day}",
        account="main",
        instrument=instrument,
        leg=1,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        quantity=Decimal(quantity),
        limit_price=Decimal(1),
        client_order_id=f"i{day}",
        expires_at=at(day + 1),
    )
    return LedgerOrder(
        intent=intent,
        state=OrderState.FILLED,
        quantity=Decimal(quantity),
        filled=Decimal(quantity),
        venue_order_id=f"o{day}",
    )


def run_record(**changes: object) -> RunRecord:
    """Bought 10 at 100 with fee 1 on day 0, sold 5 at 110 with fee 0.5 on day 1; closes 100, 110, 121 (BTC alone)."""
    values = {
        "strategy": "trend",
        "currency": "USDT",
        "equity": marks(2000, "2098.5", "2153.5"),
        "fills": [
            fill(0.001, "BUY", "10", "100", fee=Decimal(1)),
            fill(1.001, "SELL", "5", "110", fee=Decimal("0.5")),
        ],
        "orders": [order(0.001, "10"), order(1.001, "5")],
        "decisions": [decision(0.001, {BTC: "99"}, {BTC: "1000"}), decision(1.001, {BTC: "110"}, {BTC: "250"})],
        "instruments": (BTC,),
        "bars": bars({BTC: [100.0, 110.0, 121.0]}),
        "timeframe": "1d",
    }
    values |= changes
    values["orders"] = decided_orders(values["orders"], values.pop("decisions"))
    return RunRecord(**values)
