"""Fills and cash of the ledger: one suite for it in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from support.ledger_steps import LONG, fill, opened, order, placed, venue_order
from support.ledger_story import BTC, NOW, STAMP, intent

from tidemill.domain.errors import LeaseLost
from tidemill.domain.portfolio import CashEvent
from tidemill.domain.trading import (
    OrderState,
)


@pytest.fixture
def ledger(backend: str, tmp_path, request) -> Iterator[object]:
    made = opened(backend, tmp_path, request)
    yield made
    made.close()


def test_fills_add_up_to_the_last_unit(ledger) -> None:
    epoch = placed(ledger)
    ledger.begin_submit("i0l0", epoch=epoch, window_ms=5000, stamp=STAMP)
    ledger.record_state("i0l0", OrderState.FILLED, stamp=STAMP, order=venue_order(OrderState.FILLED, "2"))
    assert ledger.record_fills("a", [fill("1", "1.5"), fill("2", "0.5", "100.000000001")], stamp=STAMP) == 2
    assert ledger.record_fills("a", [fill("2", "0.5", "100.000000001")], stamp=STAMP) == 0
    portfolio = ledger.load_portfolio("a")
    assert portfolio.assets == {"USDT": Decimal("799.9999999995"), "BTC": Decimal("1.996")}
    assert order(ledger).filled == 2
    assert ledger.last_trade_id("a", BTC) == "2"
    assert [one.trade_id for one in ledger.load_fills("a", intent_id="i0l0")] == ["1", "2"]


def test_a_fill_that_comes_before_its_order_is_tied_later(ledger) -> None:
    epoch = placed(ledger)
    ledger.begin_submit("i0l0", epoch=epoch, window_ms=5000, stamp=STAMP)
    ledger.record_fills("a", [fill()], stamp=STAMP)
    ledger.record_state("i0l0", OrderState.FILLED, stamp=STAMP, order=venue_order(OrderState.FILLED, "2"))
    assert order(ledger).filled == 2


def test_a_fill_belongs_to_the_order_of_its_own_instrument(ledger) -> None:
    """A venue may number the orders of each instrument for itself, as Binance does."""
    ether = "ETH-USDT.T"
    epoch = placed(ledger, intent(0, 0), replace(intent(0, 1), instrument=ether))
    for leg, instrument in enumerate((BTC, ether)):
        ledger.begin_submit(f"i0l{leg}", epoch=epoch, window_ms=5000, stamp=STAMP)
        answer = replace(venue_order(OrderState.OPEN), instrument=instrument, client_order_id=f"i0l{leg}")
        ledger.record_state(f"i0l{leg}", OrderState.OPEN, stamp=STAMP, order=answer)
    ledger.record_fills("a", [replace(fill("1", "0.5"), instrument=ether), fill("1", "2")], stamp=STAMP)
    assert [order(ledger, name).filled for name in ("i0l0", "i0l1")] == [Decimal(2), Decimal("0.5")]


def test_buys_are_reduced_once_and_never_raised(ledger) -> None:
    epoch = placed(ledger, intent(0, 0), intent(0, 1), intent(0, 2))
    allowed = {"i0l0": Decimal(1), "i0l1": Decimal(9), "i0l2": Decimal(0)}
    done = ledger.reduce_buys("d0", allowed, epoch=epoch, stamp=STAMP)
    assert [(one.quantity, one.state) for one in done] == [
        (Decimal(1), OrderState.PLANNED),
        (Decimal(2), OrderState.PLANNED),
        (Decimal(0), OrderState.NOT_PLACED),
    ]
    again = ledger.reduce_buys("d0", {"i0l0": Decimal("0.1"), "i0l1": Decimal(0)}, epoch=epoch, stamp=STAMP)
    assert [one.quantity for one in again] == [Decimal(1), Decimal(2), Decimal(0)]


def test_a_holder_whose_lease_is_gone_reduces_nothing(ledger) -> None:
    """Another run decides on the account now; it must not move under it."""
    old = placed(ledger)
    ledger.release("a", "me", old)
    new = ledger.acquire("a", "other", ttl_seconds=LONG, now=NOW)
    assert not ledger.is_held("a", old, now=NOW)
    before = ledger.load_portfolio("a").ledger_sequence
    with pytest.raises(LeaseLost):
        ledger.reduce_buys("d0", {"i0l0": Decimal(1)}, epoch=old, stamp=STAMP)
    assert ledger.load_portfolio("a").ledger_sequence == before
    # the control: who holds the account may
    assert ledger.is_held("a", new, now=NOW)
    assert [one.quantity for one in ledger.reduce_buys("d0", {"i0l0": Decimal(1)}, epoch=new, stamp=STAMP)] == [1]


def test_open_orders_tie_up_cash(ledger) -> None:
    epoch = placed(ledger)
    ledger.begin_submit("i0l0", epoch=epoch, window_ms=5000, stamp=STAMP)
    assert ledger.load_portfolio("a").free("USDT") == Decimal("799.0")
    ledger.record_state("i0l0", OrderState.EXPIRED, stamp=STAMP, order=venue_order(OrderState.EXPIRED))
    assert ledger.load_portfolio("a").free("USDT") == Decimal(1000)


def test_cash_events_count_once_and_raise_the_sequence(ledger) -> None:
    before = ledger.load_portfolio("a").ledger_sequence
    event = CashEvent(
        event_id="e1", account="a", asset="USDT", amount=Decimal("-0.1"), kind="withdrawal", because="rent"
    )
    assert ledger.record_cash_event(event, stamp=STAMP)
    assert not ledger.record_cash_event(event, stamp=STAMP)
    after = ledger.load_portfolio("a")
    assert after.assets["USDT"] == Decimal("999.9")
    assert after.ledger_sequence == before + 1
