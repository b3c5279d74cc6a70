"""Why an order exists, and the same decision made once more from what was stored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Literal, Protocol

from tidemill.deciding import (
    DecisionRules,
    Draft,
    Environment,
    draft_decision,
    load_market,
    load_recorded_instruments,
    load_recorded_portfolio,
)
from tidemill.deciding.record import feature_record
from tidemill.domain.errors import DataError
from tidemill.domain.market import DecisionGrid, format_time, from_micros, parse_time
from tidemill.domain.trading import Decision, LedgerOrder
from tidemill.forecasting import Strategy
from tidemill.ports import (
    BarStore,
    DecisionLedger,
    FillLedger,
    FittedModel,
    ModelRegistry,
    OrderLedger,
    PostStore,
    QuarantineStore,
)
from tidemill.risk import Limits
from tidemill.sizing import SizingPolicy

FLOAT_TOLERANCE = 1e-9


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


Promise = Literal["bit for bit", "within 1e-9", "none: the strategy's file is another"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """A decision made again. ``promise`` says what may be expected: equal bits, or equal within a tolerance."""

    decision_id: str
    promise: Promise
    same: bool
    differences: tuple[str, ...]
    features: int
    intents: int


def rerun(
    decision: Decision,
    *,
    bars: BarStore,
    posts: PostStore,
    ledger: OrderLedger,
    models: ModelRegistry | None,
    grid: DecisionGrid,
    environment: Environment,
    quarantine: QuarantineStore | None = None,
    own: Strategy | None = None,
) -> Rerun:
    """Make a recorded decision again from stored inputs and compare features, forecasts and intents.

    ``quarantine`` keeps out what stood there then; ``own`` is the strategy of the settings' file, when the
    decision was made by one. The promise is bit for bit when code lock and processor are the recorded ones,
    else 1e-9 relative; none when the strategy's file is another now. A refusal has nothing to compute and is
    the same by definition. DataError when the strategy is not at hand.
    """
    exact = decision.record.get("environment") == asdict(environment)
    differences = _compare_code(decision, own)
    promise: Promise = "none: the strategy's file is another" if differences else _promise(exact)
    features = intents = 0
    if decision.outcome == "decided":
        draft = _draft_again(decision, bars, posts, models, recorded_rules(decision, grid, own), quarantine)
        again = feature_record(draft)
        features = sum(len(row) for row in again.values())
        tolerance = 0.0 if exact else FLOAT_TOLERANCE
        differences += _compare_rows("feature", decision.record["features"], again, tolerance)
        forecasts = {one.instrument: {"strength": one.strength} for one in draft.forecasts.forecasts}
        recorded = {one["instrument"]: {"strength": one["strength"]} for one in decision.record["forecasts"]}
        differences += _compare_rows("forecast", recorded, forecasts, tolerance)
        stored = [order.intent for order in ledger.load_orders(decision_id=decision.decision_id)]
        intents = len(stored)
        differences += _compare_intents(stored, list(draft.plan.intents))
    return Rerun(
        decision_id=decision.decision_id,
        promise=promise,
        same=not differences,
        differences=tuple(differences),
        features=features,
        intents=intents,
    )


def _promise(exact: bool) -> Promise:
    return "bit for bit" if exact else "within 1e-9"


def _compare_code(decision: Decision, own: Strategy | None) -> list[str]:
    """Whether the strategy's file is the one that decided; nothing to say of a strategy that ships."""
    recorded = decision.record.get("strategy_code", "")
    if not recorded:
        return []
    if own is None or own.name != decision.strategy:
        raise DataError(
            f"decision {decision.decision_id} was made by the strategy file {decision.strategy}.py; "
            "name it in TIDEMILL_STRATEGY to run the decision again"
        )
    if own.code_hash == recorded:
        return []
    return [f"the file of strategy '{own.name}': was sha256 {recorded}, is {own.code_hash}"]


def recorded_rules(decision: Decision, grid: DecisionGrid, own: Strategy | None = None) -> DecisionRules:
    """The rules that were in force when ``decision`` was made, read from its record."""
    record = decision.record
    return DecisionRules(
        account=decision.account,
        strategy=decision.strategy,
        mode=decision.mode,
        grid=grid,
        universe=tuple(record["universe"]),
        instruments=load_recorded_instruments(decision),
        sizing=SizingPolicy(**record["sizing"]),
        limits=Limits(**{name: Decimal(text) for name, text in record["limits"].items()}),
        price_cap_fraction=Decimal(record["price_cap_fraction"]),
        scorer=record["scorer"],
        # decisions recorded before there was a limit were made without one
        min_completeness=record.get("min_completeness", 0.0),
        own=own if record.get("strategy_code") else None,
    )


def _draft_again(
    decision: Decision,
    bars: BarStore,
    posts: PostStore,
    models: ModelRegistry | None,
    rules: DecisionRules,
    quarantine: QuarantineStore | None,
) -> Draft:
    grid = rules.grid
    if grid.point_of(decision.as_of) != parse_time(decision.record["point"], "point"):
        raise DataError(f"decision {decision.decision_id} was made on another grid of decisions than the settings'")
    key = rules.key(decision.as_of, decision.attempt)
    market = load_market(rules, decision.as_of, bars, posts, watermark=decision.store_watermark, quarantine=quarantine)
    return draft_decision(
        rules,
        key,
        market=market,
        champion=_recorded_champion(decision, models),
        portfolio=load_recorded_portfolio(decision),
        stopped=decision.record["stopped"],
    )


def _recorded_champion(decision: Decision, models: ModelRegistry | None) -> FittedModel | None:
    used = decision.record["model"]
    if used is None:
        return None
    if models is None:
        raise DataError(f"decision {decision.decision_id} used a model, and no registry is given")
    return models.load_version(used["name"], used["version"])


def _compare_rows(
    what: str,
    before: Mapping[str, Mapping[str, float | None]],
    after: Mapping[str, Mapping[str, float | None]],
    tolerance: float,
) -> list[str]:
    differences: list[str] = []
    for instrument in sorted(set(before) | set(after)):
        old, new = before.get(instrument, {}), after.get(instrument, {})
        differences.extend(
            f"{what} {name} of {instrument}: was {old.get(name)!r}, is {new.get(name)!r}"
            for name in sorted(set(old) | set(new))
            if not _equal(old.get(name), new.get(name), tolerance)
        )
    return differences


def _equal(old: float | None, new: float | None, tolerance: float) -> bool:
    if old is None or new is None:
        return old is new
    return old == new or (tolerance > 0 and math.isclose(old, new, rel_tol=tolerance, abs_tol=tolerance))


def _compare_intents(before: Sequence[Any], after: Sequence[Any]) -> list[str]:
    old = {intent.intent_id: intent for intent in before}
    new = {intent.intent_id: intent for intent in after}
    return [
        f"intent {name}: was {old.get(name)}, is {new.get(name)}"
        for name in sorted(set(old) | set(new))
        if old.get(name) != new.get(name)
    ]
