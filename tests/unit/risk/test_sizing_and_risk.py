"""Forecasts to targets, targets through limits."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.market import Instrument
from tidemill.domain.portfolio import Portfolio
from tidemill.domain.trading import Forecast, TargetPosition
from tidemill.risk import Limits, apply_limits
from tidemill.sizing import SizingPolicy, size_positions

NOW = datetime(2021, 1, 1, tzinfo=UTC)
BTC = Instrument(
    venue="T", base="BTC", quote="USD", price_step=Decimal("0.01"), lot_step=Decimal("0.001"), min_notional=Decimal(5)
)
ETH = Instrument(venue="T", base="ETH", quote="USD", price_step=Decimal("0.01"), lot_step=Decimal("0.01"))
INSTRUMENTS = {BTC.id: BTC, ETH.id: ETH}
PRICES = {BTC.id: Decimal(100), ETH.id: Decimal(10)}
POLICY = SizingPolicy(volatility_target_annual=0.25, max_instrument_fraction=0.4, buffer_fraction=0.1)
LIMITS = Limits(
    max_gross_fraction=Decimal("0.95"),
    max_position_fraction=Decimal("0.4"),
    max_order_fraction=Decimal("0.25"),
    max_volume_fraction=Decimal("0.05"),
    max_drawdown=Decimal("0.2"),
)
PLENTY = {BTC.id: Decimal(10**9), ETH.id: Decimal(10**9)}


def portfolio(cash: str = "1000", peak: str = "0", **held: str) -> Portfolio:
    assets = {"USD": Decimal(cash)} | {asset: Decimal(quantity) for asset, quantity in held.items()}
    return Portfolio(account="a", currency="USD", assets=assets, peak_equity=Decimal(peak))


def forecast(strength: float, instrument: Instrument = BTC, volatility: float = 0.5) -> Forecast:
    return Forecast(
        instrument=instrument.id,
        strength=strength,
        horizon_seconds=3600,
        made_at=NOW,
        expires_at=NOW,
        volatility_annual=volatility,
    )


def size(holding: Portfolio, *forecasts: Forecast):
    equity = holding.equity({"BTC": PRICES[BTC.id], "ETH": PRICES[ETH.id]})
    return size_positions(forecasts, holding, instruments=INSTRUMENTS, prices=PRICES, equity=equity, policy=POLICY)


def limit(holding: Portfolio, *targets: TargetPosition, volumes=PLENTY, stopped=None):
    equity = holding.equity({"BTC": PRICES[BTC.id], "ETH": PRICES[ETH.id]})
    return apply_limits(
        targets,
        holding,
        instruments=INSTRUMENTS,
        prices=PRICES,
        volumes=volumes,
        equity=equity,
        limits=LIMITS,
        stopped=stopped,
    )


def target(quantity: str, instrument: Instrument = BTC) -> TargetPosition:
    return TargetPosition(instrument=instrument.id, quantity=Decimal(quantity), price=PRICES[instrument.id])


def test_a_full_forecast_at_half_volatility_gets_the_cap() -> None:
    # one instrument: share 1, target/volatility 0.5, capped at 0.4 of 1000 -> 400 / 100
    assert size(portfolio(), forecast(1.0)).targets[0].quantity == Decimal("4.000")


def test_volatility_scales_down() -> None:
    # 0.25 / 1.25 = 0.2 of 1000, half of it at strength 0.5
    assert size(portfolio(), forecast(0.5, volatility=1.25)).targets[0].quantity == Decimal("1.000")


def test_a_negative_forecast_becomes_zero_with_the_reason() -> None:
    made = size(portfolio(BTC="2"), forecast(-0.7))
    assert made.targets[0].quantity == 0
    assert "spot cannot be short" in made.targets[0].reason


def test_inside_the_buffer_the_position_stays() -> None:
    made = size(portfolio(cash="600", BTC="3.9"), forecast(1.0))
    assert not made.targets
    assert "inside the buffer" in made.unchanged[0].reason


@given(st.floats(-1, 1), st.floats(0.05, 3), st.decimals(1, 10**7, places=2))
def test_a_target_never_exceeds_its_cap(strength: float, volatility: float, cash: Decimal) -> None:
    made = size(portfolio(cash=str(cash)), forecast(strength, volatility=volatility))
    for one in made.targets:
        assert 0 <= one.quantity * 100 <= cash * Decimal("0.4")
        assert one.quantity % BTC.lot_step == 0


def test_an_order_is_cut_to_its_share_of_equity() -> None:
    done = limit(portfolio(), target("4"))
    assert done.targets[0].quantity == Decimal("2.500")
    assert [veto.limit for veto in done.vetoes] == ["order"]


def test_volume_binds_tighter_than_the_order_limit() -> None:
    done = limit(portfolio(), target("4"), volumes={BTC.id: Decimal(20)})
    assert done.targets[0].quantity == Decimal("1.000")
    assert {veto.limit for veto in done.vetoes} == {"order", "volume"}


def test_in_drawdown_positions_are_only_reduced() -> None:
    fallen = portfolio(cash="700", peak="1000", BTC="1")
    done = limit(fallen, target("2"), target("0", ETH))
    assert not done.targets
    assert done.vetoes[0].limit == "drawdown"
    assert limit(fallen, target("0.5")).targets[0].quantity == Decimal("0.5")


def test_gross_scales_all_raises() -> None:
    full = portfolio(cash="200", BTC="7")
    done = limit(full, target("8"), target("20", ETH))
    # room 0.95 * 900 - 700 = 155 for raises worth 300
    assert [(one.instrument, one.quantity) for one in done.targets] == [(ETH.id, Decimal("10.33"))]
    assert "gross" in {veto.limit for veto in done.vetoes}


def test_a_frozen_instrument_keeps_what_it_holds() -> None:
    done = limit(portfolio(BTC="1"), target("0"), stopped={BTC.id: "frozen: balance differs"})
    assert not done.targets
    assert done.vetoes[0].reason == "frozen: balance differs"


@given(
    wanted=st.decimals(0, 50, places=3),
    held=st.decimals(0, 50, places=3),
    volume=st.decimals(0, 1000, places=2),
    peak=st.decimals(0, 10**5, places=2),
)
def test_the_most_cautious_limit_wins(wanted: Decimal, held: Decimal, volume: Decimal, peak: Decimal) -> None:
    holding = portfolio(peak=str(peak), BTC=str(held))
    done = limit(holding, target(str(wanted)), volumes={BTC.id: volume})
    got = done.targets[0].quantity if done.targets else held
    assert min(held, wanted) <= got <= max(held, wanted)
    for veto in done.vetoes:
        assert abs(got - held) <= abs(veto.allowed - held)
    assert abs(got - held) <= Decimal("0.05") * volume


@pytest.mark.parametrize("name", ["max_drawdown", "max_gross_fraction"])
def test_the_version_tells_other_limits(name: str) -> None:
    from dataclasses import replace

    assert replace(LIMITS, **{name: Decimal("0.5")}).version != LIMITS.version
    assert replace(LIMITS).version == LIMITS.version
