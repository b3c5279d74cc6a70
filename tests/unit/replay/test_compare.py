"""What parity calls equal, and how it tells the first difference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from support.ledger_story import BTC, NOW, decision, intent

from tidemill.domain.trading import Fill, LedgerOrder, OrderState, Side
from tidemill.replay.compare import RunComparison, RunTrace, compare_runs

D = Decimal


def make_run(prefix: str = "v") -> RunTrace:
    """Two decisions with a filled buy each; ``prefix`` tells the venue's ids apart."""
    orders, fills = [], []
    for number in (0, 1):
        made = intent(number)
        orders.append(
            LedgerOrder(
                intent=made,
                state=OrderState.FILLED,
                quantity=made.quantity,
                filled=made.quantity,
                venue_order_id=f"{prefix}{number}",
            )
        )
        fills.append(
            Fill(
                trade_id=f"{prefix}{number}",
                venue_order_id=f"{prefix}{number}",
                instrument=BTC,
                side=Side.BUY,
                price=D("100.5"),
                quantity=D(2),
                fee=D("0.2010"),
                fee_asset="USDT",
                traded_at=NOW,
            )
        )
    decisions = [decision(0), decision(1)]
    return RunTrace(decisions=decisions, orders=orders, fills=fills, equity_end=D("1000.10"))


def compare(other: RunTrace) -> RunComparison:
    return compare_runs(make_run("v"), other)


def test_the_same_under_other_ids_of_the_venue_is_equal() -> None:
    comparison = compare(make_run("w"))
    assert comparison.is_equal
    result = comparison.to_json()
    assert result["intents"] == result["fills"] == result["decisions"] == {"same": 2, "different": 0}
    assert (result["fees_difference"], result["equity_difference"], result["first_difference"]) == ("0", "0", None)


def fill_dearer(run: RunTrace) -> RunTrace:
    return replace(run, fills=[run.fills[0], replace(run.fills[1], price=D("100.51"))])


def fee_other(run: RunTrace) -> RunTrace:
    return replace(run, fills=[replace(run.fills[0], fee=D("0.20100001")), run.fills[1]])


def order_missing(run: RunTrace) -> RunTrace:
    return replace(run, orders=run.orders[1:], fills=run.fills[1:])


def order_larger(run: RunTrace) -> RunTrace:
    larger = replace(run.orders[1].intent, quantity=D("2.00000001"))
    return replace(run, orders=[run.orders[0], replace(run.orders[1], intent=larger)])


def decision_refused(run: RunTrace) -> RunTrace:
    return replace(run, decisions=[run.decisions[0], replace(run.decisions[1], outcome="refused", reason="stale: x")])


def equity_other(run: RunTrace) -> RunTrace:
    richer = replace(run.decisions[1], record={**run.decisions[1].record, "equity": "1000.11"})
    return replace(run, decisions=[run.decisions[0], richer])


def end_other(run: RunTrace) -> RunTrace:
    return replace(run, equity_end=D("1000.10000001"))


@pytest.mark.parametrize(
    ("change", "kind", "at", "differs"),
    [
        (fill_dearer, "fills", "2021-01-01T01:00:00Z", "fills"),
        (fee_other, "fills", "2021-01-01T00:00:00Z", "fees_difference"),
        (order_missing, "intents", "2021-01-01T00:00:00Z", "intents"),
        (order_larger, "intents", "2021-01-01T01:00:00Z", "intents"),
        (decision_refused, "decisions", "2021-01-01T01:00:00Z", "decisions"),
        (equity_other, None, "", "equity_difference"),
        (end_other, None, "", "equity_difference"),
    ],
)
def test_every_difference_is_found_and_the_earliest_told(
    change: Callable[[RunTrace], RunTrace], kind: str | None, at: str, differs: str
) -> None:
    comparison = compare(change(make_run("w")))
    assert not comparison.is_equal
    result = comparison.to_json()
    found = result[differs]
    assert found["different"] == 1 if isinstance(found, dict) else D(found) > 0
    first = result["first_difference"]
    assert (first is None) if kind is None else (first["kind"], first["at"]) == (kind, at)


def test_the_first_difference_says_what_both_sides_have() -> None:
    first = compare(fill_dearer(make_run("w"))).to_json()["first_difference"]
    assert first["name"] == f"{BTC} i1l0"
    assert first["replay"] == ["side BUY, price 100.5, quantity 2, fee 0.201 USDT"]
    assert first["backtest"] == ["side BUY, price 100.51, quantity 2, fee 0.201 USDT"]
    assert compare(order_missing(make_run("w"))).to_json()["first_difference"]["backtest"] == []


def test_a_step_that_failed_is_a_difference() -> None:
    assert not replace(compare(make_run("w")), failures=("step 3",)).is_equal
