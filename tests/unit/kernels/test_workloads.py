"""The two workloads with stated results, at both speeds, where the random walk that they belong to is at hand.

That is the folder of make_data.py and workloads.py, see locations.py; without it these tests skip.
"""

from __future__ import annotations

import runpy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.locations import need_bench

from benchmarks.exact import equity_and_orders, prepare_p1, prepare_p2, run
from tidemill.domain.market import Instrument, floor_to_step
from tidemill.domain.trading import OrderType, Side, TimeInForce
from tidemill.kernels import Costs, Trail, inverse_volatility, run_cross, run_rebalance, sma_cross
from tidemill.matching import Exchange, FillRules, SimOrder, Ticket
from tidemill.recording.tape import RecordedTape

COSTS = Costs(0.0, np.inf, np.inf, 0.001, 0.001, 0.001, fee_in_quote=True, fee_step=0.0)
RULES = FillRules(
    slippage=Decimal(0),
    participation=Decimal(1),
    decision_delay=timedelta(seconds=30),
    fee_maker=Decimal("0.001"),
    fee_taker=Decimal("0.001"),
    fee_asset="quote",
)
LOT = Decimal("1e-8")
CASH = 100_000.0


def bench(name: str) -> dict[str, Any]:
    return runpy.run_path(str(need_bench(name)))


@pytest.fixture(scope="module")
def m1() -> dict[str, np.ndarray]:
    return bench("make_data.py")["walk"](525_600, 1, 60_000, 0.6, 11)


@pytest.fixture(scope="module")
def h1() -> dict[str, np.ndarray]:
    return bench("make_data.py")["walk"](17_520, 50, 3_600_000, 0.6, 22)


@pytest.fixture(scope="module")
def cross(m1: dict[str, np.ndarray]) -> Trail:
    words = bench("workloads.py")
    crosses = sma_cross(np.ascontiguousarray(m1["c"][:, 0]), words["FAST"], words["SLOW"])
    return run_cross(
        crosses, m1["o"][:, 0], m1["c"][-1, 0], np.zeros((1, 3)), COSTS, stake=words["STAKE"], cash=words["CASH"]
    )


@pytest.fixture(scope="module")
def rebalance(h1: dict[str, np.ndarray]) -> Trail:
    weights = bench("workloads.py")["p2_weights"](h1)[8:]
    opens = h1["o"][np.arange(8, 730) * 24]
    return run_rebalance(weights, opens, h1["c"][-1], np.zeros((50, 3)), COSTS, cash=CASH)


def test_p1_gives_the_stated_equity_and_entries(cross: Trail) -> None:
    assert round(float(cross.equity[-1]), 2) == 92_734.36
    assert (cross.filled > 0).sum() == 3_666


def test_p1_is_the_sum_of_its_trades_to_a_billionth(m1: dict[str, np.ndarray], cross: Trail) -> None:
    """The same trades added up by numpy alone: what is bought for 1,000 is sold at the next cross below."""
    close = m1["c"][:, 0]
    short, long = (np.convolve(close, np.ones(k) / k, "valid") for k in (20, 100))
    sides = np.diff((short[80:] > long).astype(int))
    rows = np.flatnonzero(sides) + 100
    rows = rows[rows < len(close) - 1]
    if sides[rows[0] - 100] < 0:
        rows = rows[1:]
    price = m1["o"][rows + 1, 0]
    bought, sold = price[0::2], price[1::2]
    left = (1000 / bought[len(sold) :]).sum() * close[-1]
    paid = 1000 * 1.001 * len(bought)
    equity = CASH - paid + (1000 / bought[: len(sold)] * sold * 0.999).sum() + left
    assert float(cross.equity[-1]) == pytest.approx(equity, rel=1e-9)


def test_p2_gives_the_stated_equity_and_orders(rebalance: Trail) -> None:
    assert round(float(rebalance.equity[-1]), 2) == 97_873.93
    assert (rebalance.filled != 0).sum() == 36_100


def test_p2_is_the_plain_loop_to_a_billionth(h1: dict[str, np.ndarray], rebalance: Trail) -> None:
    """The same rebalances in a dozen lines of numpy: cash always reaches, so their order does not matter."""
    weights = bench("workloads.py")["p2_weights"](h1)
    cash, held = CASH, np.zeros(50)
    for day in range(8, 730):
        price = h1["o"][day * 24]
        wanted = weights[day] * (cash + held @ price) / price
        traded = (wanted - held) * price
        cash -= traded.sum() + 0.001 * np.abs(traded).sum()
        held = wanted
    assert float(rebalance.equity[-1]) == pytest.approx(cash + held @ h1["c"][-1], rel=1e-9)


def test_the_kernels_own_weights_are_the_workloads(h1: dict[str, np.ndarray]) -> None:
    own = inverse_volatility(h1["c"], np.arange(8, 730) * 24, 168, 0.95)
    assert own == pytest.approx(bench("workloads.py")["p2_weights"](h1)[8:], rel=1e-9)


