"""What the kernels take and give: tuples of numbers and dense arrays, rows = decisions, columns = instruments.

Columns are in the order of legs: what a decision sells or buys first stands first. Money is in quote units,
quantities in base units, times are rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

NONE, FILLED, PARTLY_FILLED, EXPIRED, REJECTED, NOT_PLACED = range(6)
STATE_NAMES = ("", "filled", "partly_filled", "expired", "rejected", "not_placed")


class Costs(NamedTuple):
    """Fractions: of price (``slippage``, ``price_cap``), of volume (``participation``), of what is traded (rates).

    ``price_cap`` and ``participation`` may be infinite: market orders, and no end of liquidity.
    ``cash_rate`` is set aside on top of a buy's price, ``lock_rate`` must be there when it is placed (both
    0 where the fee is taken from what is received). ``fee_step`` 0: fees are not rounded.
    """

    slippage: float
    price_cap: float
    participation: float
    fee_rate: float
    cash_rate: float
    lock_rate: float
    fee_in_quote: bool
    fee_step: float


class Sizing(NamedTuple):
    """Volatility target per year, most of equity in one instrument, the no-trade band, and constants of the formula.

    The constants are those of the stage `sizing`, which has them once and hands them in: ``unknown_volatility`` stands
    in for a volatility of 0, ``smallest_volatility`` bounds it from below, ``largest_diversification`` the credit for
    many instruments from above; a fraction of equity is a whole number of 1 / ``fraction_parts``.
    """

    volatility_target: float
    max_fraction: float
    buffer: float
    unknown_volatility: float
    smallest_volatility: float
    largest_diversification: float
    fraction_parts: float


class Bounds(NamedTuple):
    """Limits as fractions: of equity, or (``max_volume``) of the decided bar's volume; infinite: no limit."""

    max_gross: float
    max_position: float
    max_order: float
    max_volume: float
    max_drawdown: float


class Signals(NamedTuple):
    """What is forecast: ``strength`` in [-1, +1] and ``volatility`` per year, float64 (R, S), NaN = no forecast.

    ``decides`` bool (R,) is False where the decision is refused.
    """

    strength: np.ndarray
    volatility: np.ndarray
    decides: np.ndarray


# columns of the arrays that the loops share: few arrays, because handing one on costs more than arithmetic
PRICE, VOLUME, BUY, SELL, TRADED, MARK = range(6)
PRICE_STEP, LOT, MIN_NOTIONAL = range(3)
SENT, DONE, AT, FEE, STATE = range(5)
CASH, PEAK, FEES = range(3)
EQUITY_AFTER, CASH_AFTER = range(2)
FORECASTS, VETOED, DROPPED, NEAR_CASES = range(4)


def make_market(
    *,
    price: np.ndarray,
    volume: np.ndarray | None = None,
    buy: np.ndarray | None = None,
    sell: np.ndarray | None = None,
    traded: np.ndarray | None = None,
    mark: np.ndarray | None = None,
) -> np.ndarray:
    """What decisions see and meet: float64 (R, S, 6) from matrices (R, S).

    ``price`` and ``volume`` are the last known bar's (0 where none is known). ``buy`` and ``sell`` are the
    prices that an order of that side meets before slippage, NaN where the instrument does not trade, and
    ``traded`` is the volume of that bar. Equity is marked at ``mark`` after the row. What is left out is
    ``price``, or an endless volume.
    """
    endless = np.full(price.shape, np.inf) if volume is None or traded is None else price
    parts = (
        price,
        endless if volume is None else volume,
        price if buy is None else buy,
        price if sell is None else sell,
        endless if traded is None else traded,
        price if mark is None else mark,
    )
    return np.stack(parts, axis=-1).astype(np.float64, copy=False)


def make_steps(price: np.ndarray, lot: np.ndarray, min_notional: np.ndarray) -> np.ndarray:
    """Trading rules by instrument: float64 (S, 3); a step of 0 switches its rounding off."""
    return np.stack((price, lot, min_notional), axis=-1).astype(np.float64, copy=False)


class Account(NamedTuple):
    """The arrays of a :class:`State`.

    Compiled code takes tuples of arrays, not Python classes; the arrays are shared, not copied.
    """

    money: np.ndarray
    held: np.ndarray


class Rows(NamedTuple):
    """The arrays of a :class:`Trail`.

    Compiled code takes tuples of arrays, not Python classes; the arrays are shared, not copied.
    """

    orders: np.ndarray
    curve: np.ndarray
    tally: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class State:
    """An account between two rows: ``money`` float64 (3,) cash, peak equity, fees so far; ``held`` (S,)."""

    money: np.ndarray
    held: np.ndarray

    @property
    def arrays(self) -> Account:
        """The same arrays, as compiled code takes them."""
        return Account(self.money, self.held)

    def copy(self) -> State:
        """An account that may be moved on without touching this one.

        Both arrays are copied. A run moves its state on, so a state that is to be used again has to be copied first.
        """
        return State(money=self.money.copy(), held=self.held.copy())


def open_state(cash: float, columns: int) -> State:
    """An account that holds ``cash`` and nothing else.

    ``columns`` instruments, none of them held. The peak starts at 0 and is set by the first row.
    """
    return State(money=np.array([cash, 0.0, 0.0]), held=np.zeros(columns))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trail:
    """All that happened: ``orders`` (R, S, 5), ``curve`` (R, 2), ``tally`` int64 (R, 4).

    The tally has forecasts, vetoes, dropped wishes and near cases of each row.
    """

    orders: np.ndarray
    curve: np.ndarray
    tally: np.ndarray

    @property
    def rows(self) -> Rows:
        """The same arrays, as compiled code takes them."""
        return Rows(self.orders, self.curve, self.tally)

    @property
    def sent(self) -> np.ndarray:
        """Signed quantity sent, 0 for no order; a buy that the cash cut to nothing is 0 as well (R, S).

        In base units, buys above 0. The array is a view: it changes as the run goes on.
        """
        return self.orders[:, :, SENT]

    @property
    def filled(self) -> np.ndarray:
        """Signed quantity filled (R, S).

        In base units, buys above 0; at most ``sent`` in size.
        """
        return self.orders[:, :, DONE]

    @property
    def price(self) -> np.ndarray:
        """Price of the fill, 0 without one (R, S)."""
        return self.orders[:, :, AT]

    @property
    def fee(self) -> np.ndarray:
        """Fee of the fill in quote units (R, S)."""
        return self.orders[:, :, FEE]

    @property
    def state(self) -> np.ndarray:
        """What became of the order, see STATE_NAMES (R, S)."""
        return self.orders[:, :, STATE].astype(np.int64)

    @property
    def equity(self) -> np.ndarray:
        """Equity after each row (R,)."""
        return self.curve[:, EQUITY_AFTER]

    @property
    def cash(self) -> np.ndarray:
        """Cash after each row (R,)."""
        return self.curve[:, CASH_AFTER]


def make_trail(rows: int, columns: int) -> Trail:
    """An empty trail; one of a single row keeps the last row only, and tallies all."""
    return Trail(
        orders=np.zeros((rows, columns, 5)), curve=np.zeros((rows, 2)), tally=np.zeros((rows, 4), dtype=np.int64)
    )
