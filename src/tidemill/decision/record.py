"""What is written down of a decision: enough to explain it and to run it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from tidemill.decision.draft import Draft
from tidemill.decision.rules import DecisionRules, mark_equity, rule_in_use
from tidemill.domain.market import Instrument, Stamp, format_time
from tidemill.domain.portfolio import Portfolio
from tidemill.domain.trading import Decision
from tidemill.execution.order_plan import DecisionKey
from tidemill.forecasting import as_rows
from tidemill.ports import FittedModel

Record = dict[str, object]
"""What the ledger stores as JSON: its keys and the form of its values are read by every later version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What a decision was computed with: bit for bit repeatable only where all three agree."""

    lock_hash: str
    cpu: str
    code: str


def build_decision(
    rules: DecisionRules,
    key: DecisionKey,
    draft: Draft,
    *,
    stamp: Stamp,
    environment: Environment,
    stopped: Mapping[str, str],
) -> Decision:
    """The decision ``draft`` as the ledger keeps it.

    ``stamp`` has the market and wall time of recording. Of a strategy without a model the champion is not recorded,
    since it had no part in it.
    """
    champion = draft.champion if rules.strategy == "model" else None
    rule = rule_in_use(rules.strategy, champion)
    record = {
        **_rules_record(rules, key),
        **_market_record(draft),
        "portfolio": _portfolio_record(draft.portfolio),
        "equity": str(mark_equity(rules, draft.portfolio, draft.market.prices)),
        "stopped": dict(stopped),
        "rule": rule,
        "model": _model_record(champion),
        **_steps_record(draft),
        "environment": _fields(environment),
    }
    origin = _Origin(
        outcome="decided",
        model=champion.name if champion else rule,
        model_version=champion.version if champion else "",
        ledger_sequence=draft.portfolio.ledger_sequence,
        store_watermark=draft.market.watermark,
    )
    return _decision(rules, key, stamp, record, origin)


def _steps_record(draft: Draft) -> Record:
    """What each step gave; the keys are older than the names of the fields."""
    return {
        "forecasts": [
            _fields(forecast)
            | {"made_at": format_time(forecast.made_at), "expires_at": format_time(forecast.expires_at)}
            for forecast in draft.forecasts.forecasts
        ],
        "without_forecast": [
            *(_fields(missing) for missing in draft.forecasts.without),
            *({"instrument": name, "reason": reason} for name, reason in draft.market.incomplete.items()),
        ],
        "wanted": [_texts(target) for target in draft.sizing.targets],
        "vetoes": [_texts(veto) for veto in draft.approved.vetoes],
        "approved": [_texts(target) for target in draft.approved.targets],
        "kept": [_texts(drop) for drop in draft.sizing.unchanged],
        "dropped": [_texts(drop) for drop in draft.plan.dropped],
        "intents": [intent.intent_id for intent in draft.plan.intents],
    }


def build_refusal(
    rules: DecisionRules, key: DecisionKey, reason: str, *, stamp: Stamp, environment: Environment, watermark: int = 0
) -> Decision:
    """A decision without intents, with the ``reason`` why nothing was decided.

    It takes the place of the decision of its as_of, so that this one is not made later from newer knowledge.
    """
    record = {**_rules_record(rules, key), "environment": _fields(environment)}
    return _decision(rules, key, stamp, record, _Origin(outcome="refused", reason=reason, store_watermark=watermark))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """What a decision came from, or why there is none."""

    outcome: Literal["decided", "refused"]
    reason: str = ""
    model: str = ""
    model_version: str = ""
    ledger_sequence: int = 0
    store_watermark: int = 0


def _decision(rules: DecisionRules, key: DecisionKey, stamp: Stamp, record: Record, origin: _Origin) -> Decision:
    return Decision(
        decision_id=key.decision_id,
        account=rules.account,
        strategy=rules.strategy,
        as_of=key.as_of,
        attempt=key.attempt,
        mode=rules.mode,
        outcome=origin.outcome,
        reason=origin.reason,
        model=origin.model,
        model_version=origin.model_version,
        limits_version=rules.limits.version,
        ledger_sequence=origin.ledger_sequence,
        store_watermark=origin.store_watermark,
        market_time=stamp.market,
        wall_time=stamp.wall,
        record=record,
    )


def _portfolio_record(portfolio: Portfolio) -> Record:
    """JSON-ready form of a portfolio; :func:`load_recorded_portfolio` reads it back."""
    return {
        "currency": portfolio.currency,
        "assets": {asset: str(quantity) for asset, quantity in portfolio.assets.items()},
        "reserved": {asset: str(quantity) for asset, quantity in portfolio.reserved.items()},
        "peak_equity": str(portfolio.peak_equity),
    }


def load_recorded_portfolio(decision: Decision) -> Portfolio:
    """The portfolio that ``decision`` started from, with the ledger's sequence of then.

    KeyError for a refusal, which started from none.
    """
    stored = decision.record["portfolio"]
    return Portfolio(
        account=decision.account,
        currency=stored["currency"],
        assets={asset: Decimal(text) for asset, text in stored["assets"].items()},
        reserved={asset: Decimal(text) for asset, text in stored["reserved"].items()},
        ledger_sequence=decision.ledger_sequence,
        peak_equity=Decimal(stored["peak_equity"]),
    )


def feature_record(draft: Draft) -> dict[str, dict[str, float | None]]:
    """Feature rows by instrument; NaN becomes null, which JSON can carry."""
    return as_rows(draft.table).record()


def _rules_record(rules: DecisionRules, key: DecisionKey) -> Record:
    grid = rules.grid
    point = grid.point_of(key.as_of)
    return {
        "strategy_code": rules.own.code_hash if rules.own else "",
        "universe": list(rules.universe),
        "instruments": {name: _texts(rules.instruments[name]) for name in rules.universe},
        "timeframe": grid.timeframe,
        "calendar": grid.calendar,
        "delay_seconds": grid.delay_seconds,
        "point": format_time(point),
        "decided_open": format_time(grid.decided_open(point)),
        "expires_at": format_time(key.expires_at),
        "sizing": _fields(rules.sizing),
        "limits": _texts(rules.limits),
        "price_cap_fraction": str(rules.price_cap_fraction),
        "scorer": rules.scorer,
        "min_completeness": rules.min_completeness,
        "adjusted": rules.adjusted,
    }


def load_recorded_instruments(decision: Decision) -> dict[str, Instrument]:
    """The instruments with the steps that were in force when ``decision`` was made."""
    return {
        name: Instrument(
            venue=stored["venue"],
            base=stored["base"],
            quote=stored["quote"],
            price_step=Decimal(stored["price_step"]),
            lot_step=Decimal(stored["lot_step"]),
            min_notional=Decimal(stored["min_notional"]),
        )
        for name, stored in decision.record["instruments"].items()
    }


def _market_record(draft: Draft) -> Record:
    market = draft.market
    return {
        "prices": {name: str(price) for name, price in market.prices.items()},
        "volumes": {name: str(volume) for name, volume in market.volumes.items()},
        "stale": dict(market.stale),
        "incomplete": dict(market.incomplete),
        "bars_read": len(market.bars),
        "scores_read": len(market.scores),
        "features": feature_record(draft),
    }


def _model_record(champion: FittedModel | None) -> Record | None:
    if champion is None:
        return None
    return {
        "name": champion.name,
        "version": champion.version,
        "verdict": champion.verdict,
        "dataset_hash": champion.dataset_hash,
        "trained_as_of": format_time(champion.trained_as_of),
    }


def _fields(value: Any) -> Record:
    """The fields of a flat dataclass by name, in their order."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _texts(value: Any) -> dict[str, str]:
    return {name: str(getattr(value, name)) for name in value.__dataclass_fields__}
