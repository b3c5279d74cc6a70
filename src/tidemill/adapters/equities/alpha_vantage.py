"""Daily bars, splits and dividends of shares from Alpha Vantage, through its client (extra ``equities``).

Prices are as they were traded. The service tells a spent quota with status 200 and a sentence, which the client
turns into a ValueError; which it was is told apart here. The key is part of the address, so no error shows one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pandas as pd
import requests

from tidemill.adapters.equities import _shared as equities
from tidemill.adapters.pacing import BlockingBudget
from tidemill.domain.errors import ConfigurationError, DataError, TransientError
from tidemill.domain.market import Instrument
from tidemill.domain.market_events import MarketEventKind
from tidemill.domain.series import SeriesError, SeriesState
from tidemill.ports import Clock
from tidemill.ports.frames import OHLCV

HOST = "https://www.alphavantage.co"
COLUMNS = {"1. open": "open", "2. high": "high", "3. low": "low", "4. close": "close", "5. volume": "volume"}
QUOTA_SIGNS = ("rate limit", "requests per", "per day", "call frequency", "spreading out")
DAY_SECONDS, MINUTE_SECONDS = 86_400.0, 60.0


class AlphaVantageBars:
    """The market source and the record source (adjustments) of shares; ``base_url`` sends all requests there."""

    def __init__(
        self,
        key: str,
        instruments: Sequence[str],
        *,
        market_clock: Clock,
        base_url: str = "",
        timeout_seconds: float = 30.0,
        on_payload: equities.OnPayload | None = None,
        budget: BlockingBudget | None = None,
    ) -> None:
        try:
            from alpha_vantage.fundamentaldata import FundamentalData
            from alpha_vantage.timeseries import TimeSeries
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                "alpha_vantage is not installed; it comes with the extra: pip install 'tidemill[equities]'"
            ) from error
        if not key:
            raise ConfigurationError(
                "Alpha Vantage needs a key; set the environment variable that key_variable of its market names"
            )
        self._instruments = tuple(instruments)
        self._clock = market_clock
        self._budget = budget
        way = (base_url, timeout_seconds, on_payload, budget)
        self._bars = _patient(TimeSeries, *way)(key=key, output_format="json")
        self._events = _patient(FundamentalData, *way)(key=key, output_format="json")

    @property
    def kinds(self) -> Sequence[MarketEventKind]:
        """Splits and dividends."""
        return (MarketEventKind.ADJUSTMENTS,)

    def fetch_instruments(self) -> Sequence[Instrument]:
        """The instruments of the settings."""
        return equities.shares(self._instruments)

    def fetch_bars(self, instrument: str, timeframe: str, start: datetime, end: datetime) -> pd.DataFrame:
        """BARS with ``start`` <= open_time < ``end`` that have closed, ascending; may be empty.

        Daily bars only. The last hundred come in a small answer, older ones in the full one.
        """
        if timeframe != "1d":
            raise SeriesError(
                f"Alpha Vantage is asked for daily bars only, not {timeframe}", state=SeriesState.NO_TIMEFRAME
            )
        symbol = equities.need_share(self._instruments, instrument, "Alpha Vantage")
        now = self._clock.now()
        size = "compact" if (now - start).days < 100 else "full"
        answer = self._ask(symbol, lambda: self._bars.get_daily(symbol, outputsize=size))
        try:
            rows = pd.DataFrame.from_dict(answer[0], orient="index").rename(columns=COLUMNS)
            rows = rows[list(OHLCV)].astype("float64")
            rows.index = pd.DatetimeIndex(rows.index, tz="UTC")
        except (KeyError, TypeError, ValueError) as error:
            raise _changed(error) from error
        return equities.to_share_bars(instrument, timeframe, rows, start=start, end=end, now=now)

    def fetch_market_events(
        self, kind: MarketEventKind, instrument: str, start: datetime, end: datetime
    ) -> pd.DataFrame:
        """RECORDS of ``kind``, ascending: splits and dividends, the latter in quote units a share of that day."""
        if kind not in self.kinds:
            raise DataError(f"Alpha Vantage has no {kind} that could be fetched")
        symbol = equities.need_share(self._instruments, instrument, "Alpha Vantage")
        splits = self._ask(symbol, lambda: self._events.get_splits(symbol))
        dividends = self._ask(symbol, lambda: self._events.get_dividends(symbol))
        try:
            actions = [(row["effective_date"], "split", float(row["split_factor"])) for row in _rows(splits)]
            actions += [(row["ex_dividend_date"], "dividend", float(row["amount"])) for row in _rows(dividends)]
            adjustments = equities.to_adjustments(instrument, actions, now=self._clock.now())
        except (KeyError, TypeError, ValueError) as error:
            raise _changed(error) from error
        return equities.within(adjustments, start, end)

    def close(self) -> None:
        """Nothing is open."""

    def _ask(self, symbol: str, work: Any) -> Any:
        """One answer; what the client makes of quotas, unknown symbols and the network becomes our own error."""
        try:
            return work()
        except requests.JSONDecodeError as error:
            raise TransientError("Alpha Vantage answered with something that is no JSON") from error
        except requests.RequestException as error:
            # its text holds the address, and that the key
            raise TransientError(f"Alpha Vantage does not answer: {type(error).__name__}") from None
        except ValueError as error:
            judged = _judge(symbol, str(error))
            if isinstance(judged, TransientError) and self._budget is not None:
                self._budget.pause(judged.retry_after_seconds or MINUTE_SECONDS)
            raise judged from None
        except (KeyError, TypeError, IndexError) as error:
            raise _changed(error) from error


def _rows(answer: Any) -> list[dict[str, Any]]:
    content = answer[0] if isinstance(answer, tuple) else answer
    if isinstance(content, pd.DataFrame):
        return [{str(name): value for name, value in row.items()} for row in content.to_dict("records")]
    rows: list[dict[str, Any]] = content["data"] if isinstance(content, dict) else content
    return rows


def _judge(symbol: str, text: str) -> Exception:
    """What a sentence of the service means."""
    if any(sign in text.lower() for sign in QUOTA_SIGNS):
        # some sentences name both quotas; that of the day is the one that holds
        when, wait = ("tomorrow", DAY_SECONDS) if "per day" in text.lower() else ("in a minute", MINUTE_SECONDS)
        return TransientError(f"the quota of Alpha Vantage is spent; it gives more {when}", retry_after_seconds=wait)
    if "Invalid API call" in text or "no return was given" in text:
        return SeriesError(f"Alpha Vantage has no {symbol}", state=SeriesState.UNKNOWN_SYMBOL)
    if "apikey" in text.lower():
        return ConfigurationError(
            "Alpha Vantage refuses the key; look at the environment variable that key_variable of its market names"
        )
    return DataError(f"Alpha Vantage refused the request for {symbol}")


def _changed(error: Exception) -> SeriesError:
    return SeriesError(
        f"Alpha Vantage answered in a shape that is not known ({type(error).__name__} {error})",
        state=SeriesState.CHANGED_SHAPE,
    )


def _patient(
    base: type[Any],
    base_url: str,
    timeout_seconds: float,
    on_payload: equities.OnPayload | None,
    budget: BlockingBudget | None,
) -> type[Any]:
    """The client with a time limit, which it lacks, and another host if one is given; it hands on what it is told.

    Each request is spent from the budget first.
    """

    class Patient(base):  # type: ignore[misc]
        def _handle_api_call(self, url: str) -> Any:
            if budget is not None:
                budget.spend()
            target = url.replace(HOST, base_url, 1) if base_url else url
            response = requests.get(target, headers=self.headers, timeout=timeout_seconds)
            answer = response.json()
            for sign in ("Error Message", "Information", "Note"):
                if isinstance(answer, dict) and sign in answer:
                    raise ValueError(answer[sign])
            if not answer:
                raise ValueError("no return was given")
            if on_payload is not None:
                query = dict(parse_qsl(urlsplit(url).query))
                on_payload(f"alpha_vantage {query['function']} {query['symbol']}", response.content)
            return answer

    return Patient
