"""What an account holds and is worth, for any holdings."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.portfolio import ZERO, Balance, CashEvent, Portfolio, drawdown

amounts = st.decimals(-(10**6), 10**6, places=5)
prices = st.decimals("0.00001", 10**6, places=5)
holdings = st.dictionaries(st.sampled_from(["BTC", "ETH", "SOL", "USDT"]), amounts, max_size=4)


def holding(assets: dict[str, Decimal], **reserved: Decimal) -> Portfolio:
    return Portfolio(account="main", currency="USDT", assets=assets, reserved=reserved)


@given(amounts, amounts)
def test_a_balance_is_what_is_free_and_what_is_locked(free: Decimal, locked: Decimal) -> None:
    assert Balance(asset="BTC", free=free, locked=locked).total - locked == free
    assert Balance(asset="BTC", free=free).total == free


@given(holdings, prices)
def test_cash_counts_as_it_is_whatever_price_it_is_given(assets: dict[str, Decimal], price: Decimal) -> None:
    cash = assets.get("USDT", ZERO)
    assert holding(assets).equity({"USDT": price}) == cash


@given(holdings, st.dictionaries(st.sampled_from(["BTC", "ETH", "SOL"]), prices, max_size=3))
def test_equity_is_the_sum_of_its_parts_to_the_last_digit(
    assets: dict[str, Decimal], marks: dict[str, Decimal]
) -> None:
    parts = [holding({asset: quantity}).equity(marks) for asset, quantity in assets.items()]
    assert holding(assets).equity(marks) == sum(parts, ZERO)


@given(holdings)
def test_what_has_no_price_counts_nothing(assets: dict[str, Decimal]) -> None:
    assert holding(assets).equity({}) == assets.get("USDT", ZERO)


@given(amounts, amounts)
def test_what_backs_open_orders_is_held_but_not_free(quantity: Decimal, reserved: Decimal) -> None:
    portfolio = holding({"BTC": quantity}, BTC=reserved)
    assert portfolio.quantity("BTC") == quantity
    assert portfolio.free("BTC") + reserved == quantity
    assert portfolio.free("ETH") == portfolio.quantity("ETH") == 0


@given(amounts, amounts)
def test_a_drawdown_is_never_below_nothing_and_nothing_at_the_peak(equity: Decimal, peak: Decimal) -> None:
    fall = drawdown(equity, peak)
    assert fall >= 0
    assert drawdown(peak, peak) == 0
    if equity >= peak or peak <= 0:
        assert fall == 0


@given(st.decimals(1, 10**6, places=2), st.integers(0, 100))
def test_a_drawdown_is_the_share_of_the_peak_that_was_lost(peak: Decimal, percent: int) -> None:
    lost = Decimal(percent) / 100
    assert drawdown(peak * (1 - lost), peak) == pytest.approx(lost, abs=Decimal("1e-20"))


@given(prices, amounts, amounts)
def test_of_two_values_below_one_peak_the_lower_has_fallen_further(peak: Decimal, a: Decimal, b: Decimal) -> None:
    low, high = sorted((a, b))
    assert drawdown(low, peak) >= drawdown(high, peak)


def test_an_account_that_owes_money_has_lost_more_than_everything() -> None:
    assert drawdown(Decimal(-50), Decimal(100)) == Decimal("1.5")


def test_a_change_of_balance_is_a_value() -> None:
    values = {"event_id": "e1", "account": "main", "asset": "USDT", "because": "opened"}
    opening = CashEvent(amount=Decimal("100.10"), kind="opening", **values)
    assert opening == CashEvent(amount=Decimal("100.1"), kind="opening", **values)
    assert opening != CashEvent(amount=Decimal("100.1"), kind="deposit", **values)
