"""Why an order exists: from its fills back to the raw answers of the sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from tidemill.domain.errors import DataError
from tidemill.domain.market import format_time, from_micros
from tidemill.domain.trading import Decision, LedgerOrder
from tidemill.ports import DecisionLedger, FillLedger, OrderLedger


class LineageLedger(DecisionLedger, OrderLedger, FillLedger, Protocol):
    """The parts of the ledger that an explanation reads."""

    def load_order_events(self, intent_id: str) -> Sequence[Any]:
        """The append-only story of one order."""
        ...


class RawPayloads(Protocol):
    """Where raw answers are found again."""

    def find_payloads(self, source: str, *, stored_until: int) -> Sequence[Mapping[str, Any]]:
        """Payloads of ``source`` stored by then: digest, request, stored_at; newest first."""
        ...


def explain(identity: str, *, ledger: LineageLedger, payloads: RawPayloads, account: str) -> dict[str, Any]:
    """Everything behind one order, or behind a decision and its orders; JSON-ready.

    ``identity`` is an intent id (= client order id), a venue order id or a decision id; DataError when
    the ledger knows none of that name.
    """
    orders = _find_orders(identity, ledger, account)
    decision = ledger.load_decision(orders[0].intent.decision_id if orders else identity)
    if decision is None:
        raise DataError(f"the ledger of account '{account}' knows no order or decision '{identity}'")
    return {
        "decision": _decision_head(decision),
        "orders": [_explain_order(order, decision, ledger, payloads) for order in orders],
    }


def _find_orders(identity: str, ledger: LineageLedger, account: str) -> list[LedgerOrder]:
    found = list(ledger.load_orders(intent_id=identity)) or list(ledger.load_orders(decision_id=identity))
    if found:
        return found
    return [order for order in ledger.load_orders(account=account) if order.venue_order_id == identity]


def _decision_head(decision: Decision) -> dict[str, Any]:
    record = decision.record
    return {
        "decision_id": decision.decision_id,
        "account": decision.account,
        "strategy": decision.strategy,
        "as_of": format_time(decision.as_of),
        "attempt": decision.attempt,
        "outcome": decision.outcome,
        "reason": decision.reason,
        "equity": record.get("equity"),
        "environment": record.get("environment"),
    }


def _explain_order(
    order: LedgerOrder, decision: Decision, ledger: LineageLedger, payloads: RawPayloads
) -> dict[str, Any]:
    intent, record = order.intent, decision.record
    name = intent.instrument

    def of_instrument(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return [row for row in rows if row.get("instrument") == name]

    fills = ledger.load_fills(decision.account, intent_id=intent.intent_id)
    return {
        "order": {
            "intent_id": intent.intent_id,
            "client_order_id": intent.client_order_id,
            "venue_order_id": order.venue_order_id,
            "instrument": name,
            "side": str(intent.side),
            "quantity": str(order.quantity),
            "limit_price": str(intent.limit_price),
            "state": str(order.state),
        },
        "events": [_event_row(event) for event in ledger.load_order_events(intent.intent_id)],
        "fills": [
            {key: str(value) for key, value in asdict(fill).items() if key != "traded_at"}
            | {"traded_at": format_time(fill.traded_at)}
            for fill in fills
        ],
        "limits": {
            "version": decision.limits_version,
            "applied": of_instrument(record["vetoes"]),
            "approved": of_instrument(record["approved"]),
            "wanted": of_instrument(record["wanted"]),
        },
        "forecast": next(iter(of_instrument(record["forecasts"])), None),
        "features": record["features"].get(name, {}),
        "model": record["model"] or {"rule": record["rule"], "code": record.get("strategy_code", "")},
        "data": {
            "watermark": format_time(from_micros(decision.store_watermark)),
            "decided_bar": record["decided_open"],
            "close": record["prices"].get(name),
            "bars_read": record["bars_read"],
            "scores_read": record["scores_read"],
        },
        "raw": _raw_inputs(name, decision, payloads),
    }


def _event_row(event: Any) -> dict[str, Any]:
    return {
        "sequence": event.sequence,
        "state": str(event.state),
        "reason": event.reason,
        "market_time": format_time(event.stamp.market),
        "wall_time": format_time(event.stamp.wall),
    }


def _raw_inputs(instrument: str, decision: Decision, payloads: RawPayloads) -> list[dict[str, Any]]:
    """The newest raw answers that were in the store when the decision read it."""
    rows: list[dict[str, Any]] = []
    for source in (f"bars {instrument}", "posts x", "posts reddit", "posts news", "import"):
        found = payloads.find_payloads(source, stored_until=decision.store_watermark)
        rows += [{"source": source, **one} for one in found[:1]]
    return rows
