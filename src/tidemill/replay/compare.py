"""Two runs of the same days compared to the last unit: decisions, intents, fills, fees, equity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from tidemill.backtest import fees_in_currency
from tidemill.domain.market import format_time
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import Decision, Fill, LedgerOrder

Row = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTrace:
    """What a run did; ``equity_end`` is the final mark."""

    decisions: Sequence[Decision]
    orders: Sequence[LedgerOrder]
    fills: Sequence[Fill]
    equity_end: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryCounts:
    """Entries of one kind that both runs have alike, and those that differ or that one of them lacks."""

    same: int
    different: int

    def to_json(self) -> dict[str, int]:
        """Both counts by name."""
        return {"same": self.same, "different": self.different}


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstDifference:
    """The earliest entry that is not alike: ``at`` is its as_of (ISO 8601, UTC), ``name`` what identifies it.

    ``replay`` and ``backtest`` have what each run says of it, nothing where a run lacks it.
    """

    kind: str
    at: str
    name: str
    replay: tuple[str, ...]
    backtest: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Every field by name."""
        return {**asdict(self), "replay": list(self.replay), "backtest": list(self.backtest)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """What two runs have in common and where they part.

    ``fees_difference`` and ``equity_difference`` are absolute, in the account's currency; the latter is the largest
    of all decisions and of the end. ``failures`` are the steps of the replay that failed, as sentences.
    """

    decisions: EntryCounts
    intents: EntryCounts
    fills: EntryCounts
    fees_difference: Decimal
    equity_difference: Decimal
    first_difference: FirstDifference | None
    failures: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether nothing at all differs, and no step of the replay failed."""
        different = sum(counts.different for counts in (self.decisions, self.intents, self.fills))
        return different + len(self.failures) == 0 and self.fees_difference == 0 and self.equity_difference == 0

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; money as decimal strings."""
        return {
            "intents": self.intents.to_json(),
            "fills": self.fills.to_json(),
            "fees_difference": plain(self.fees_difference),
            "equity_difference": plain(self.equity_difference),
            "first_difference": self.first_difference.to_json() if self.first_difference else None,
            "decisions": self.decisions.to_json(),
            "failures": list(self.failures),
        }


def compare_runs(replay: RunTrace, backtest: RunTrace) -> RunComparison:
    """Compare what two runs of the same days did, to the last unit.

    Fills are identified by their intent, not by trade id: intents of one decision are sent at the same time, so the
    venue numbers their trades in the order of arrival.
    """
    sides = {
        "decisions": _compare(_decision_rows(replay), _decision_rows(backtest)),
        "intents": _compare(_intent_rows(replay), _intent_rows(backtest)),
        "fills": _compare(_fill_rows(replay), _fill_rows(backtest)),
    }
    firsts = [first for kind, compared in sides.items() if (first := _first(kind, compared))]
    return RunComparison(
        decisions=sides["decisions"].counts,
        intents=sides["intents"].counts,
        fills=sides["fills"].counts,
        fees_difference=abs(fees_in_currency(replay.fills) - fees_in_currency(backtest.fills)),
        equity_difference=_equity_difference(replay, backtest),
        first_difference=min(firsts, key=lambda first: first.at) if firsts else None,
    )


def plain(value: Decimal) -> str:
    """Digits without exponent or trailing zeros."""
    return format(value.normalize(), "f")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """Entries of one kind: how many are alike, and those that only one run has."""

    counts: EntryCounts
    replay_only: Counter[Row]
    backtest_only: Counter[Row]


def _compare(replay: Counter[Row], backtest: Counter[Row]) -> _Compared:
    missing, added = replay - backtest, backtest - replay
    # an entry that differs stands on both sides and is one difference; one that is missing is one as well
    counts = EntryCounts(same=(replay & backtest).total(), different=max(missing.total(), added.total()))
    return _Compared(counts=counts, replay_only=missing, backtest_only=added)


def _first(kind: str, compared: _Compared) -> FirstDifference | None:
    """The earliest entry of one side only, beside the other side's of the same name."""
    entries = [dict(row) for row in (*compared.replay_only, *compared.backtest_only)]
    if not entries:
        return None
    at, name = min((entry["at"], entry["name"]) for entry in entries)

    def described(rows: Counter[Row]) -> tuple[str, ...]:
        named = (row for row in map(dict, rows) if (row["at"], row["name"]) == (at, name))
        return tuple(sorted(map(_short, named)))

    return FirstDifference(
        kind=kind,
        at=at,
        name=name,
        replay=described(compared.replay_only),
        backtest=described(compared.backtest_only),
    )


def _short(row: Mapping[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in row.items() if key not in {"at", "name"})


def _row(**values: str) -> Row:
    return tuple(values.items())


def _decision_rows(run: RunTrace) -> Counter[Row]:
    """A refusal's reason counts up to its colon: behind it stands what a server said."""
    return Counter(
        _row(
            at=format_time(decision.as_of),
            name=decision.decision_id,
            outcome=decision.outcome,
            reason=decision.reason.partition(":")[0],
            model=decision.model,
        )
        for decision in run.decisions
    )


def _intent_rows(run: RunTrace) -> Counter[Row]:
    times = _times(run)
    return Counter(
        _row(
            at=times[order.intent.decision_id],
            name=f"{order.intent.instrument} {order.intent.intent_id}",
            side=str(order.intent.side),
            quantity=plain(order.intent.quantity),
            limit=plain(order.intent.limit_price or ZERO),
            sent=plain(order.quantity),
            filled=plain(order.filled),
            state=str(order.state),
        )
        for order in run.orders
    )


def _fill_rows(run: RunTrace) -> Counter[Row]:
    times = _times(run)
    intents = {order.venue_order_id: order.intent for order in run.orders if order.venue_order_id}
    rows: Counter[Row] = Counter()
    for fill in run.fills:
        intent = intents.get(fill.venue_order_id)
        rows[
            _row(
                at=times[intent.decision_id] if intent else "",
                name=f"{fill.instrument} {intent.intent_id if intent else fill.venue_order_id}",
                side=str(fill.side),
                price=plain(fill.price),
                quantity=plain(fill.quantity),
                fee=f"{plain(fill.fee)} {fill.fee_asset}",
            )
        ] += 1
    return rows


def _times(run: RunTrace) -> dict[str, str]:
    return {decision.decision_id: format_time(decision.as_of) for decision in run.decisions}


def _equity_difference(replay: RunTrace, backtest: RunTrace) -> Decimal:
    ends = abs(replay.equity_end - backtest.equity_end)
    tested = {decision.decision_id: decision.record.get("equity") for decision in backtest.decisions}
    marks = [(decision.record.get("equity"), tested.get(decision.decision_id)) for decision in replay.decisions]
    both = [abs(Decimal(mine) - Decimal(other)) for mine, other in marks if mine is not None and other is not None]
    return max([ends, *both])
