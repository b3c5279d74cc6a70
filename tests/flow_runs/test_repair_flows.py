"""The flows repair, backfill and monitor on a real Prefect API: tables, progress, and an event that starts nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from prefect.artifacts import Artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.sorting import ArtifactSort
from prefect.testing.utilities import prefect_test_harness
from support.events_seen import emitted

from tidemill.bootstrap import Overrides, Services, using
from tidemill.domain.gaps import Cause, GapState
from tidemill.domain.market import Instrument
from tidemill.domain.series import SeriesState, SeriesStatus
from tidemill.memory.clocks import ManualClock
from tidemill.memory.gaps import MemoryGapLedger
from tidemill.memory.ledger import MemoryLedger
from tidemill.memory.market import MemoryMarketStore
from tidemill.memory.series_status import MemorySeriesStatus
from tidemill.recording import to_bars
from tidemill.settings import RetentionSettings, Settings

ROOT = Path(__file__).parents[2]
START = datetime(2021, 4, 19, tzinfo=UTC)
HOUR = timedelta(hours=1)
NAMES = ("BTC-USDT.BINANCE", "ETH-USDT.BINANCE")
pytestmark = pytest.mark.flow_run


@pytest.fixture(scope="module", autouse=True)
def prefect_api() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=120):
        yield


class Venue:
    """Has every bar from START on but those in ``gone``; tells what it offers, and since when."""

    def __init__(self, names: Sequence[str] = NAMES, listed: datetime | None = None) -> None:
        self.gone: set[int] = set()
        self.names, self.listed = names, listed

    def fetch_instruments(self) -> Sequence[Instrument]:
        step = Decimal("0.01")
        made = partial(Instrument, venue="BINANCE", quote="USDT", price_step=step, lot_step=step)
        return [made(base=name[:3], listed_from=self.listed) for name in self.names]

    def fetch_bars(self, instrument: str, timeframe: str, start: datetime, end: datetime) -> pd.DataFrame:
        first, beyond = (round((one - START) / HOUR) for one in (start, end))
        hours = [hour for hour in range(max(0, first), min(beyond, 72)) if hour not in self.gone]
        close = np.array([100.0 + hour % 5 for hour in hours])
        opens = pd.DatetimeIndex([START + hour * HOUR for hour in hours], dtype="datetime64[us, UTC]")
        prices = {"open": close, "high": close + 1, "low": close - 1, "close": close}
        return to_bars(
            instrument, timeframe, pd.DataFrame({"open_time": opens, **prices, "volume": close + np.arange(len(close))})
        )


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Services]:
    made = Services(
        Settings(home=tmp_path, universe=NAMES),
        Overrides(
            market_store=MemoryMarketStore(),
            gaps=MemoryGapLedger(),
            ledger=MemoryLedger(),
            sources={"BINANCE": Venue()},
            market_clock=ManualClock(START + 72 * HOUR + timedelta(minutes=30)),
        ),
    )
    with using(made):
        yield made


def artifacts(**wanted: Any) -> list[Any]:
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(sort=ArtifactSort.CREATED_DESC)
    return [one for one in found if all(getattr(one, name) == value for name, value in wanted.items())]


def test_backfill_shows_its_progress_and_repair_closes_what_can_be_closed(
    known: Services,
) -> None:
    from flows.backfill import backfill
    from flows.ingest_market import ingest_market
    from flows.repair import repair

    begun = datetime.now(UTC)
    known.markets.main_source.gone = {10, 11, 40}
    done = backfill(START, START + 72 * HOUR)
    assert [(one["name"], one["stored"]) for one in done["results"]] == [(name, 69) for name in NAMES]
    (progress,) = artifacts(type="progress")
    assert progress.data == 100.0
    assert "2 of 2 parts, done in" in progress.description
    assert {one.cause for one in known.stores.gaps.load_gaps()} == {Cause.VENUE_OUTAGE}
    known.markets.main_source.gone = {40}
    mended = repair()
    assert [one["stored"] for one in mended["results"]] == [2, 2]
    assert mended["missing"] == 2
    left = known.stores.gaps.load_gaps()
    assert [(one.start, one.cause, one.state) for one in left] == [
        (START + 40 * HOUR, Cause.VENUE_OUTAGE, GapState.ACCEPTED) for _ in NAMES
    ]
    page = Artifact.get("repair-paper")
    assert page is not None
    assert "venue outage" in str(page.data)
    ingest_market(emit=True)
    told = emitted(begun, "bars.repaired", "bars.ingested", count=3)
    assert [one.event for one in told] == ["bars.repaired", "bars.repaired", "bars.ingested"], (
        "backfill and repair never emit what starts trade; the last is of the run that was told to"
    )


def test_prune_keeps_all_by_default_and_tells_what_went_and_what_stayed(known: Services) -> None:
    from flows.prune import prune

    now = known.clocks.market.now()
    for day in range(60):
        known.stores.market.write_payload(
            "bars", f"day {day}", bytes(1000) + bytes([day]), now=now - timedelta(days=60 - day)
        )
    told = prune()
    assert (told["deleted"], told["left"]) == (0, 60)
    assert "All raw answers are kept" in artifacts(key="prune-paper")[0].description
    days = known.settings.model_copy(update={"retention": RetentionSettings(payload_days=30)})
    with using(
        Services(
            days,
            Overrides(market_store=known.stores.market, ledger=known.stores.ledger, market_clock=known.clocks.market),
        )
    ):
        told = prune()
    # 30 are younger; of the 30 older the newest ten may still be referenced by a decision of now
    assert (told["deleted"], told["left"], told["kept"]) == (20, 40, 10)
    page = artifacts(key="prune-paper")[0]
    assert page.description == "Raw answers older than 30 days"
    assert [(one["number"], one["bytes"]) for one in json.loads(page.data)] == [
        (20, told["bytes"]),
        (40, told["left_bytes"]),
        (10, None),
    ]
    assert told["bytes"] > 0


def test_shortfall_publishes_a_page_for_an_account_without_orders(known: Services) -> None:
    from flows.shortfall import shortfall

    told = shortfall()
    assert told == {"decisions": 0, "different": [], "orders": []}
    assert json.loads(artifacts(key="shortfall-decisions-paper")[0].data) == []
    assert json.loads(artifacts(key="shortfall-orders-paper")[0].data) == []
    page = artifacts(key="shortfall-paper")[0]
    assert "no decision in this time" in page.data
    assert "no order has come to its end" in page.data


def test_monitor_publishes_completeness_per_series_and_per_day(known: Services) -> None:
    from flows.ingest_market import ingest_market
    from flows.monitor import monitor

    known.markets.main_source.gone = {10, 11}
    ingest_market()
    told = monitor()
    assert [(one["expected"], one["stored"], one["causes"]) for one in told["completeness"]] == [
        (72, 70, "2 venue outage") for _ in NAMES
    ]
    series, days = Artifact.get("completeness-paper"), Artifact.get("completeness-days-paper")
    assert series is not None
    assert days is not None
    assert list(told["completeness"][0])[:5] == ["instrument", "timeframe", "complete", "missing", "causes"]
    assert "2 venue outage" in str(series.data)
    assert '"2021-04-19"' in str(days.data)


def test_one_instrument_that_cannot_be_repaired_fails_alone(known: Services) -> None:
    from flows.ingest_market import ingest_market
    from flows.repair import repair
    from tidemill.domain.errors import DataError

    known.markets.main_source.gone = {10}
    ingest_market()
    honest = known.markets.main_source.fetch_bars

    def refuse(instrument: str, *rest: Any) -> pd.DataFrame:
        if instrument == NAMES[0]:
            raise DataError("it is gone")
        return honest(instrument, *rest)

    known.markets.main_source.fetch_bars = refuse
    done = repair()
    assert ["it is gone" in one["failure"] for one in done["results"]] == [True, False]
    states = {one.instrument: one.state for one in known.stores.gaps.load_gaps()}
    assert states == {NAMES[0]: GapState.OPEN, NAMES[1]: GapState.ACCEPTED}


class Deaf(MemorySeriesStatus):
    """Takes no mark: what a venue says of its listings is lost."""

    def record_status(self, mark: SeriesStatus, *, now: datetime) -> bool:
        return False


@pytest.mark.parametrize("marks", [MemorySeriesStatus, Deaf])
def test_a_repair_learns_listings_before_it_judges(known: Services, marks: type[MemorySeriesStatus]) -> None:
    from flows.ingest_market import ingest_market
    from flows.repair import repair

    ingest_market()
    assert [one.start for one in known.stores.gaps.load_gaps()] == []
    btc, eth = NAMES
    later = Services(
        known.settings,
        Overrides(
            market_store=known.stores.market,
            gaps=known.stores.gaps,
            ledger=known.stores.ledger,
            series_status=marks(),
            sources={"BINANCE": Venue([btc], listed=START - 2 * HOUR)},
            market_clock=ManualClock(START + 80.5 * HOUR),
        ),
    )
    with using(later):
        done = repair()
    assert ["not traded at BINANCE" in one["failure"] for one in done["results"]] == [False, True]
    assert done["results"][0]["listed_from"] == "2021-04-18T22:00:00Z"
    gaps = [(one.instrument, round((one.start - START) / HOUR), one.missing) for one in known.stores.gaps.load_gaps()]
    behind = [(name, 72, 8) for name in NAMES]
    if marks is Deaf:
        assert gaps == behind, "control: two bars too few of BTC, and eight of ETH that nobody can have"
    else:
        assert gaps == [(btc, -2, 2), behind[0]]
        told = {one.instrument: one for one in later.stores.series_status.load_statuses()}
        assert (told[btc].state, told[btc].listed_from) == (SeriesState.FINE, START - 2 * HOUR)
        assert (told[eth].state, told[eth].listed_until) == (SeriesState.DELISTED, START + 72 * HOUR)


def test_only_the_event_of_a_scheduled_ingest_starts_trade() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    expected = [one["expect"] for deployment in deployments for one in deployment.get("triggers", ())]
    assert expected == [["bars.ingested"]]
    repair = next(one for one in deployments if one["entrypoint"] == "flows.repair.repair")
    assert repair["name"] == "paper"
    assert "triggers" not in repair
