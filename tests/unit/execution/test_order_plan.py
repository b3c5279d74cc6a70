"""Targets to intents, and buys cut to the cash that is free."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.market import Instrument
from tidemill.domain.portfolio import Portfolio
from tidemill.domain.trading import LedgerOrder, OrderState, Side, TargetPosition, TimeInForce
from tidemill.execution import DecisionKey, allow_buys, cap_price, plan_orders

AS_OF = datetime(2021, 1, 1, 0, 1, 30, tzinfo=UTC)
KEY = DecisionKey(account="a", strategy="trend", as_of=AS_OF, attempt=0, expires_at=AS_OF + timedelta(hours=1))
BTC = Instrument(
    venue="T", base="BTC", quote="USD", price_step=Decimal("0.01"), lot_step=Decimal("0.001"), min_notional=Decimal(5)
)
ETH = replace(BTC, base="ETH", lot_step=Decimal("0.1"))
INSTRUMENTS = {BTC.id: BTC, ETH.id: ETH}
CAP = Decimal("0.02")


def holding(**assets: str) -> Portfolio:
    return Portfolio(account="a", currency="USD", assets={name: Decimal(text) for name, text in assets.items()})


def want(instrument: Instrument, quantity: str, price: str = "100") -> TargetPosition:
    return TargetPosition(instrument=instrument.id, quantity=Decimal(quantity), price=Decimal(price))


def plan(portfolio: Portfolio, *targets: TargetPosition):
    return plan_orders(targets, portfolio, instruments=INSTRUMENTS, key=KEY, price_cap_fraction=CAP)


def test_sells_come_before_buys_and_are_capped() -> None:
    made = plan(holding(USD="1000", ETH="3.05"), want(BTC, "1"), want(ETH, "0"))
    sell, buy = made.intents
    assert (sell.side, sell.quantity, sell.limit_price, sell.leg) == (Side.SELL, Decimal("3.0"), Decimal("98.00"), 0)
    assert (buy.side, buy.quantity, buy.limit_price, buy.leg) == (Side.BUY, Decimal("1.000"), Decimal("102.00"), 1)
    assert buy.time_in_force is TimeInForce.IOC
    assert buy.expires_at == KEY.expires_at


def test_dust_is_dropped_with_the_reason() -> None:
    made = plan(holding(USD="1000", ETH="0.05"), want(BTC, "0.04"), want(ETH, "0"))
    assert not made.intents
    assert ["minimum notional" in made.dropped[0].reason, "below one lot" in made.dropped[1].reason] == [True, True]


def test_the_same_decision_has_the_same_ids() -> None:
    once, again = (plan(holding(USD="1000"), want(BTC, "1")).intents[0] for _ in range(2))
    assert once == again
    assert len(once.client_order_id) == 18
    assert once.client_order_id.isalnum()
    other = plan_orders(
        (want(BTC, "1"),),
        holding(USD="1000"),
        instruments=INSTRUMENTS,
        key=replace(KEY, attempt=1),
        price_cap_fraction=CAP,
    )
    assert other.intents[0].intent_id != once.intent_id


@given(st.decimals(1, 10**5, places=2))
def test_a_cap_never_lies_beyond_its_fraction(price: Decimal) -> None:
    assert cap_price(Side.BUY, price, BTC, CAP) <= price * (1 + CAP)
    assert cap_price(Side.SELL, price, BTC, CAP) >= price * (1 - CAP)


quantities = st.lists(st.decimals("0.001", 50, places=3), min_size=1, max_size=5)


@given(quantities, st.decimals(0, 10**4, places=2), st.sampled_from([Decimal(0), Decimal("0.001")]))
def test_reduced_buys_fit_the_cash_and_are_never_raised(wanted: list[Decimal], cash: Decimal, fee: Decimal) -> None:
    made = [plan(holding(USD="1000000"), want(BTC, str(quantity))).intents for quantity in wanted]
    orders = [
        LedgerOrder(
            intent=replace(intents[0], intent_id=f"i{leg}"), state=OrderState.PLANNED, quantity=intents[0].quantity
        )
        for leg, intents in enumerate(made)
        if intents
    ]
    allowed = allow_buys(orders, cash, instruments=INSTRUMENTS, quote_fee_rate=fee)
    spent = sum(allowed[one.intent.intent_id] * (one.intent.limit_price or 0) * (1 + fee) for one in orders)
    assert spent <= cash
    for one in orders:
        assert 0 <= allowed[one.intent.intent_id] <= one.quantity
