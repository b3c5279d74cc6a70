"""The implementation shortfall by hand, and that its parts always add up to paper minus reality."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ledger_story import BTC, NOW, decision, intent

from tidemill.domain.errors import DataError
from tidemill.domain.market import Stamp
from tidemill.domain.portfolio import Account
from tidemill.domain.trading import Fill, LedgerOrder, OrderState, Side, VenueOrder
from tidemill.lineage import review_orders
from tidemill.memory.ledger import MemoryLedger
from tidemill.memory.market import MemoryMarketStore
from tidemill.pages import rerun_rows, review_page, shortfall_rows
from tidemill.performance import measure_shortfall, sum_shortfalls
from tidemill.recording import to_bars

D = Decimal


def order(side: Side = Side.BUY, quantity: str = "2", filled: str = "0") -> LedgerOrder:
    order_intent = intent(side=side, quantity=quantity)
    return LedgerOrder(intent=order_intent, state=OrderState.EXPIRED, quantity=order_intent.quantity, filled=D(filled))


def fill(price: str, quantity: str, fee: str = "0", asset: str = "USDT", side: Side = Side.BUY) -> Fill:
    return Fill(
        trade_id=f"{price}{quantity}",
        venue_order_id="1",
        instrument=BTC,
        side=side,
        price=D(price),
        quantity=D(quantity),
        fee=D(fee),
        fee_asset=asset,
        traded_at=NOW,
    )


def test_a_buy_by_hand() -> None:
    # wanted 2 at 100; the market was at 101 on arrival; 1.5 were bought for 152.25; the price ended at 104
    fills = [fill("101", "0.5", "0.05"), fill("101.75", "1", "0.001", "BTC")]
    shortfall = measure_shortfall(order(), fills, decision_price=D(100), arrival_price=D(101), final_price=D(104))
    assert shortfall.fill_price == D("152.25") / D("1.5") == D("101.5")
    assert shortfall.delay == D("1.5")
    assert shortfall.execution == D("0.75")
    assert shortfall.fees == D("0.05") + D("0.101750")
    assert shortfall.opportunity == D("2.0")
    assert shortfall.total == D("4.401750")
    assert shortfall.basis_points == D("220.09")


def test_a_sell_by_hand() -> None:
    # wanted to sell 2 at 100; 99 on arrival; 1 sold at 98; the price fell to 90, so the other one lost 10
    fills = [fill("98", "1", "0.098", side=Side.SELL)]
    shortfall = measure_shortfall(
        order(Side.SELL), fills, decision_price=D(100), arrival_price=D(99), final_price=D(90)
    )
    assert (shortfall.delay, shortfall.execution, shortfall.fees, shortfall.opportunity) == (
        D(1),
        D(1),
        D("0.098"),
        D(10),
    )
    assert shortfall.total == D("12.098")


def test_what_was_missed_may_have_been_lucky() -> None:
    shortfall = measure_shortfall(order(), [], decision_price=D(100), arrival_price=None, final_price=D(95))
    assert (shortfall.total, shortfall.fill_price, shortfall.delay) == (D(-10), None, None)
    assert shortfall.basis_points == D("-500.00")


def test_without_an_arrival_price_execution_holds_the_delay() -> None:
    shortfall = measure_shortfall(
        order(), [fill("103", "2")], decision_price=D(100), arrival_price=None, final_price=None
    )
    assert (shortfall.delay, shortfall.execution, shortfall.opportunity, shortfall.total) == (None, D(6), D(0), D(6))


def test_a_missed_rest_without_final_price_is_not_known() -> None:
    shortfall = measure_shortfall(
        order(), [fill("100", "1")], decision_price=D(100), arrival_price=D(100), final_price=None
    )
    assert (shortfall.opportunity, shortfall.total) == (None, D(0))
    assert shortfall_rows([shortfall])[0]["opportunity"] == "not known"


def test_what_cannot_be_measured_is_named() -> None:
    with pytest.raises(DataError, match="was decided at 0"):
        measure_shortfall(order(), [], decision_price=D(0), arrival_price=None, final_price=None)
    strange = [fill("100", "1", "0.1", "BNB")]
    with pytest.raises(DataError, match="is in BNB"):
        measure_shortfall(order(), strange, decision_price=D(1), arrival_price=None, final_price=None)


prices = st.decimals("0.01", "1000", places=2)


@given(
    st.sampled_from(Side),
    st.lists(st.tuples(prices, st.decimals("0.001", "1", places=3), st.decimals("0", "1", places=4)), max_size=4),
    prices,
    st.one_of(st.none(), prices),
    prices,
)
def test_the_parts_add_up_to_paper_minus_reality(
    side: Side, parts: list[tuple[Decimal, Decimal, Decimal]], decided: Decimal, arrived: Decimal | None, final: Decimal
) -> None:
    fills = [fill(str(price), str(quantity), str(fee), side=side) for price, quantity, fee in parts]
    shortfall = measure_shortfall(
        order(side, "5"), fills, decision_price=decided, arrival_price=arrived, final_price=final
    )
    sign = 1 if side is Side.BUY else -1
    paper = sign * 5 * (final - decided)
    real = sum((sign * fill.quantity * (final - fill.price) - fill.fee for fill in fills), D(0))
    assert shortfall.total == paper - real


def test_sums_are_of_all_orders() -> None:
    first = measure_shortfall(
        order(), [fill("101", "2")], decision_price=D(100), arrival_price=D(100), final_price=None
    )
    second = measure_shortfall(order(), [], decision_price=D(100), arrival_price=None, final_price=D(101))
    total = sum_shortfalls([first, second])
    assert (total.orders, total.notional, total.execution, total.opportunity) == (2, D(400), D(2), D(2))
    assert (total.total, total.basis_points) == (D(4), D(100))
    assert sum_shortfalls([]).basis_points == 0


# -- from the ledger and the store


def stored_bars() -> MemoryMarketStore:
    opens = pd.DatetimeIndex([NOW - timedelta(hours=1), NOW, NOW + timedelta(hours=1)]).as_unit("us")
    prices = {"open": [99.0, 100.5, 102.0], "high": [101.0, 103.0, 103.0], "low": [98.0, 100.0, 101.0]}
    bars = pd.DataFrame({"open_time": opens, **prices, "close": [100.0, 102.0, 101.5], "volume": 5.0})
    store = MemoryMarketStore()
    store.write_bars("1h", to_bars(BTC, "1h", bars), now=NOW)
    return store


def traded_ledger() -> MemoryLedger:
    """One buy of 2, decided at 100, sent 90 s later, half of it filled at 101."""
    ledger = MemoryLedger()
    opened = Account(account="a", venue="T", currency="USDT", opened_at=NOW)
    ledger.open_account(opened, {"USDT": D(1000)}, stamp=at(0))
    epoch = ledger.acquire("a", "test", ttl_seconds=10**6, now=NOW)
    rules = {
        "price_step": "0.01",
        "lot_step": "0.01",
        "min_notional": "0",
        "venue": "T",
        "base": "BTC",
        "quote": "USDT",
    }
    record = {"timeframe": "1h", "prices": {BTC: "100"}, "instruments": {BTC: rules}}
    ledger.record_decision(replace(decision(), record=record), [intent()], epoch=epoch or 0)
    sent = ledger.begin_submit("i0l0", epoch=epoch or 0, window_ms=1000, stamp=at(90))
    venue_order = VenueOrder(
        venue_order_id="7",
        client_order_id=sent.intent.client_order_id,
        instrument=BTC,
        side=Side.BUY,
        state=OrderState.EXPIRED,
        quantity=D(2),
        filled=D(1),
        limit_price=D("100.5"),
        placed_at=NOW,
    )
    ledger.record_state("i0l0", OrderState.EXPIRED, stamp=at(90), order=venue_order)
    ledger.record_fills("a", [replace(fill("101", "1", "0.101"), venue_order_id="7")], stamp=at(90))
    return ledger


def at(seconds: int) -> Stamp:
    return Stamp(market=NOW + timedelta(seconds=seconds), wall=NOW + timedelta(seconds=seconds))


def test_arrival_and_final_prices_come_from_the_stored_bars() -> None:
    ledger, bars = traded_ledger(), stored_bars()
    decisions = ledger.load_decisions("a")
    assert review_orders(decisions, ledger=ledger, bars=bars, now=NOW + timedelta(minutes=59)) == []
    (shortfall,) = review_orders(decisions, ledger=ledger, bars=bars, now=NOW + timedelta(hours=1))
    assert (shortfall.decision_price, shortfall.arrival_price, shortfall.final_price) == (D(100), D("100.5"), D(102))
    assert (shortfall.delay, shortfall.execution, shortfall.fees, shortfall.opportunity) == (
        D("0.5"),
        D("0.5"),
        D("0.101"),
        D(2),
    )
    page = review_page([], [shortfall])
    assert "| all | 1 | 200.00 | 0.50 | 0.50 | 0.10 | 2.00 | 3.10 | 155.05 |" in page


def test_without_bars_the_prices_are_not_known() -> None:
    ledger = traded_ledger()
    (shortfall,) = review_orders(
        ledger.load_decisions("a"), ledger=ledger, bars=MemoryMarketStore(), now=NOW + timedelta(hours=1)
    )
    assert (shortfall.arrival_price, shortfall.final_price, shortfall.opportunity, shortfall.execution) == (
        None,
        None,
        None,
        D(1),
    )


def test_a_decision_that_came_out_otherwise_is_told() -> None:
    other = {"same": False, "decision_id": "d1", "as_of": "t", "promise": "bit for bit", "differences": ["a feature"]}
    page = review_page([other, {"same": True}], [])
    assert "1 of 2 decisions came out the same" in page
    assert "**d1** at t: DIFFERENT (bit for bit)" in page
    assert "- a feature" in page
    (row,) = rerun_rows([other | {"features": 4, "intents": 1}])
    assert (row["decision"], row["came out"], row["differences"]) == ("d1", "DIFFERENT", "a feature")
