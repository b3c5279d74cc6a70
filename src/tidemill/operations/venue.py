"""`tidemill venue`: the paper venue alone, from a recording, a store, or live public data."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal, cast

import pandas as pd

from tidemill.bootstrap import BUNDLED, build_fill_rules, build_live_market
from tidemill.domain.errors import DataError
from tidemill.domain.market import EPOCH, Instrument, default_decision_delay, split_instrument_id
from tidemill.ports.frames import OHLCV, PRICE_COLUMNS
from tidemill.recording import SPOT_ONLY, RecordedSeries, Recording, bundled_recording, load_recording
from tidemill.settings import Settings
from tidemill.venue import UNLIMITED, Limits, VenueOptions, serve

MOST_DECIMALS = 8
HIGHEST_PORT = 65_535
STORE_END = EPOCH + timedelta(days=365 * 200)


def serve_venue(
    settings: Settings,
    *,
    recording: Path | None,
    store: str | None,
    live: str | None,
    clock: str,
    port: int,
    database: Path | None,
    seed: int,
    certificate: Path | None = None,
    certificate_key: Path | None = None,
    unlimited: bool = False,
    live_url: str = "",
    protocol: str = "binance",
    host: str = "127.0.0.1",
    beyond_loopback: bool = False,
) -> int:
    """Serve until interrupted; DataError unless exactly one source of prices is named."""
    if live_url and live is None:
        raise DataError("--live-url needs --live EXCHANGE, which says how to speak to it")
    if not 0 <= port <= HIGHEST_PORT:
        raise DataError(f"--port is from 0 (any free one) to {HIGHEST_PORT}, not {port}")
    if (certificate is None) != (certificate_key is None):
        raise DataError("TLS needs both --tls-cert and --tls-key")
    if sum(one is not None for one in (recording, store, live)) != 1:
        raise DataError("name one source of prices: --recording FILE, --store URL or --live EXCHANGE")
    if protocol not in {"binance", "bybit"}:
        raise DataError(f"--protocol '{protocol}' is unknown; use binance or bybit")
    if clock not in {"real", "recorded"}:
        raise DataError(f"--clock '{clock}' is unknown; use real or recorded")
    if live is not None and clock == "recorded":
        raise DataError("--live runs on the real clock only; leave --clock out")
    prices = _recording_from_store(settings, store) if store else _load(recording) if recording else None
    timeframe = prices.timeframe if prices else settings.timeframe
    options = VenueOptions(
        recording=prices,
        live=build_live_market(live, settings.venue.name, live_url) if live else None,
        universe=settings.universe,
        timeframe=timeframe,
        rules=build_fill_rules(
            settings,
            settings.decision_delay_seconds or default_decision_delay(timeframe),
            recorded=prices is not None,
        ),
        clock=cast("Literal['real', 'recorded']", clock),
        protocol=cast("Literal['binance', 'bybit']", protocol),
        host=host,
        allow_remote=beyond_loopback,
        port=port,
        database=database,
        seed=seed,
        limits=UNLIMITED if unlimited else Limits(),
        tls=(certificate, certificate_key) if certificate and certificate_key else None,
    )
    return serve(options)


def _load(path: Path) -> Recording:
    return bundled_recording() if path == BUNDLED else load_recording(path).need_no_funding(SPOT_ONLY)


def _recording_from_store(settings: Settings, url: str) -> Recording:
    """The stored bars of the universe as a recording; steps as the settings' recording or the bars tell them."""
    from tidemill.adapters.sql.market.store import SqlMarketStore
    from tidemill.bootstrap import settings_recording

    scheme, _, path = url.partition(":///")
    if scheme == "sqlite" and not Path(path).is_file():  # opening it would make an empty one
        raise DataError(f"there is no store {path}; --store takes a URL such as sqlite:///.tidemill/market.db")
    market = SqlMarketStore(url)
    bars = market.read_bars(settings.universe, settings.timeframe, EPOCH, STORE_END)
    market.close()
    if not len(bars):
        raise DataError(f"the store holds no {settings.timeframe} bars of {', '.join(settings.universe)}")
    recording = settings_recording(settings)
    known = recording.instruments if recording else {}
    series = tuple(
        RecordedSeries(
            instrument=known.get(str(name)) or infer_instrument(str(name), rows),
            timeframe=settings.timeframe,
            bars=rows[["open_time", *OHLCV]].reset_index(drop=True),
        )
        for name, rows in bars.groupby("instrument")
    )
    return Recording(title="stored bars", calendar=settings.calendar, series=series)


def infer_instrument(name: str, bars: pd.DataFrame) -> Instrument:
    """An instrument with the coarsest steps, powers of ten, on which all its bars lie; no least notional."""
    base, quote, venue = split_instrument_id(name)
    prices = pd.concat([bars[column] for column in PRICE_COLUMNS])
    return Instrument(
        venue=venue, base=base, quote=quote, price_step=_step_of(prices), lot_step=_step_of(bars["volume"])
    )


def _step_of(values: pd.Series) -> Decimal:
    """The power of ten, at most one, of the longest shortest decimal text among ``values``; at least 1e-8."""
    decimals = (-int(Decimal(repr(float(one))).normalize().as_tuple().exponent) for one in values.unique())
    return Decimal(1).scaleb(-min(max(0, *decimals, 0), MOST_DECIMALS))
