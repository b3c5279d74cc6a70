"""Forecasts and what is held become target positions.

Volatility targeting: an instrument's notional is

    equity x strength x min(cap, target_volatility / its volatility x share)

where ``share`` = min(sqrt(n), 2) / n spreads the target over n instruments and credits diversification
up to a factor of two (R. Carver, Systematic Trading, ch. 9-11, with a fixed cautious multiplier). The
fraction is rounded to a millionth; from there on all is Decimal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tidemill.domain.market import Instrument, floor_to_step, to_step
from tidemill.domain.portfolio import Portfolio
from tidemill.domain.trading import Dropped, Forecast, TargetPosition

# the fast backtest computes the same formula in float64 and is handed these
FRACTION_DIGITS = 6
FRACTION_STEP = Decimal(1).scaleb(-FRACTION_DIGITS)
LARGEST_DIVERSIFICATION = 2.0
SMALLEST_VOLATILITY = 0.01
UNKNOWN_VOLATILITY = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingPolicy:
    """How much to hold: a volatility target, a cap and a band in which nothing is traded.

    ``volatility_target_annual`` is the standard deviation of the account's yearly return that is aimed at,
    ``max_instrument_fraction`` the largest share of equity in one instrument, ``buffer_fraction`` the change, as a
    share of the larger of target and holding, up to which the held position stays.
    """

    volatility_target_annual: float
    max_instrument_fraction: float
    buffer_fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """Targets, and the instruments whose held position stays with the reason.

    ``unchanged`` holds the change that the buffer kept from being traded.
    """

    targets: tuple[TargetPosition, ...]
    unchanged: tuple[Dropped, ...]


def size_positions(
    forecasts: Sequence[Forecast],
    portfolio: Portfolio,
    *,
    instruments: Mapping[str, Instrument],
    prices: Mapping[str, Decimal],
    equity: Decimal,
    policy: SizingPolicy,
) -> Sizing:
    """Size every forecast on spot: a negative one becomes 0, inside the buffer the held position stays.

    ``prices`` are decided closes in quote units by instrument; ``equity`` in account currency.
    """
    targets: list[TargetPosition] = []
    unchanged: list[Dropped] = []
    for forecast in forecasts:
        instrument = instruments[forecast.instrument]
        price = prices[forecast.instrument]
        quantity = _target_quantity(forecast, instrument, price, equity, len(forecasts), policy)
        held = portfolio.quantity(instrument.base)
        if _inside_buffer(quantity, held, policy):
            reason = f"inside the buffer: {held:f} held, {quantity:f} wanted"
            unchanged.append(Dropped(instrument=forecast.instrument, quantity=quantity - held, reason=reason))
            continue
        reason = "spot cannot be short: a negative forecast becomes 0" if forecast.strength < 0 else ""
        targets.append(TargetPosition(instrument=forecast.instrument, quantity=quantity, price=price, reason=reason))
    return Sizing(targets=tuple(targets), unchanged=tuple(unchanged))


def hold_targets(
    quantities: Mapping[str, Decimal], *, instruments: Mapping[str, Instrument], prices: Mapping[str, Decimal]
) -> Sizing:
    """Targets that a strategy gave, in base units: whole lots toward zero; a negative one becomes 0 on spot.

    There is no buffer: who names a quantity means it.
    """
    targets = []
    for name, quantity in quantities.items():
        lots = floor_to_step(max(quantity, Decimal(0)), instruments[name].lot_step)
        reason = "spot cannot be short: a negative target becomes 0" if quantity < 0 else ""
        targets.append(TargetPosition(instrument=name, quantity=lots, price=prices[name], reason=reason))
    return Sizing(targets=tuple(targets), unchanged=())


def _target_quantity(
    forecast: Forecast, instrument: Instrument, price: Decimal, equity: Decimal, count: int, policy: SizingPolicy
) -> Decimal:
    share = min(math.sqrt(count), LARGEST_DIVERSIFICATION) / count
    volatility = max(forecast.volatility_annual or UNKNOWN_VOLATILITY, SMALLEST_VOLATILITY)
    full = min(policy.max_instrument_fraction, policy.volatility_target_annual / volatility * share)
    fraction = to_step(round(max(forecast.strength, 0.0) * full, FRACTION_DIGITS), FRACTION_STEP)
    return floor_to_step(max(equity, Decimal(0)) * fraction / price, instrument.lot_step)


def _inside_buffer(quantity: Decimal, held: Decimal, policy: SizingPolicy) -> bool:
    band = to_step(round(policy.buffer_fraction, FRACTION_DIGITS), FRACTION_STEP) * max(abs(quantity), abs(held))
    return abs(quantity - held) <= band
