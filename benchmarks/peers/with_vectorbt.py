"""vectorbt on one workload: `python with_vectorbt.py ARRAYS P1|P2`."""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd
import vectorbt as vbt
from vectorbt.portfolio import nb
from workloads import CASH, DAY, FAST, FEE, SLOW, STAKE, daily_weights, load, median, tell, timed

RUNS = 7
engine_seconds: list[float] = []


def watch(name: str) -> None:
    """Note how long each call of a compiled simulator takes."""
    inner = getattr(nb, name)

    def outer(*args: object, **kwargs: object) -> object:
        began = time.process_time()
        made = inner(*args, **kwargs)
        engine_seconds.append(time.process_time() - began)
        return made

    setattr(nb, name, outer)


def one_instrument() -> vbt.Portfolio:
    """P1: a cross at the close is filled at the next open."""
    close, opened = pd.Series(m1["c"][:, 0]), pd.Series(m1["o"][:, 0])
    short, long = vbt.MA.run(close, FAST), vbt.MA.run(close, SLOW)
    enter = short.ma_crossed_above(long).vbt.fshift(1).astype(bool)
    leave = short.ma_crossed_below(long).vbt.fshift(1).astype(bool)
    return vbt.Portfolio.from_signals(
        close, enter, leave, price=opened, size=STAKE, size_type="value", fees=FEE, init_cash=CASH, freq="1min"
    )


def many_instruments(weights: np.ndarray) -> vbt.Portfolio:
    """P2: rebalanced at the open of each day's first bar."""
    size = np.full_like(h1["c"], np.nan)
    size[::DAY] = weights
    return vbt.Portfolio.from_orders(
        pd.DataFrame(h1["c"]),
        size=size,
        size_type="targetpercent",
        price=h1["o"],
        val_price=h1["o"],
        fees=FEE,
        init_cash=CASH,
        cash_sharing=True,
        group_by=True,
        call_seq="auto",
        freq="1h",
    )


if sys.argv[2] == "P1":
    m1 = load("m1")
    watch("simulate_from_signals_nb")
    work = one_instrument
else:
    h1 = load("h1")
    watch("simulate_from_orders_nb")

    def work() -> vbt.Portfolio:
        return many_instruments(daily_weights(h1["c"]))


def whole() -> float:
    return float(np.asarray(work().final_value()).ravel()[0])


first = timed(whole)
engine_seconds.clear()
total = median(whole, RUNS)
made = work()
tell(
    name="vectorbt",
    version=vbt.__version__,
    runs=RUNS,
    first_seconds=first,
    total_seconds=total,
    engine_seconds=sorted(engine_seconds)[len(engine_seconds) // 2],
    equity=float(np.asarray(made.final_value()).ravel()[0]),
    orders=int(made.orders.count()) if sys.argv[2] == "P2" else int(made.entry_trades.count()),
    share=1.0,
)
