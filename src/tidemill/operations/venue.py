"""`tidemill venue`: the paper venue alone, from a recording, a store, or live public data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal, cast

import pandas as pd

from tidemill.bootstrap import BUNDLED, build_fill_rules, build_live_market, settings_recording
from tidemill.domain.errors import DataError
from tidemill.domain.market import EPOCH, Instrument, default_decision_delay, split_instrument_id
from tidemill.ports.frames import OHLCV, PRICE_COLUMNS
from tidemill.recording import SPOT_ONLY, RecordedSeries, Recording, bundled_recording, load_recording
from tidemill.settings import Settings
from tidemill.venue import UNLIMITED, Limits, VenueOptions, serve

MOST_DECIMALS = 8
HIGHEST_PORT = 65_535
PROTOCOLS = ("binance", "bybit")
CLOCKS = ("real", "recorded")
STORE_END = EPOCH + timedelta(days=365 * 200)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueCommand:
    """What a person asks of a paper venue, as the command line has it: one source of prices, and how it is served.

    ``recording`` is a file, ``store`` an SQLAlchemy URL, ``live`` a ccxt id that may be asked at ``live_url``.
    """

    recording: Path | None = None
    store: str | None = None
    live: str | None = None
    live_url: str = ""
    protocol: str = "binance"
    clock: str = "real"
    host: str = "127.0.0.1"
    beyond_loopback: bool = False
    port: int = 0
    database: Path | None = None
    seed: int = 0
    certificate: Path | None = None
    certificate_key: Path | None = None
    unlimited: bool = False

    def check(self) -> None:
        """Raise DataError with the first option that cannot be meant; exactly one source of prices is named."""
        sources = sum(source is not None for source in (self.recording, self.store, self.live))
        problems = (
            (self.live_url and self.live is None, "--live-url needs --live EXCHANGE, which says how to speak to it"),
            (
                not 0 <= self.port <= HIGHEST_PORT,
                f"--port is from 0 (any free one) to {HIGHEST_PORT}, not {self.port}",
            ),
            ((self.certificate is None) != (self.certificate_key is None), "TLS needs both --tls-cert and --tls-key"),
            (sources != 1, "name one source of prices: --recording FILE, --store URL or --live EXCHANGE"),
            (self.protocol not in PROTOCOLS, f"--protocol '{self.protocol}' is unknown; use {' or '.join(PROTOCOLS)}"),
            (self.clock not in CLOCKS, f"--clock '{self.clock}' is unknown; use {' or '.join(CLOCKS)}"),
            (
                self.live is not None and self.clock == "recorded",
                "--live runs on the real clock only; leave --clock out",
            ),
        )
        for is_wrong, text in problems:
            if is_wrong:
                raise DataError(text)


def serve_venue(settings: Settings, command: VenueCommand) -> int:
    """Serve until interrupted; the exit code. DataError when the command's options do not fit one another."""
    command.check()
    prices = _load_prices(settings, command)
    timeframe = prices.timeframe if prices else settings.timeframe
    delay_seconds = settings.decision_delay_seconds or default_decision_delay(timeframe)
    options = VenueOptions(
        recording=prices,
        live=build_live_market(command.live, settings.venue.name, command.live_url) if command.live else None,
        universe=settings.universe,
        timeframe=timeframe,
        rules=build_fill_rules(settings, delay_seconds, recorded=prices is not None),
        clock=cast("Literal['real', 'recorded']", command.clock),
        protocol=cast("Literal['binance', 'bybit']", command.protocol),
        host=command.host,
        allow_remote=command.beyond_loopback,
        port=command.port,
        database=command.database,
        seed=command.seed,
        limits=UNLIMITED if command.unlimited else Limits(),
        tls=(command.certificate, command.certificate_key) if command.certificate and command.certificate_key else None,
    )
    return serve(options)


def _load_prices(settings: Settings, command: VenueCommand) -> Recording | None:
    """The recorded prices that are served; None where they are live."""
    if command.store:
        return _recording_from_store(settings, command.store)
    return _load(command.recording) if command.recording else None


def _load(path: Path) -> Recording:
    return bundled_recording() if path == BUNDLED else load_recording(path).need_no_funding(SPOT_ONLY)


def _recording_from_store(settings: Settings, url: str) -> Recording:
    """The stored bars of the universe as a recording; steps as the settings' recording or the bars tell them."""
    from tidemill.adapters.sql.market.store import SqlMarketStore

    scheme, _, path = url.partition(":///")
    if scheme == "sqlite" and not Path(path).is_file():  # opening it would make an empty one
        raise DataError(f"there is no store {path}; --store takes a URL such as sqlite:///.tidemill/market.db")
    market = SqlMarketStore(url)
    bars = market.read_bars(settings.universe, settings.timeframe, EPOCH, STORE_END)
    market.close()
    if not len(bars):
        raise DataError(f"the store holds no {settings.timeframe} bars of {', '.join(settings.universe)}")
    recording = settings_recording(settings)
    instruments = recording.instruments if recording else {}
    series = tuple(
        RecordedSeries(
            instrument=instruments.get(str(name)) or infer_instrument(str(name), rows),
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
    decimals = (-int(Decimal(repr(float(value))).normalize().as_tuple().exponent) for value in values.unique())
    return Decimal(1).scaleb(-min(max(0, *decimals, 0), MOST_DECIMALS))
