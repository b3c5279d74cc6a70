"""The recording that needs no file of one's own: eight years of four US stocks, day by day.

The prices come with the package ``bokeh_sampledata`` (from Quandl WIKI, which its publisher placed in
the public domain). They are as traded, not adjusted; dividends are ignored, and none of the four
split its shares between 2005-03-01 and 2013-03-01. A day's bar covers the UTC day of its date.
"""

from __future__ import annotations

import gzip
import io
from decimal import Decimal
from importlib import resources
from pathlib import Path

import pandas as pd

from tidemill.domain.errors import ConfigurationError, DataError
from tidemill.domain.market import Instrument
from tidemill.ports.frames import OHLCV
from tidemill.recording.columns import Place, need_columns, read_series
from tidemill.recording.values import RecordedSeries, Recording

TICKERS = ("AAPL", "IBM", "MSFT", "GOOG")
FIRST_DATE, END_DATE = "2005-03-01", "2013-03-01"
_TITLE = "US daily bars of AAPL, IBM, MSFT and GOOG, March 2005 to February 2013"
_FOLDER, _FILE = "_data", "stocks.csv.gz"
_REMEDY = "install it with pip install 'tidemill[demo]', or run make install"


def bundled_recording(package: str = "bokeh_sampledata") -> Recording:
    """Daily bars of four stocks, 2014 sessions each, calendar as-recorded; no posts.

    ConfigurationError when ``package`` is not installed or has no such file.
    """
    table, place = _read_table(package)
    need_columns(place, table, ("ticker", "date", *OHLCV))
    traded = table[(table["date"] >= FIRST_DATE) & (table["date"] < END_DATE)]
    series = tuple(_make_series(place, ticker, traded) for ticker in TICKERS)
    return Recording(title=_TITLE, calendar="as-recorded", series=series)


def _read_table(package: str) -> tuple[pd.DataFrame, Place]:
    try:
        source = resources.files(package).joinpath(_FOLDER, _FILE)
        body = gzip.decompress(source.read_bytes())
    except ModuleNotFoundError:
        raise ConfigurationError(f"the bundled recording needs the package {package}; {_REMEDY}") from None
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigurationError(f"{package} has no {_FILE}, 2026.1 or later is needed; {_REMEDY}") from None
    except (OSError, EOFError) as error:
        raise DataError(f"{_FILE} of {package} cannot be read: {error}; {_REMEDY}") from error
    table = pd.read_csv(io.BytesIO(body))
    return table.rename(columns=str.lower), Place(table="the bundled recording", file=Path(package) / _FILE)


def _make_series(place: Place, ticker: str, traded: pd.DataFrame) -> RecordedSeries:
    instrument = Instrument(
        venue="SAMPLE",
        base=ticker,
        quote="USD",
        price_step=Decimal("0.0001"),
        lot_step=Decimal(1),
        min_notional=Decimal(1),
    )
    days = traded[traded["ticker"] == ticker].reset_index(drop=True)
    frame = days.assign(open_time=pd.to_datetime(days["date"], format="%Y-%m-%d", utc=True))
    bars = read_series(place, frame, instrument=instrument, timeframe="1d", calendar="as-recorded")
    return RecordedSeries(instrument=instrument, timeframe="1d", bars=bars)
