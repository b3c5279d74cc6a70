"""Two runs of the same days compared to the last unit: decisions, intents, fills, fees, equity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tidemill.backtest import fees_in_currency
from tidemill.domain.market import format_time
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import Decision, Fill, LedgerOrder

Row = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTold:
    """What a run did; ``equity_end`` is the final mark."""

    decisions: Sequence[Decision]
    orders: Sequence[LedgerOrder]
    fills: Sequence[Fill]
    equity_end: Decimal


def compare_runs(replay: RunTold, backtest: RunTold) -> dict[str, Any]:
    """The object that ``parity --json`` writes, but for the failures.

    ``first_difference`` is the earliest, with what both runs have to say. ``equity_difference`` is the largest of
    all decisions and of the end. Fills are told by their intent, not by trade id: intents of one decision are
    sent at the same time, so the venue numbers their trades in the order of arrival.
    """
    kinds = {
        "decisions": _compare(_decision_rows(replay), _decision_rows(backtest)),
        "intents": _compare(_intent_rows(replay), _intent_rows(backtest)),
        "fills": _compare(_fill_rows(replay), _fill_rows(backtest)),
    }
    firsts = [first for kind, (_, sides) in kinds.items() if (first := _first(kind, sides))]
    counts = {kind: counted for kind, (counted, _) in kinds.items()}
    return {
        "intents": counts["intents"],
        "fills": counts["fills"],
        "fees_difference": plain(abs(fees_in_currency(replay.fills) - fees_in_currency(backtest.fills))),
        "equity_difference": plain(_equity_difference(replay, backtest)),
        "first_difference": min(firsts, key=lambda first: first["at"]) if firsts else None,
        "decisions": counts["decisions"],
    }


def is_equal(result: Mapping[str, Any]) -> bool:
    """Whether nothing at all differs, and no step of the replay failed."""
    counts = sum(result[kind]["different"] for kind in ("decisions", "intents", "fills")) + len(result["failures"])
    return counts == 0 and Decimal(result["fees_difference"]) == 0 and Decimal(result["equity_difference"]) == 0


def plain(value: Decimal) -> str:
    """Digits without exponent or trailing zeros."""
    return format(value.normalize(), "f")


def _compare(left: Counter[Row], right: Counter[Row]) -> tuple[dict[str, int], tuple[Counter[Row], Counter[Row]]]:
    missing, added = left - right, right - left
    # an entry that differs stands on both sides and is one difference; one that is missing is one as well
    counted = {"same": (left & right).total(), "different": max(missing.total(), added.total())}
    return counted, (missing, added)


def _first(kind: str, entries: tuple[Counter[Row], Counter[Row]]) -> dict[str, Any] | None:
    """The earliest entry of one side only, beside the other side's of the same name."""
    sides = dict(zip(("replay", "backtest"), entries, strict=True))
    rows = sorted(dict(row)["at"] + "\x1f" + dict(row)["name"] for side in sides.values() for row in side)
    if not rows:
        return None
    at, _, name = rows[0].partition("\x1f")
    earliest = {
        side: [dict(row) for row in rows_of_side if (dict(row)["at"], dict(row)["name"]) == (at, name)]
        for side, rows_of_side in sides.items()
    }
    return {
        "kind": kind,
        "at": at,
        "name": name,
        **{side: sorted(map(_short, rows)) for side, rows in earliest.items()},
    }


def _short(row: Mapping[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in row.items() if key not in {"at", "name"})


def _row(**values: str) -> Row:
    return tuple(values.items())


def _decision_rows(run: RunTold) -> Counter[Row]:
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


def _intent_rows(run: RunTold) -> Counter[Row]:
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


def _fill_rows(run: RunTold) -> Counter[Row]:
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


def _times(run: RunTold) -> dict[str, str]:
    return {decision.decision_id: format_time(decision.as_of) for decision in run.decisions}


def _equity_difference(replay: RunTold, backtest: RunTold) -> Decimal:
    ends = abs(replay.equity_end - backtest.equity_end)
    tested = {decision.decision_id: decision.record.get("equity") for decision in backtest.decisions}
    marks = [(decision.record.get("equity"), tested.get(decision.decision_id)) for decision in replay.decisions]
    both = [abs(Decimal(mine) - Decimal(other)) for mine, other in marks if mine is not None and other is not None]
    return max([ends, *both])
