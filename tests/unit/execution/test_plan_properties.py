"""Any wish becomes orders that can be paid for, delivered and sent, or is dropped with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.market import Instrument
from tidemill.domain.portfolio import ZERO, Portfolio
from tidemill.domain.trading import LedgerOrder, OrderState, Side, TargetPosition
from tidemill.execution import DecisionKey, OrderPlan, allow_buys, cap_price, plan_orders

AS_OF = datetime(2021, 1, 1, 0, 1, 30, tzinfo=UTC)
KEY = DecisionKey(account="a", strategy="trend", as_of=AS_OF, attempt=0, expires_at=AS_OF + timedelta(hours=1))
CAP = Decimal("0.02")


def instrument(base: str, lot: str, notional: str = "5") -> Instrument:
    return Instrument(
        venue="T",
        base=base,
        quote="USD",
        price_step=Decimal("0.01"),
        lot_step=Decimal(lot),
        min_notional=Decimal(notional),
    )


AAA, BBB, CCC = instrument("AAA", "0.001"), instrument("BBB", "0.1"), instrument("CCC", "1", "0")
INSTRUMENTS = {own.id: own for own in (AAA, BBB, CCC)}
sizes = st.decimals(0, 100, places=4)
marks = st.decimals("0.5", 1000, places=2)


@st.composite
def portfolios(draw: st.DrawFn) -> Portfolio:
    """Cash and holdings, some of them tied up in open orders."""
    assets = {name: draw(sizes) for name in ("AAA", "BBB", "CCC")}
    reserved = {name: min(draw(sizes), held) for name, held in assets.items() if draw(st.booleans())}
    cash = draw(st.decimals(-100, 20_000, places=2))
    return Portfolio(account="a", currency="USD", assets={**assets, "USD": cash}, reserved=reserved)


@st.composite
def wishes(draw: st.DrawFn) -> list[TargetPosition]:
    """At most one target an instrument, in any order."""
    names = draw(st.permutations(sorted(INSTRUMENTS)))[: draw(st.integers(1, 3))]
    return [TargetPosition(instrument=name, quantity=draw(sizes), price=draw(marks)) for name in names]


def plan(targets: list[TargetPosition], portfolio: Portfolio) -> OrderPlan:
    return plan_orders(targets, portfolio, instruments=INSTRUMENTS, key=KEY, price_cap_fraction=CAP)


def held(portfolio: Portfolio, name: str) -> Decimal:
    return portfolio.quantity(INSTRUMENTS[name].base)


@given(wishes(), portfolios())
def test_no_order_goes_beyond_its_target(targets: list[TargetPosition], portfolio: Portfolio) -> None:
    quantities = {target.instrument: target.quantity for target in targets}
    for intent in plan(targets, portfolio).intents:
        change = quantities[intent.instrument] - held(portfolio, intent.instrument)
        assert intent.side is (Side.BUY if change > 0 else Side.SELL)
        assert 0 < intent.quantity <= abs(change)
        assert intent.quantity % INSTRUMENTS[intent.instrument].lot_step == 0


@given(wishes(), portfolios())
def test_no_more_is_sold_than_is_free(targets: list[TargetPosition], portfolio: Portfolio) -> None:
    for intent in plan(targets, portfolio).intents:
        if intent.side is Side.SELL:
            assert intent.quantity <= portfolio.free(INSTRUMENTS[intent.instrument].base)


def test_a_plan_that_sold_what_is_tied_up_would_be_caught() -> None:
    class Unaware(Portfolio):
        def free(self, asset: str) -> Decimal:
            return self.quantity(asset)

    target = [TargetPosition(instrument=AAA.id, quantity=ZERO, price=Decimal(100))]
    values = {"account": "a", "currency": "USD", "assets": {"AAA": Decimal(2)}, "reserved": {"AAA": Decimal("1.5")}}
    assert plan(target, Portfolio(**values)).intents[0].quantity == Decimal("0.5")
    assert plan(target, Unaware(**values)).intents[0].quantity == Decimal(2)


@given(wishes(), portfolios())
def test_every_sell_is_sent_before_the_first_buy(targets: list[TargetPosition], portfolio: Portfolio) -> None:
    intents = plan(targets, portfolio).intents
    sides = [intent.side for intent in intents]
    assert sides == sorted(sides, reverse=True)
    assert [intent.leg for intent in intents] == list(range(len(intents)))
    assert len({intent.client_order_id for intent in intents}) == len(intents)


@given(wishes(), portfolios())
def test_each_wish_is_sent_or_dropped_with_a_reason(targets: list[TargetPosition], portfolio: Portfolio) -> None:
    result = plan(targets, portfolio)
    names = [intent.instrument for intent in result.intents] + [drop.instrument for drop in result.dropped]
    assert sorted(names) == sorted(target.instrument for target in targets)
    assert all(drop.reason for drop in result.dropped)


@given(wishes(), portfolios())
def test_what_is_sent_is_worth_sending_at_its_limit_and_at_the_close(
    targets: list[TargetPosition], portfolio: Portfolio
) -> None:
    closes = {target.instrument: target.price for target in targets}
    for intent in plan(targets, portfolio).intents:
        own = INSTRUMENTS[intent.instrument]
        assert intent.limit_price is not None
        assert intent.quantity >= own.lot_step
        assert intent.quantity * min(intent.limit_price, closes[own.id]) >= own.min_notional


@given(wishes(), portfolios())
def test_a_plan_made_twice_is_the_same(targets: list[TargetPosition], portfolio: Portfolio) -> None:
    assert plan(targets, portfolio) == plan(targets, portfolio)


@given(portfolios(), marks)
def test_a_target_that_is_held_becomes_no_order(portfolio: Portfolio, price: Decimal) -> None:
    targets = [
        TargetPosition(instrument=name, quantity=held(portfolio, name), price=price) for name in sorted(INSTRUMENTS)
    ]
    assert not plan(targets, portfolio).intents


@given(marks, st.decimals(0, "0.5", places=4), st.sampled_from(sorted(INSTRUMENTS)))
def test_a_cap_is_on_the_step_and_on_the_side_that_fills(price: Decimal, fraction: Decimal, name: str) -> None:
    own = INSTRUMENTS[name]
    buy, sell = cap_price(Side.BUY, price, own, fraction), cap_price(Side.SELL, price, own, fraction)
    assert buy % own.price_step == sell % own.price_step == 0
    assert sell <= price <= buy
    assert buy - price <= price * fraction
    assert price - sell <= price * fraction


def bought(targets: list[TargetPosition], portfolio: Portfolio) -> list[LedgerOrder]:
    """The buys of a plan as the ledger holds them."""
    return [
        LedgerOrder(intent=intent, state=OrderState.PLANNED, quantity=intent.quantity)
        for intent in plan(targets, portfolio).intents
        if intent.side is Side.BUY
    ]


def cost(orders: list[LedgerOrder], allowed: Mapping[str, Decimal], fee: Decimal) -> Decimal:
    """What the allowed quantities cost at most, counted apart from the code under test."""
    return sum(
        (allowed[order.intent.intent_id] * (order.intent.limit_price or ZERO) * (1 + fee) for order in orders), ZERO
    )


fees = st.sampled_from([Decimal(0), Decimal("0.001"), Decimal("0.0075")])


@given(wishes(), portfolios(), st.decimals(-100, 20_000, places=2), fees)
def test_all_buys_together_cost_no_more_than_the_cash(
    targets: list[TargetPosition], portfolio: Portfolio, cash: Decimal, fee: Decimal
) -> None:
    orders = bought(targets, portfolio)
    allowed = allow_buys(orders, cash, instruments=INSTRUMENTS, quote_fee_rate=fee)
    assert set(allowed) == {order.intent.intent_id for order in orders}
    assert cost(orders, allowed, fee) <= max(cash, ZERO)
    for order in orders:
        own = INSTRUMENTS[order.intent.instrument]
        quantity = allowed[order.intent.intent_id]
        assert 0 <= quantity <= order.quantity
        assert quantity % own.lot_step == 0
        assert quantity == 0 or quantity * (order.intent.limit_price or ZERO) >= own.min_notional


def test_buys_that_forget_the_fee_would_be_caught() -> None:
    target = [TargetPosition(instrument=AAA.id, quantity=Decimal(10), price=Decimal(100))]
    orders = bought(target, Portfolio(account="a", currency="USD", assets={"USD": Decimal(1020)}))
    fee, cash = Decimal("0.001"), Decimal(1020)
    with_fee = allow_buys(orders, cash, instruments=INSTRUMENTS, quote_fee_rate=fee)
    forgotten = allow_buys(orders, cash, instruments=INSTRUMENTS, quote_fee_rate=ZERO)
    assert cost(orders, with_fee, fee) <= cash < cost(orders, forgotten, fee)


@given(wishes(), portfolios(), st.decimals(0, 10_000, places=2), st.decimals(0, 10_000, places=2))
def test_more_cash_never_buys_less_of_the_first(
    targets: list[TargetPosition], portfolio: Portfolio, cash: Decimal, more: Decimal
) -> None:
    orders = bought(targets, portfolio)[:1]
    few = allow_buys(orders, cash, instruments=INSTRUMENTS, quote_fee_rate=ZERO)
    many = allow_buys(orders, cash + more, instruments=INSTRUMENTS, quote_fee_rate=ZERO)
    assert all(few[name] <= many[name] for name in few)


@pytest.mark.parametrize("state", [state for state in OrderState if state is not OrderState.PLANNED])
def test_only_what_is_still_planned_is_reduced(state: OrderState) -> None:
    target = [TargetPosition(instrument=AAA.id, quantity=Decimal(1), price=Decimal(100))]
    order = bought(target, Portfolio(account="a", currency="USD", assets={}))[0]
    sent = replace(order, state=state)
    assert not allow_buys([sent], Decimal(10), instruments=INSTRUMENTS, quote_fee_rate=ZERO)
    assert allow_buys([sent, order], Decimal(50), instruments=INSTRUMENTS, quote_fee_rate=ZERO) == {
        order.intent.intent_id: Decimal("0.490")
    }
