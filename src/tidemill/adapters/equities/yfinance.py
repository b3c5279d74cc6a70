"""Bars, splits and dividends of shares from Yahoo, through yfinance (extra ``equities``).

Unofficial, and it changes without notice: what it answers is checked as everything else is. Yahoo adjusts its
prices, volumes and dividends by every split that came later; here they are made raw again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from tidemill.adapters.equities import _shared as equities
from tidemill.adapters.pacing import BlockingBudget, retry_after
from tidemill.domain.errors import ConfigurationError, DataError, TidemillError, TransientError
from tidemill.domain.market import Instrument
from tidemill.domain.market_events import MarketEventKind
from tidemill.domain.series import SeriesError, SeriesState
from tidemill.ports import Clock
from tidemill.ports.frames import OHLCV, PRICE_COLUMNS
from tidemill.quality import raw_factors

INTERVALS = {"1m": "1m", "5m": "5m", "15m": "15m", "30m": "30m", "1h": "60m", "1d": "1d"}
# one session and one crumb serve the whole process: yfinance keeps them in a singleton
ONE_AT_A_TIME = threading.Lock()
TOO_MANY, PAUSE_SECONDS = 429, 60.0
CHART = "/finance/chart/"
ACTIONS = {"Stock Splits": "split", "Dividends": "dividend"}


class YfinanceBars:
    """The market source and the record source (adjustments) of shares; ``base_url`` sends all requests there."""

    def __init__(
        self,
        instruments: Sequence[str],
        *,
        market_clock: Clock,
        base_url: str = "",
        cache: Path | None = None,
        on_payload: equities.OnPayload | None = None,
        timeout_seconds: float = 10.0,
        budget: BlockingBudget | None = None,
    ) -> None:
        try:
            import yfinance
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                "yfinance is not installed; it comes with the extra: pip install 'tidemill[equities]'"
            ) from error
        logging.getLogger("yfinance").setLevel(logging.CRITICAL)
        if cache is not None:
            cache.mkdir(parents=True, exist_ok=True)
            yfinance.set_tz_cache_location(str(cache))
        self._instruments = tuple(instruments)
        self._clock = market_clock
        self._timeout = timeout_seconds
        self._session = _session(base_url, on_payload, budget)

    @property
    def kinds(self) -> Sequence[MarketEventKind]:
        """Splits and dividends."""
        return (MarketEventKind.ADJUSTMENTS,)

    def fetch_instruments(self) -> Sequence[Instrument]:
        """The instruments of the settings; Yahoo has no list."""
        return equities.shares(self._instruments)

    def fetch_bars(self, instrument: str, timeframe: str, start: datetime, end: datetime) -> pd.DataFrame:
        """BARS with ``start`` <= open_time < ``end`` that have closed, ascending: raw prices and volumes."""
        if timeframe not in INTERVALS:
            raise SeriesError(f"Yahoo has no bars of {timeframe}", state=SeriesState.NO_TIMEFRAME)
        now = self._clock.now()
        history = self._history(instrument, INTERVALS[timeframe], start)
        if not len(history):
            return equities.to_share_bars(instrument, timeframe, _named(history), start=start, end=end, now=now)
        rows = _dated(history) if timeframe == "1d" else history.tz_convert("UTC")
        splits = rows["Stock Splits"][rows["Stock Splits"] != 0]
        factors = raw_factors(pd.DatetimeIndex(rows.index), splits)
        raw = _named(rows)
        for name in PRICE_COLUMNS:
            raw[name] = raw[name] * factors
        raw["volume"] = raw["volume"] / factors
        return equities.to_share_bars(instrument, timeframe, raw, start=start, end=end, now=now)

    def fetch_market_events(
        self, kind: MarketEventKind, instrument: str, start: datetime, end: datetime
    ) -> pd.DataFrame:
        """RECORDS of ``kind``, ascending: splits and dividends, the latter as paid on a share of that day."""
        if kind not in self.kinds:
            raise DataError(f"Yahoo has no {kind} that could be fetched")
        rows = _dated(self._history(instrument, "1d", start))
        splits = rows["Stock Splits"][rows["Stock Splits"] != 0]
        factors = raw_factors(pd.DatetimeIndex(rows.index), splits)
        actions = [
            (moment, name, float(value) * (factor if name == "dividend" else 1.0))
            for column, name in ACTIONS.items()
            for moment, value, factor in zip(rows.index, rows[column], factors, strict=True)
            if value
        ]
        adjustments = equities.to_adjustments(instrument, actions, now=self._clock.now())
        return equities.within(adjustments, start, end)

    def _history(self, instrument: str, interval: str, start: datetime) -> pd.DataFrame:
        """Yahoo's rows from ``start`` to now: only so every later split is among them."""
        import yfinance

        symbol = equities.need_share(self._instruments, instrument, "yfinance")
        with ONE_AT_A_TIME:
            self._session.refusal = None
            try:
                history: Any = yfinance.Ticker(symbol, session=self._session).history(
                    start=start - timedelta(days=1),
                    interval=interval,
                    auto_adjust=False,
                    actions=True,
                    timeout=self._timeout,
                    raise_errors=True,
                )
            except Exception as error:  # its own transport's errors have no common root that could be named here
                raise self._session.refusal or _judge(symbol, error) from error
            if self._session.refusal is not None:
                # yfinance passes over some of what its requests raise
                raise self._session.refusal
        return pd.DataFrame(history)

    def close(self) -> None:
        """Close the session."""
        self._session.close()


