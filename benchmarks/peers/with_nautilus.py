"""nautilus_trader on one workload: `python with_nautilus.py ARRAYS P1|P2`; the first part of it, whose share is told.

It meets a market order at the price of the bar that its strategy has just been given, so fills are at closes: each
day's orders are sent at the last close of the day before.
"""

from __future__ import annotations

import sys
from decimal import Decimal

import nautilus_trader
import numpy as np
import pandas as pd
from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TraderId, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Currency, Money, Price, Quantity
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.trading.strategy import Strategy
from workloads import CASH, DAY, FEE, STAKE, crosses, daily_weights, load, tell, timed

DAYS_OF_P1, DAYS_OF_P2 = 60, 60
WHICH = sys.argv[2]
arrays = load("m1" if WHICH == "P1" else "h1")
rows = DAYS_OF_P1 * 1440 if WHICH == "P1" else DAYS_OF_P2 * DAY
columns = arrays["c"].shape[1]
SIM = Venue("SIM")
STEP = "1-MINUTE" if WHICH == "P1" else "1-HOUR"
weights = daily_weights(arrays["c"]) if WHICH == "P2" else np.empty((0, 0))
enter, leave = crosses(arrays["c"][:, 0])


def pair(number: int) -> CurrencyPair:
    base = Currency(f"C{number:02d}", 8, 0, f"C{number:02d}", Currency.from_str("BTC").currency_type)
    Currency.register(base)
    name = InstrumentId(Symbol(f"C{number:02d}USDT"), SIM)
    return CurrencyPair(
        instrument_id=name, raw_symbol=name.symbol, base_currency=base, quote_currency=USDT, price_precision=6,
        size_precision=8, price_increment=Price.from_str("0.000001"), size_increment=Quantity.from_str("0.00000001"),
        lot_size=None, max_quantity=None, min_quantity=None, max_notional=None, min_notional=None, max_price=None,
        min_price=None, margin_init=Decimal(0), margin_maint=Decimal(0), maker_fee=Decimal(str(FEE)),
        taker_fee=Decimal(str(FEE)), ts_event=0, ts_init=0,
    )  # fmt: skip


class Common(Strategy):
    """Bars of every instrument, and what is sent of them; ``act`` is called with each bar's column and row."""

    def __init__(self, pairs: list[CurrencyPair]) -> None:
        super().__init__()
        self.pairs = pairs
        self.at = {one.id: number for number, one in enumerate(pairs)}
        self.held = np.zeros(len(pairs))
        self.seen = self.sent = 0

    def on_start(self) -> None:
        for one in self.pairs:
            self.subscribe_bars(bar_type(one))

    def on_bar(self, bar: Bar) -> None:
        self.seen += 1
        self.act(self.at[bar.bar_type.instrument_id], (self.seen - 1) // len(self.pairs))

    def send(self, number: int, change: float) -> None:
        side = OrderSide.BUY if change > 0 else OrderSide.SELL
        quantity = self.pairs[number].make_qty(abs(change))
        if quantity <= 0:
            return
        self.submit_order(self.order_factory.market(self.pairs[number].id, side, quantity))
        self.held[number] += float(quantity) * (1 if change > 0 else -1)
        self.sent += 1


class Cross(Common):
    """P1."""

    def act(self, number: int, row: int) -> None:
        if enter[row]:
            self.send(0, STAKE / arrays["c"][row, 0])
        elif leave[row] and self.held[0] > 0:
            self.send(0, -self.held[0])


class Rebalance(Common):
    """P2: when all bars of a day's last hour are in, sells before buys."""

    def act(self, number: int, row: int) -> None:
        if number < len(self.pairs) - 1 or (row + 1) % DAY or (row + 1) // DAY >= DAYS_OF_P2 or row < 8 * DAY - 1:
            return
        close = arrays["c"][row]
        cash = self.portfolio.account(SIM).balance_total(USDT).as_double()
        change = weights[(row + 1) // DAY] * (cash + self.held @ close) / close - self.held
        for one in np.argsort(change):
            self.send(int(one), float(change[one]))


def bar_type(one: CurrencyPair) -> BarType:
    return BarType.from_str(f"{one.id}-{STEP}-LAST-EXTERNAL")


def bars(one: CurrencyPair, number: int) -> list[Bar]:
    names = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
    frame = pd.DataFrame(
        {name: arrays[key][:rows, number] for name, key in names.items()},
        index=pd.to_datetime(arrays["ts"][:rows], unit="ms", utc=True),
    )
    frame["volume"] = 1e9
    return BarDataWrangler(bar_type(one), one).process(frame)


engine = BacktestEngine(
    BacktestEngineConfig(trader_id=TraderId("BENCH-001"), logging=LoggingConfig(bypass_logging=True))
)
engine.add_venue(SIM, OmsType.NETTING, AccountType.CASH, [Money(CASH, USDT)], base_currency=None)
pairs = [pair(number) for number in range(columns)]
for number, one in enumerate(pairs):
    engine.add_instrument(one)
    engine.add_data(bars(one, number), sort=number == columns - 1)
strategy = (Cross if WHICH == "P1" else Rebalance)(pairs)
engine.add_strategy(strategy)
seconds = timed(engine.run)
cash = engine.portfolio.account(SIM).balance_total(USDT).as_double()
tell(
    name="nautilus_trader",
    version=nautilus_trader.__version__,
    engine_seconds=seconds,
    total_seconds=seconds,
    equity=cash + float(strategy.held @ arrays["c"][rows - 1]),
    orders=strategy.sent,
    filled=len(engine.cache.orders_closed()),
    share=rows / len(arrays["ts"]),
)
