"""Rows of the ledger's tables as values, and values as rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy.engine import RowMapping

from tidemill.domain.market import Stamp
from tidemill.domain.portfolio import ZERO, CashEvent
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
from tidemill.ports.ledger_rules import OrderEvent

Row = RowMapping | Mapping[str, Any]
DECISION_FIELDS = (
    "decision_id",
    "account",
    "strategy",
    "as_of",
    "attempt",
    "mode",
    "outcome",
    "reason",
    "model",
    "model_version",
    "limits_version",
    "ledger_sequence",
    "store_watermark",
    "market_time",
    "wall_time",
)
INTENT_FIELDS = (
    "intent_id",
    "decision_id",
    "account",
    "instrument",
    "leg",
    "quantity",
    "limit_price",
    "client_order_id",
    "expires_at",
)
to_json = json.JSONEncoder(sort_keys=True).encode  # json.dumps would make one for each decision
FILL_FIELDS = ("trade_id", "venue_order_id", "instrument", "price", "quantity", "fee", "fee_asset", "traded_at")


def decision_row(decision: Decision, sequence: int) -> dict[str, Any]:
    """A decision for its table."""
    values = {name: getattr(decision, name) for name in DECISION_FIELDS}
    equity = decision.record.get("equity")
    return {
        **values,
        "sequence": sequence,
        "equity": None if equity is None else str(equity),
        "record": to_json(decision.record),
    }


def to_decision(row: Row) -> Decision:
    """A decision from its table."""
    return Decision(**{name: row[name] for name in DECISION_FIELDS}, record=json.loads(row["record"]))


def intent_row(intent: OrderIntent, event: int) -> dict[str, Any]:
    """A new intent for its table; ``event`` is the number of its PLANNED event."""
    values = {name: getattr(intent, name) for name in INTENT_FIELDS}
    return {
        **values,
        "side": str(intent.side),
        "order_type": str(intent.order_type),
        "time_in_force": str(intent.time_in_force),
        "state": str(OrderState.PLANNED),
        "send_quantity": intent.quantity,
        "reduced": False,
        "state_reason": "",
        "venue_order_id": None,
        "sent_at": None,
        "window_ms": None,
        "live": 1,
        "last_event": event,
    }


def to_order(row: Row, filled: Decimal) -> LedgerOrder:
    """An order from the row of its intent and the sum of its fills."""
    intent = OrderIntent(
        **{name: row[name] for name in INTENT_FIELDS},
        side=Side(row["side"]),
        order_type=OrderType(row["order_type"]),
        time_in_force=TimeInForce(row["time_in_force"]),
    )
    return LedgerOrder(
        intent=intent,
        state=OrderState(row["state"]),
        quantity=row["send_quantity"],
        filled=filled or ZERO,
        reduced=bool(row["reduced"]),
        venue_order_id=row["venue_order_id"],
        sent_at=row["sent_at"],
        window_ms=row["window_ms"],
        reason=row["state_reason"],
    )


def fill_row(account: str, fill: Fill, intent_id: str | None, sequence: int, stamp: Stamp) -> dict[str, Any]:
    """A fill for its table."""
    return {
        **{name: getattr(fill, name) for name in FILL_FIELDS},
        "side": str(fill.side),
        "account": account,
        "intent_id": intent_id,
        "sequence": sequence,
        **stamp_row(stamp),
    }


def to_fill(row: Row) -> Fill:
    """A fill from its table."""
    return Fill(**{name: row[name] for name in FILL_FIELDS}, side=Side(row["side"]))


def to_cash(row: Row) -> CashEvent:
    """A cash event from its table."""
    return CashEvent(**{name: row[name] for name in ("event_id", "account", "asset", "amount", "kind", "because")})


def to_event(row: Row) -> OrderEvent:
    """An order event from its table."""
    names = ("sequence", "intent_id", "state", "reason", "venue_order_id", "quantity")
    stamp = Stamp(market=row["market_time"], wall=row["wall_time"])
    return OrderEvent(**{name: row[name] for name in names}, stamp=stamp)


def stamp_row(stamp: Stamp) -> dict[str, Any]:
    """Both clocks for a table."""
    return {"market_time": stamp.market, "wall_time": stamp.wall}