# -- the same orders in Decimal, through the matching


def open_exchange(arrays: dict[str, np.ndarray], seconds: int, cash: Decimal) -> tuple[Exchange, list[str]]:
    """The arrays as a tape with endless volume; steps so fine that rounding is all they do."""
    times = pd.DatetimeIndex(arrays["ts"].astype("datetime64[ms]")).as_unit("us").tz_localize("UTC")
    instruments, tracks = {}, {}
    for s in range(arrays["o"].shape[1]):
        one = Instrument(venue="T", base=f"A{s:02d}", quote="USD", price_step=LOT, lot_step=LOT)
        names = {"open": "o", "high": "h", "low": "l", "close": "c"}
        frame = pd.DataFrame({"open_time": times, **{name: arrays[key][:, s] for name, key in names.items()}})
        instruments[one.id] = one
        tracks[one.id] = (LOT, seconds, frame.assign(volume=1e15))
    exchange = Exchange(instruments, RULES, RecordedTape(tracks), start=moment(arrays, 0))
    exchange.open_account("a", {"USD": cash})
    return exchange, list(instruments)


def moment(arrays: dict[str, np.ndarray], row: int) -> datetime:
    return datetime.fromtimestamp(int(arrays["ts"][row]) / 1000, tz=UTC)


def send(exchange: Exchange, name: str, quantity: Decimal, when: datetime) -> Decimal:
    """A market order of a signed quantity; what was filled, signed."""
    ticket = Ticket(
        client_order_id=f"o{exchange.order_count}",
        instrument=name,
        side=Side.BUY if quantity > 0 else Side.SELL,
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        quantity=abs(quantity),
    )
    made = exchange.place("a", ticket, market=when, wall=when)
    assert isinstance(made, SimOrder), made
    return made.filled if quantity > 0 else -made.filled


def dec(value: float) -> Decimal:
    return Decimal(repr(float(value)))


def test_p1_in_decimal_comes_to_the_same_within_its_rounding(m1: dict[str, np.ndarray], cross: Trail) -> None:
    exchange, (name,) = open_exchange(m1, 60, Decimal(100_000))
    crosses = sma_cross(np.ascontiguousarray(m1["c"][:, 0]), 20, 100)
    held, entries = Decimal(0), 0
    for row in np.flatnonzero(crosses[:-1] != 0):
        if crosses[row] > 0:
            wanted = floor_to_step(Decimal(1000) / dec(m1["o"][row + 1, 0]), LOT)
            held += send(exchange, name, wanted, moment(m1, row + 1))
            entries += 1
        elif held:
            held += send(exchange, name, -held, moment(m1, row + 1))
    cash = exchange.balances("a")["USD"].free
    equity = cash + held * dec(m1["c"][-1, 0])
    assert entries == 3_666
    assert float(equity) == pytest.approx(float(cross.equity[-1]), abs=0.01 * 4)
    assert abs(float(equity) - 92_734.36) < 0.05


def test_p2_in_decimal_comes_to_the_same_within_its_rounding(h1: dict[str, np.ndarray], rebalance: Trail) -> None:
    exchange, names = open_exchange(h1, 3600, Decimal(100_000))
    weights = bench("workloads.py")["p2_weights"](h1)
    held = dict.fromkeys(names, Decimal(0))
    orders = 0
    for day in range(8, 730):
        when, price = moment(h1, day * 24), [dec(one) for one in h1["o"][day * 24]]
        equity = exchange.balances("a")["USD"].free + sum(held[name] * price[s] for s, name in enumerate(names))
        wanted = [floor_to_step(dec(weights[day, s]) * equity / price[s], LOT) for s in range(50)]
        changes = {name: wanted[s] - held[name] for s, name in enumerate(names)}
        for name in sorted((name for name in names if changes[name]), key=lambda one: changes[one] > 0):
            held[name] += send(exchange, name, changes[name], when)
            orders += 1
    equity = exchange.balances("a")["USD"].free + sum(held[name] * dec(h1["c"][-1, s]) for s, name in enumerate(names))
    assert orders == 36_100
    assert float(equity) == pytest.approx(float(rebalance.equity[-1]), abs=0.05)
    assert abs(float(equity) - 97_873.93) < 0.05


# -- and through the whole exact backtest, as the bench measures it


def test_p1_through_the_exact_backtest_gives_the_stated_equity_and_entries(m1: dict[str, np.ndarray]) -> None:
    equity, _, entries = equity_and_orders(run(prepare_p1(m1)))
    assert (round(equity, 2), entries) == (92_734.36, 3_666)


def test_p2_through_the_exact_backtest_gives_the_stated_equity_and_orders(h1: dict[str, np.ndarray]) -> None:
    equity, orders, _ = equity_and_orders(run(prepare_p2(h1)))
    assert (round(equity, 2), orders) == (97_873.93, 36_100)
