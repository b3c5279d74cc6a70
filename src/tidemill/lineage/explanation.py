"""Why an order exists: from its fills back to the raw answers of the sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from tidemill.domain.errors import DataError
from tidemill.domain.market import format_time, from_micros
from tidemill.domain.trading import Decision, Fill, LedgerOrder
from tidemill.ports import DecisionLedger, FillLedger, OrderLedger, StoredPayload
from tidemill.ports.ledger_rules import OrderEvent

SOURCES = ("posts x", "posts reddit", "posts news", "import")


class LineageLedger(DecisionLedger, OrderLedger, FillLedger, Protocol):
    """The parts of the ledger that an explanation reads."""

    def load_order_events(self, intent_id: str) -> Sequence[OrderEvent]:
        """The append-only story of one order."""
        ...


class RawPayloads(Protocol):
    """Where raw answers are found again."""

    def find_payloads(self, source: str, *, stored_until: int) -> Sequence[StoredPayload]:
        """Payloads of ``source`` stored by then (micros), newest first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderExplanation:
    """One order with its events and fills, the decision that asked for it, and the raw answers stored by then.

    ``raw`` has for each source the newest answer that was in the store when the decision read it.
    """

    order: LedgerOrder
    decision: Decision
    events: tuple[OrderEvent, ...]
    fills: tuple[Fill, ...]
    raw: tuple[Mapping[str, object], ...]

    def to_json(self) -> dict[str, Any]:
        """The way from order to raw answers, quantities and prices as decimal strings."""
        record, name = self.decision.record, self.order.intent.instrument
        return {
            "order": _order_row(self.order),
            "events": [_event_row(event) for event in self.events],
            "fills": [_fill_row(fill) for fill in self.fills],
            "limits": {
                "version": self.decision.limits_version,
                "applied": _rows_of(name, record["vetoes"]),
                "approved": _rows_of(name, record["approved"]),
                "wanted": _rows_of(name, record["wanted"]),
            },
            "forecast": next(iter(_rows_of(name, record["forecasts"])), None),
            "features": record["features"].get(name, {}),
            "model": record["model"] or {"rule": record["rule"], "code": record.get("strategy_code", "")},
            "data": {
                "watermark": format_time(from_micros(self.decision.store_watermark)),
                "decided_bar": record["decided_open"],
                "close": record["prices"].get(name),
                "bars_read": record["bars_read"],
                "scores_read": record["scores_read"],
            },
            "raw": list(self.raw),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A decision and those of its orders that were asked about."""

    decision: Decision
    orders: tuple[OrderExplanation, ...]

    def to_json(self) -> dict[str, Any]:
        """What ``tidemill explain --json`` writes."""
        decision, record = self.decision, self.decision.record
        return {
            "decision": {
                "decision_id": decision.decision_id,
                "account": decision.account,
                "strategy": decision.strategy,
                "as_of": format_time(decision.as_of),
                "attempt": decision.attempt,
                "outcome": decision.outcome,
                "reason": decision.reason,
                "equity": record.get("equity"),
                "environment": record.get("environment"),
            },
            "orders": [order.to_json() for order in self.orders],
        }


def explain(identity: str, *, ledger: LineageLedger, payloads: RawPayloads, account: str) -> Explanation:
    """Everything behind one order, or behind a decision and its orders.

    ``identity`` is an intent id (= client order id), a venue order id or a decision id; DataError when
    the ledger knows none of that name.
    """
    orders = _find_orders(identity, ledger, account)
    decision = ledger.load_decision(orders[0].intent.decision_id if orders else identity)
    if decision is None:
        raise DataError(f"the ledger of account '{account}' knows no order or decision '{identity}'")
    return Explanation(
        decision=decision,
        orders=tuple(
            OrderExplanation(
                order=order,
                decision=decision,
                events=tuple(ledger.load_order_events(order.intent.intent_id)),
                fills=tuple(ledger.load_fills(decision.account, intent_id=order.intent.intent_id)),
                raw=_newest_payloads(order.intent.instrument, decision, payloads),
            )
            for order in orders
        ),
    )


def _find_orders(identity: str, ledger: LineageLedger, account: str) -> list[LedgerOrder]:
    orders = list(ledger.load_orders(intent_id=identity)) or list(ledger.load_orders(decision_id=identity))
    if orders:
        return orders
    return [order for order in ledger.load_orders(account=account) if order.venue_order_id == identity]


def _newest_payloads(instrument: str, decision: Decision, payloads: RawPayloads) -> tuple[Mapping[str, object], ...]:
    rows: list[Mapping[str, object]] = []
    for source in (f"bars {instrument}", *SOURCES):
        stored = payloads.find_payloads(source, stored_until=decision.store_watermark)
        rows += [payload.to_json() for payload in stored[:1]]
    return tuple(rows)


def _rows_of(instrument: str, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in rows if row.get("instrument") == instrument]


def _order_row(order: LedgerOrder) -> dict[str, object]:
    intent = order.intent
    return {
        "intent_id": intent.intent_id,
        "client_order_id": intent.client_order_id,
        "venue_order_id": order.venue_order_id,
        "instrument": intent.instrument,
        "side": str(intent.side),
        "quantity": str(order.quantity),
        "limit_price": str(intent.limit_price),
        "state": str(order.state),
    }


def _event_row(event: OrderEvent) -> dict[str, object]:
    return {
        "sequence": event.sequence,
        "state": str(event.state),
        "reason": event.reason,
        "market_time": format_time(event.stamp.market),
        "wall_time": format_time(event.stamp.wall),
    }


def _fill_row(fill: Fill) -> dict[str, str]:
    return {key: str(value) for key, value in asdict(fill).items() if key != "traded_at"} | {
        "traded_at": format_time(fill.traded_at)
    }
