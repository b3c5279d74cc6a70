"""Days of the kernels computed by hand, their signals, and their machine code on disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.dense_rules import BOUNDS, FREE, PAID, SIZING, SPOT, matrix

import tidemill.kernels
from tidemill.kernels import (
    CASH,
    NEAR_CASES,
    STAKE,
    VETOED,
    WEIGHT,
    Signals,
    State,
    inverse_volatility,
    make_market,
    make_steps,
    make_trail,
    open_state,
    run_forecasts,
    run_rebalance,
    run_targets,
    sma_cross,
)

# -- days computed by hand


def test_three_golden_days_of_the_whole_chain() -> None:
    """Lots of 0.1, cents, fee 0.1 % out of what is received, slippage 0.1 %, one tenth of the volume."""
    strength, volatility = matrix((1.0,), (1.0,), (-1.0,)), matrix((0.5,), (0.5,), (0.5,))
    market = make_market(
        price=matrix((100,), (110,), (105,)),
        volume=matrix((100,), (100,), (100,)),
        buy=matrix((101,), (109,), (106,)),
        sell=matrix((101,), (109,), (106,)),
        traded=matrix((100,), (100,), (15,)),
    )
    steps = make_steps(np.array([0.01]), np.array([0.1]), np.array([5.0]))
    state, trail = open_state(1000.0, 1), make_trail(3, 1)
    run_forecasts(
        Signals(strength, volatility, np.ones(3, dtype=bool)), market, steps, SPOT, SIZING, BOUNDS, state, trail
    )
    # 1: 0.4 of 1000 at 100 is 4.0 wanted, cut by the order limit to 2.5; 101 x 1.001 rounds up to 101.11
    # 2: 0.4 of 1021.95 at 110 is 3.7; 3.7 - 2.4975 held is 1.2 in lots at 109.11
    # 3: all of 3.6963 to go; a quarter of 1004.4045 at 105 is 2.3914, up to 1.4 kept: 2.2 to sell; 1.5 fill
    assert trail.sent[:, 0] == pytest.approx([2.5, 1.2, -2.2], abs=1e-12)
    assert trail.filled[:, 0] == pytest.approx([2.5, 1.2, -1.5], abs=1e-12)
    assert trail.price[:, 0] == pytest.approx([101.11, 109.11, 105.89], abs=1e-12)
    assert trail.fee[:, 0] == pytest.approx([0.0025 * 101.11, 0.0012 * 109.11, 0.158835], abs=1e-12)
    assert trail.state[:, 0].tolist() == [1, 1, 2]
    assert trail.cash == pytest.approx([747.225, 616.293, 616.293 + 158.835 - 0.158835], abs=1e-9)
    assert state.held[0] == pytest.approx(2.1963, abs=1e-12)
    assert trail.equity == pytest.approx([996.975, 1022.886, 1005.580665], abs=1e-9)
    assert trail.tally[:, VETOED].tolist() == [1, 0, 1]


def test_golden_rebalance_sells_first_and_pays_with_what_that_brings() -> None:
    weights = matrix((0.95, 0.0), (0.0, 0.95))
    trail = run_rebalance(
        weights, matrix((100, 50), (120, 50)), np.array([120.0, 60.0]), np.zeros((2, 3)), PAID, cash=1000.0
    )
    # 9.5 at 100 costs 950 + 0.95; worth 1140 + 49.05 = 1189.05; sold for 1140 - 1.14; 0.95 of it buys 22.59195 at 50
    assert trail.filled == pytest.approx(matrix((9.5, 0.0), (-9.5, 22.59195)))
    assert trail.cash == pytest.approx([49.05, 49.05 + 1138.86 - 1129.5975 * 1.001])
    assert trail.equity[-1] == pytest.approx(49.05 + 1138.86 - 1129.5975 * 1.001 + 22.59195 * 60)


def test_a_buy_is_cut_to_the_cash_in_leg_order() -> None:
    state, trail = open_state(100.0, 3), make_trail(1, 3)
    steps = make_steps(np.zeros(3), np.array([1.0, 1.0, 1.0]), np.zeros(3))
    price = matrix((10.0, 10.0, 10.0))
    run_targets(matrix((60.0, 60.0, 60.0)), STAKE, 0.0, make_market(price=price), steps, FREE, state, trail)
    assert trail.filled[0].tolist() == [6.0, 4.0, 0.0]
    assert trail.state[0].tolist() == [1, 1, 5]
    assert state.money[CASH] == 0.0


@pytest.mark.parametrize(
    ("open_price", "traded", "state"),
    [(103.0, 1e6, 3), (100.0, 0.5, 3), (np.nan, 1e6, 4), (100.0, 20.0, 2), (100.0, 1e6, 1)],
)
def test_what_becomes_of_an_order(open_price: float, traded: float, state: int) -> None:
    """Beyond the cap, without room, without a bar, with little room, and whole."""
    market = make_market(
        price=matrix((100.0,)), volume=matrix((1e6,)), buy=matrix((open_price,)), sell=matrix((open_price,)),
        traded=matrix((traded,)),
    )  # fmt: skip
    steps, trail = make_steps(np.array([0.01]), np.array([0.1]), np.array([5.0])), make_trail(1, 1)
    one = np.ones((1, 1))
    run_forecasts(Signals(one, one, np.array([True])), market, steps, SPOT, SIZING, BOUNDS, open_state(1e4, 1), trail)
    assert trail.state[0, 0] == state


def test_whole_lots_survive_binary_fractions() -> None:
    """0.3 / 0.1 is three lots: selling all of 0.3 leaves nothing."""
    state, trail = State(money=np.zeros(3), held=np.array([0.3])), make_trail(1, 1)
    steps = make_steps(np.array([0.1]), np.array([0.1]), np.zeros(1))
    run_targets(matrix((0.0,)), WEIGHT, 0.0, make_market(price=matrix((0.7,))), steps, FREE, state, trail)
    assert trail.filled[0, 0] == pytest.approx(-0.3)
    assert state.held[0] == 0.0


def test_a_tie_is_counted() -> None:
    """The buffer of exactly half what is held: exact keeps, and so does fast, and says that it was close."""
    market = make_market(price=matrix((100.0,)), volume=matrix((1e6,)), traded=matrix((1e6,)))
    state, trail = State(money=np.array([800.0, 0.0, 0.0]), held=np.array([2.0])), make_trail(1, 1)
    steps, sizing = make_steps(np.zeros(1), np.zeros(1), np.zeros(1)), SIZING._replace(buffer=0.5)
    one = np.ones((1, 1))
    run_forecasts(Signals(one, one * 0.5, np.array([True])), market, steps, FREE, sizing, BOUNDS, state, trail)
    assert trail.sent[0, 0] == 0.0
    assert trail.tally[0, NEAR_CASES] == 1


# -- signals


def test_a_cross_of_means_is_found_at_its_bar() -> None:
    random = np.random.default_rng(3)
    close = 100 + np.cumsum(random.normal(0, 1, 600))
    short, long = (np.convolve(close, np.ones(k) / k, "valid") for k in (5, 20))
    above = short[15:] > long
    wanted = np.zeros(600, dtype=int)
    wanted[20:] = np.diff(above.astype(int))
    assert np.array_equal(sma_cross(close, 5, 20), wanted)


def test_weights_are_inverse_to_the_volatility_known_before_the_row() -> None:
    random = np.random.default_rng(4)
    close = 100 * np.exp(np.cumsum(random.normal(0, [0.01, 0.02, 0.03], (80, 3)), axis=0))
    made = inverse_volatility(close, np.array([10, 60]), 24, 0.95)
    assert np.isnan(made[0]).all()
    inverse = 1 / np.diff(np.log(close), axis=0)[35:59].std(axis=0)
    assert made[1] == pytest.approx(0.95 * inverse / inverse.sum())
    later = close.copy()
    later[60:] *= 2
    assert np.array_equal(inverse_volatility(later, np.array([60]), 24, 0.95), made[1:])


# -- machine code on disk

SCRIPT = """
from small.order_fills import limit_price
print(limit_price(False, 1.26, 0.0, 0.1))
"""


def test_machine_code_of_an_edited_neighbour_is_not_used(tmp_path: Path) -> None:
    """numba itself looks at the date of a function's own file only."""
    package = tmp_path / "small"
    shutil.copytree(Path(tidemill.kernels.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for path in package.glob("*.py"):
        path.write_text(path.read_text().replace("tidemill.kernels", "small"))
    assert run_script(tmp_path) == pytest.approx(1.3)
    rounding = package / "rounding.py"
    rounding.write_text(rounding.read_text().replace("whole = np.ceil(units)", "whole = np.ceil(units) + 7"))
    assert run_script(tmp_path) == pytest.approx(2.0)


def run_script(folder: Path) -> float:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder / "cache"), "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True, cwd=folder
    )
    assert list((folder / "cache").rglob("*.nbi"))
    return float(done.stdout)
