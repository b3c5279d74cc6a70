"""The same decision made once more from what was stored, and compared number by number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Literal

from tidemill.decision import (
    DecisionInputs,
    DecisionRules,
    Draft,
    Environment,
    PlainSteps,
    load_market,
    load_recorded_instruments,
    load_recorded_portfolio,
    think,
)
from tidemill.decision.record import feature_record
from tidemill.domain.errors import DataError
from tidemill.domain.market import DecisionGrid, parse_time
from tidemill.domain.trading import Decision, OrderIntent
from tidemill.forecasting import Strategy
from tidemill.ports import (
    BarStore,
    FittedModel,
    MarketEventStore,
    ModelRegistry,
    OrderLedger,
    PostStore,
    QuarantineStore,
)
from tidemill.risk import Limits
from tidemill.sizing import SizingPolicy

FLOAT_TOLERANCE = 1e-9
Promise = Literal["bit for bit", "within 1e-9", "none: the strategy's file is another"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """A decision made again. ``promise`` says what may be expected: equal bits, or equal within a tolerance.

    ``differences`` are sentences, features first, then forecasts, then intents; ``features`` and ``intents`` count
    what was compared.
    """

    decision_id: str
    promise: Promise
    same: bool
    differences: tuple[str, ...]
    features: int
    intents: int

    def to_json(self) -> dict[str, Any]:
        """What ``tidemill rerun --json`` writes.

        The keys are contract: scripts read them.
        """
        return {**asdict(self), "differences": list(self.differences)}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredInputs:
    """Where a decision's inputs are read again.

    ``models`` is needed for a decision of a model. ``quarantine`` keeps out the bars that stood there then, ``records``
    has the splits and dividends by which bars are adjusted; None: there were none.
    """

    bars: BarStore
    posts: PostStore
    ledger: OrderLedger
    models: ModelRegistry | None = None
    quarantine: QuarantineStore | None = None
    records: MarketEventStore | None = None


def rerun(
    decision: Decision,
    stored: StoredInputs,
    *,
    grid: DecisionGrid,
    environment: Environment,
    own: Strategy | None = None,
) -> Rerun:
    """Make a recorded decision again from stored inputs and compare features, forecasts and intents.

    ``own`` is the strategy of the settings' file, when the decision was made by one. The promise is bit for bit when
    code lock and processor are the recorded ones, else 1e-9 relative; none when the strategy's file is another now. A
    refusal has nothing to compute and is the same by definition. DataError when the strategy is not at hand, the grid
    is not that of the decision, or its model is not in a registry.
    """
    # compiled libraries may round otherwise on another processor, so that equal bits are promised for the same only
    exact = decision.record.get("environment") == asdict(environment)
    differences = _compare_code(decision, own)
    promise: Promise = "none: the strategy's file is another" if differences else _promise(exact)
    features = intents = 0
    if decision.outcome == "decided":
        draft = _draft_again(decision, recorded_rules(decision, grid, own), stored)
        orders = stored.ledger.load_orders(decision_id=decision.decision_id)
        features = sum(len(row) for row in feature_record(draft).values())
        intents = len(orders)
        tolerance = 0.0 if exact else FLOAT_TOLERANCE
        differences += _compare_draft(decision, draft, [order.intent for order in orders], tolerance)
    return Rerun(
        decision_id=decision.decision_id,
        promise=promise,
        same=not differences,
        differences=tuple(differences),
        features=features,
        intents=intents,
    )


def _compare_draft(decision: Decision, draft: Draft, intents: Sequence[OrderIntent], tolerance: float) -> list[str]:
    """Features, then forecasts, then intents, so that the first difference is nearest to its cause."""
    before = {row["instrument"]: {"strength": row["strength"]} for row in decision.record["forecasts"]}
    after = {forecast.instrument: {"strength": forecast.strength} for forecast in draft.forecasts.forecasts}
    return [
        *_compare_rows("feature", decision.record["features"], feature_record(draft), tolerance),
        *_compare_rows("forecast", before, after, tolerance),
        *_compare_intents(intents, draft.plan.intents),
    ]


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
    """The rules that were in force when ``decision`` was made, read from its record.

    ``grid`` is the settings' and ``own`` their strategy file, as neither can be read from a record.

    What older records lack is taken as it was then: no limit of completeness, and raw bars.
    """
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
        # and on raw bars before adjustments were honoured
        adjusted=record.get("adjusted", False),
        own=own if record.get("strategy_code") else None,
    )


def _draft_again(decision: Decision, rules: DecisionRules, stored: StoredInputs) -> Draft:
    grid = rules.grid
    if grid.point_of(decision.as_of) != parse_time(decision.record["point"], "point"):
        raise DataError(
            f"decision {decision.decision_id} was made on another grid of decisions than the settings'; "
            "use the timeframe, calendar and delay of then (a replay's own are in the tidemill.toml of its folder)"
        )
    inputs = DecisionInputs(
        key=rules.key(decision.as_of, decision.attempt),
        market=load_market(
            rules,
            decision.as_of,
            stored.bars,
            stored.posts,
            watermark=decision.store_watermark,
            quarantine=stored.quarantine,
            records=stored.records,
        ),
        champion=_recorded_champion(decision, stored.models),
        portfolio=load_recorded_portfolio(decision),
        stopped=decision.record["stopped"],
    )
    return think(PlainSteps(rules), inputs)


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


def _compare_intents(before: Sequence[OrderIntent], after: Sequence[OrderIntent]) -> list[str]:
    old = {intent.intent_id: intent for intent in before}
    new = {intent.intent_id: intent for intent in after}
    return [
        f"intent {name}: was {old.get(name)}, is {new.get(name)}"
        for name in sorted(set(old) | set(new))
        if old.get(name) != new.get(name)
    ]