def _judge(symbol: str, error: Exception) -> TidemillError:
    """What an error of yfinance means."""
    from yfinance import exceptions

    if isinstance(error, exceptions.YFRateLimitError):
        return TransientError("Yahoo asks for fewer requests; come back later")
    if isinstance(error, exceptions.YFTzMissingError | exceptions.YFPricesMissingError):
        return SeriesError(f"Yahoo has no {symbol}: {error}", state=SeriesState.UNKNOWN_SYMBOL)
    reason = f"{type(error).__name__} {str(error)[:160]}"
    if isinstance(error, KeyError | IndexError | TypeError | ValueError | AttributeError):
        return SeriesError(f"Yahoo answered in a shape that is not known ({reason})", state=SeriesState.CHANGED_SHAPE)
    return TransientError(f"Yahoo does not answer: {reason}")


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    names = {name.capitalize(): name for name in OHLCV}
    return rows.reindex(columns=list(names)).rename(columns=names).astype("float64")


def _dated(rows: pd.DataFrame) -> pd.DataFrame:
    """Daily rows by their session's date at midnight UTC; Yahoo tells the exchange's midnight."""
    if not len(rows):
        columns = ["Open", "High", "Low", "Close", "Volume", *ACTIONS]
        return pd.DataFrame({name: [] for name in columns}, index=pd.DatetimeIndex([], tz="UTC"))
    dates = pd.DatetimeIndex(rows.index).tz_localize(None).normalize().tz_localize("UTC")
    return rows.set_axis(dates)


def _session(base_url: str, on_payload: equities.OnPayload | None, budget: BlockingBudget | None) -> Any:
    """A session as yfinance wants it, that hands on what charts it is told; with ``base_url`` all requests go there.

    Each request is spent from the budget first; that it refused one is kept as ``refusal``.
    """
    from curl_cffi import requests

    base: type[Any] = requests.Session

    class Chosen(base):  # type: ignore[misc]
        refusal: TransientError | None = None

        def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
            self.spend()
            parts = urlsplit(url)
            query = f"?{parts.query}" if parts.query else ""
            target = f"{base_url}{parts.path}{query}" if base_url else url
            answer = super().request(method, target, *args, **options)
            if budget is not None and answer.status_code == TOO_MANY:
                budget.pause(retry_after(answer.headers) or PAUSE_SECONDS)
            if on_payload is not None and CHART in parts.path and answer.ok:
                on_payload(f"yahoo {parts.path.rpartition('/')[2]}", answer.content)
            return answer

        def spend(self) -> None:
            try:
                if budget is not None:
                    budget.spend()
            except TransientError as error:
                self.refusal = error
                raise

    return Chosen() if base_url else Chosen(impersonate="chrome")
