"""History through the same stage functions, the same execution and the same matching as live: the exact speed."""

from tidemill.backtest.input_counts import count_bars
from tidemill.backtest.run import run_backtest
from tidemill.backtest.values import BacktestPlan, BacktestResult, fees_in_currency

__all__ = ["BacktestPlan", "BacktestResult", "count_bars", "fees_in_currency", "run_backtest"]
