"""Many venues in one run: what fails alone, how it is marked, what is announced; and a stream that is cut."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests
from prefect.testing.utilities import prefect_test_harness
from support.events_seen import emitted

from tidemill.adapters.ccxt.market import CcxtMarket
from tidemill.adapters.clocks import VenueClock
from tidemill.bootstrap import Overrides, Services, using
from tidemill.domain.errors import TransientError
from tidemill.domain.market import EPOCH, Instrument
from tidemill.domain.market_events import MarketEventKind
from tidemill.domain.series import SeriesError, SeriesState
from tidemill.matching import FillRules
from tidemill.memory.clocks import ManualClock
from tidemill.memory.gaps import MemoryGapLedger
from tidemill.memory.market import MemoryMarketStore
from tidemill.memory.series_status import MemorySeriesStatus
from tidemill.recording import bundled_recording, to_bars
from tidemill.settings import IngestSettings, MarketSettings, Settings
from tidemill.venue import UNLIMITED, VenueOptions, VenueServer

START = datetime(2021, 4, 19, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOW = START + 72 * HOUR + timedelta(minutes=30)
BTC, ETH, GONE, NEVER, CUT = (f"{base}-USDT.BINANCE" for base in ("BTC", "ETH", "LUNA", "NONE", "ODD"))
OTHER = "BTC-EUR.KRAKEN"
pytestmark = pytest.mark.flow_run


@pytest.fixture(scope="module", autouse=True)
def prefect_api() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=120):
        yield


class Venue:
    """Has bars of some instruments, and refuses others as a venue would."""

    def __init__(self, *names: str, skew: timedelta = timedelta(0)) -> None:
        self.names = names
        self.skew = skew
        self.refused: dict[str, Exception] = {}

    def fetch_instruments(self) -> Sequence[Instrument]:
        step = Decimal("0.01")
        return [
            Instrument(venue=venue, base=base, quote=quote, price_step=step, lot_step=step)
            for base, quote, venue in (one.replace(".", "-").split("-") for one in self.names)
        ]

    def fetch_time(self) -> datetime:
        return datetime.now(UTC) - self.skew

    def fetch_bars(self, instrument: str, timeframe: str, start: datetime, end: datetime) -> pd.DataFrame:
        if instrument in self.refused:
            raise self.refused[instrument]
        if instrument not in self.names:
            raise SeriesError(f"{instrument} is not traded here", state=SeriesState.UNKNOWN_SYMBOL)
        length = timedelta(days=1) if timeframe == "1d" else HOUR
        first, beyond = (-((START - one) // length) for one in (start, min(end, START + 72 * HOUR)))
        steps = np.arange(max(0, first), beyond)
        close = 100.0 + steps % 5
        opens = pd.DatetimeIndex([START + int(one) * length for one in steps], dtype="datetime64[us, UTC]")
        prices = {"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": close + steps}
        return to_bars(instrument, timeframe, pd.DataFrame({"open_time": opens, **prices}))


def services(tmp_path: Path, source: Venue, other: Venue, **settings: Any) -> Services:
    markets = (MarketSettings(name="KRAKEN", exchange="kraken", instruments=(OTHER,), timeframes=("1h",)),)
    return Services(
        Settings(home=tmp_path, markets=markets, **settings),
        Overrides(
            market_store=MemoryMarketStore(),
            gaps=MemoryGapLedger(),
            series_status=MemorySeriesStatus(),
            sources={"BINANCE": source, "KRAKEN": other},
            market_clock=ManualClock(NOW),
            retry_delay_seconds=0.0,
        ),
    )


def states(known: Services) -> dict[tuple[str, str], SeriesState]:
    return {one.key: one.state for one in known.stores.series_status.load_statuses()}


def test_each_series_that_cannot_be_had_is_marked_alone_and_the_rest_goes_on(tmp_path: Path) -> None:
    from flows.ingest_market import ingest_market

    venue, other = Venue(BTC, ETH, CUT, GONE), Venue(OTHER)
    universe = (BTC, ETH, GONE, NEVER, CUT)
    known = services(tmp_path, venue, other, universe=universe, ingest=IngestSettings(timeframes=("1d",)))
    venue.refused = {
        CUT: SeriesError("ODD answered in a shape that is not known", state=SeriesState.CHANGED_SHAPE),
    }
    with using(known):
        first = {(one["name"], one["timeframe"]): one for one in ingest_market()["results"]}
        assert first[BTC, "1h"]["stored"] == first[GONE, "1h"]["stored"] == first[OTHER, "1h"]["stored"] == 72
        assert first[BTC, "1d"]["stored"] == 3
        assert states(known) == {
            (NEVER, "1h"): SeriesState.UNKNOWN_SYMBOL,
            (NEVER, "1d"): SeriesState.UNKNOWN_SYMBOL,
            (CUT, "1h"): SeriesState.CHANGED_SHAPE,
            (CUT, "1d"): SeriesState.CHANGED_SHAPE,
        }
        # the venue takes one off its list, another answers again
        venue.names, venue.refused = (BTC, ETH, CUT), {}
        other.refused = {OTHER: TransientError("KRAKEN does not answer")}
    known = Services(known.settings, replace(known.overrides, market_clock=ManualClock(NOW + 10 * HOUR)))
    with using(known):
        second = {(one["name"], one["timeframe"]): one for one in ingest_market()["results"]}
        assert second[CUT, "1h"]["stored"] == 72
        assert second[OTHER, "1h"]["failure"] == "KRAKEN does not answer"
        told = states(known)
        assert (told[CUT, "1h"], told[GONE, "1h"]) == (SeriesState.FINE, SeriesState.DELISTED)
        assert told[OTHER, "1h"] is SeriesState.FAILED
        gone = next(one for one in known.stores.series_status.load_statuses([GONE]) if one.timeframe == "1h")
        assert gone.listed_until == START + 72 * HOUR
        assert not [one for one in known.stores.gaps.load_gaps([GONE]) if one.start >= gone.listed_until]
        from flows.monitor import measure_completeness

        measured = {one.instrument: one for one in measure_completeness.fn(30) if one.timeframe == "1h"}
        assert measured[GONE].expected == measured[GONE].stored == 72, "nothing is expected of what is delisted"
        assert measured[BTC].missing


def test_no_bar_is_fetched_while_a_clock_is_off(tmp_path: Path) -> None:
    from flows.ingest_market import ingest_market

    known = services(tmp_path, Venue(BTC, skew=timedelta(seconds=90)), Venue(OTHER), universe=(BTC,))
    with using(known):
        told = {one["name"]: one for one in ingest_market()["results"]}
    assert "s after the clock of BINANCE" in told[BTC]["failure"]
    assert told[BTC]["fetched"] == 0
    assert told[OTHER]["stored"] == 72
    assert states(known) == {(BTC, "1h"): SeriesState.CLOCK_OFF}
    assert known.stores.market.latest_open(BTC, "1h") is None


def test_every_series_has_its_asset_and_only_one_event_decides(tmp_path: Path) -> None:
    from flows.ingest_market import ingest_market

    known = services(tmp_path, Venue(BTC), Venue(OTHER), universe=(BTC,), ingest=IngestSettings(timeframes=("1d",)))
    with using(known):
        begun = datetime.now(UTC)
        ingest_market(emit=True)
    events = emitted(begun, "prefect.asset.materialization.succeeded", "bars.ingested", count=6)
    assets = {one.resource.id: one.payload for one in events if one.event.startswith("prefect.asset")}
    assert assets["tidemill://bars/BINANCE/BTC-USDT/1h"]["stored"] == 72
    assert set(assets) == {
        "tidemill://bars/BINANCE/BTC-USDT/1h",
        "tidemill://bars/BINANCE/BTC-USDT/1d",
        "tidemill://bars/KRAKEN/BTC-EUR/1h",
    }
    told = {one.resource.id: one.resource.root["tidemill.decides"] for one in events if one.event == "bars.ingested"}
    assert told == {
        "tidemill.bars.BINANCE.1h": "true",
        "tidemill.bars.BINANCE.1d": "false",
        "tidemill.bars.KRAKEN.1h": "false",
    }


# -- a stream that is cut

AAPL, MSFT = "AAPL-USD.SAMPLE", "MSFT-USD.SAMPLE"
RULES = FillRules(
    slippage=Decimal("0.0005"),
    participation=Decimal("0.1"),
    decision_delay=timedelta(seconds=90),
    fee_maker=Decimal("0.001"),
    fee_taker=Decimal("0.001"),
)


@pytest.fixture
def paper() -> Iterator[VenueServer]:
    made = VenueServer(VenueOptions(recording=bundled_recording(), rules=RULES, limits=UNLIMITED))
    made.start()
    tell(made, "clock", {"now": "2012-11-01T00:00:45Z"})
    yield made
    made.stop()


def tell(venue: VenueServer, path: str, body: dict[str, Any]) -> None:
    told = requests.post(f"{venue.admin_url}/{path}", json=body, headers={"X-Admin-Token": venue.token}, timeout=10)
    assert told.ok, told.text


def followed(tmp_path: Path, paper: VenueServer) -> Services:
    venue = {
        "name": "SAMPLE",
        "exchange": "binance",
        "rest_url": paper.rest_url,
        "ws_url": paper.first_line()["ws"],
        "admin_url": paper.admin_url,
    }
    return Services(
        Settings(
            home=tmp_path,
            universe=(AAPL, MSFT),
            timeframe="1d",
            venue=venue,
            ingest=IngestSettings(records=("trades",)),
            training={"window_days": 30},
        ),
        Overrides(
            market_store=MemoryMarketStore(),
            gaps=MemoryGapLedger(),
            series_status=MemorySeriesStatus(),
            market_clock=VenueClock(paper.admin_url),
        ),
    )


def streamed(known: Services, source: str) -> list[dict[str, Any]]:
    """The raw messages of a stream that were kept."""
    kept = known.stores.market.find_payloads(source, stored_until=known.stores.market.watermark())
    bodies = [known.stores.market.read_payload(one.digest) for one in kept if one.request == f"{source} by stream"]
    told = [json.loads(line) for body in bodies for line in body.splitlines()]
    return [one.get("data", one) for one in told]


def test_a_stream_that_is_cut_in_mid_stream_mends_its_own_holes(tmp_path: Path, paper: VenueServer) -> None:
    from flows.stream_market import stream_market

    known = followed(tmp_path, paper)

    stopped = threading.Event()

    def days() -> None:
        """A day every half second; the stream is cut twice."""
        for day in range(1, 60):
            if stopped.wait(0.5):
                return
            if day in {14, 20}:
                tell(paper, "faults", {"fault": "disconnect", "on": "stream", "match": "kline", "count": 2})
            tell(paper, "clock", {"now": f"{datetime(2012, 11, 1) + timedelta(days=day):%Y-%m-%d}T00:00:45Z"})

    with using(known):
        moving = threading.Thread(target=days)
        moving.start()
        begun = time.monotonic()
        told = stream_market(seconds=14.0)
        took = time.monotonic() - begun
        stopped.set()
        moving.join()
    assert told["breaks"] >= 2, told
    assert told["bars"] >= 2, f"the stream itself brought bars: {told}"
    assert told["healed"] >= 1
    assert took < 60, "it ends by itself"
    bars = known.stores.market.read_bars([AAPL, MSFT], "1d", EPOCH, NOW)
    # on a day without trading the venue is closed; the truth is asked for on another
    tell(paper, "clock", {"now": "2013-01-15T00:00:45Z"})
    source = known.markets.main_source
    assert isinstance(source, CcxtMarket)
    for name in (AAPL, MSFT):
        mine = bars[bars["instrument"] == name].reset_index(drop=True)
        first = mine["open_time"].iloc[0].to_pydatetime()
        last = mine["open_time"].iloc[-1].to_pydatetime()
        truth = source.fetch_bars(name, "1d", first, last + timedelta(days=1))
        columns = ["open_time", "open", "high", "low", "close", "volume"]
        pd.testing.assert_frame_equal(mine[columns], truth[columns])
        assert last >= datetime(2012, 11, 15, tzinfo=UTC)
    live = bars[~bars["assumed"]]
    assert (live["knowledge_time"] >= live["open_time"] + pd.Timedelta(days=1)).all()
    raw = streamed(known, f"bars {AAPL}")
    held = {(one["k"]["t"], float(one["k"]["c"])) for one in raw}
    by_stream = {(row.open_time.value // 1_000_000, row.close) for row in live[live["instrument"] == AAPL].itertuples()}
    assert held <= {(row.open_time.value // 1_000_000, row.close) for row in bars.itertuples()}
    assert held & by_stream, "each streamed bar has the message that told it"
    assert {one["s"] for one in raw} == {"AAPLUSD"}
    assert {one["e"] for one in streamed(known, f"trades {AAPL}")} == {"aggTrade"}
    trades = known.stores.market_events.read_market_events(MarketEventKind.TRADES, [AAPL], EPOCH, NOW)
    assert len(trades) >= 4
    assert trades["trade_id"].is_unique
    known.close()
