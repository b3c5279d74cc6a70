"""What is missing or refused is neither decided nor trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pandas as pd
import pytest
from support.hourly import BTC, ETH, GROUP, Source, at, bars
from support.repair_desk import ingest, take, without

from tidemill.decision import DecisionRules, find_incomplete, load_market, view_market, without_incomplete
from tidemill.domain.market import DecisionGrid, to_micros
from tidemill.features import LOOKBACK
from tidemill.memory.gaps import MemoryGapLedger
from tidemill.memory.market import MemoryMarketStore
from tidemill.model_training.training_data import TrainingScope, TrainingStores, load_training_data
from tidemill.settings import Settings
from tidemill.settings.policies import build_limits
from tidemill.sizing import SizingPolicy


@pytest.fixture
def store() -> MemoryMarketStore:
    return MemoryMarketStore()


@pytest.fixture
def ledger() -> MemoryGapLedger:
    return MemoryGapLedger()


def rules(least: float = 0.9) -> DecisionRules:
    return DecisionRules(
        account="main",
        strategy="trend",
        mode="paper",
        grid=DecisionGrid(timeframe="1h", delay_seconds=90),
        universe=GROUP.names,
        instruments={BTC.id: BTC, ETH.id: ETH},
        sizing=SizingPolicy(**Settings().sizing.model_dump()),
        limits=build_limits(Settings()),
        price_cap_fraction=Decimal("0.02"),
        scorer="s",
        min_completeness=least,
    )


LONG = LOOKBACK + 40


def fill(store, ledger, *, gone: Sequence[int], prices: dict[int, float] | None = None) -> None:
    take(store, ledger, BTC, without(*gone, last=LONG), now=at(LONG), prices=prices)
    take(store, ledger, ETH, without(last=LONG), now=at(LONG))


def test_an_incomplete_series_is_not_decided_on_and_says_why(store, ledger) -> None:
    fill(store, ledger, gone=range(100, 125))
    as_of = rules().grid.as_of(at(LONG))
    market = load_market(rules(), as_of, store, store, quarantine=ledger)
    assert market.refusal == ""
    assert list(market.incomplete) == [BTC.id]
    assert "90.0% needed" in market.incomplete[BTC.id]
    table = pd.DataFrame({"x": [1.0, 2.0]}, index=[BTC.id, ETH.id])
    assert list(without_incomplete(table, market).index) == [ETH.id]
    relaxed = load_market(rules(0.8), as_of, store, store, quarantine=ledger)
    assert relaxed.incomplete == {}
    assert without_incomplete(table, relaxed) is table


def test_a_market_of_which_too_much_is_missing_is_refused(store, ledger) -> None:
    take(store, ledger, BTC, without(*range(100, 125), last=LONG), now=at(LONG))
    take(store, ledger, ETH, without(*range(100, 125), last=LONG), now=at(LONG))
    market = load_market(rules(), rules().grid.as_of(at(LONG)), store, store)
    assert market.refusal.startswith("incomplete: ")


def test_a_young_series_is_measured_from_its_listing(store, ledger) -> None:
    take(store, ledger, BTC, range(LONG - 20, LONG), now=at(LONG))
    known = store.read_bars([BTC.id], "1h", at(0), at(LONG))
    assert find_incomplete(rules(), at(LONG), known) == {}
    assert view_market(rules(), at(LONG), known, known.iloc[:0], 0).incomplete == {}


def test_a_decision_never_sees_what_stood_in_quarantine_and_its_rerun_sees_the_same(store, ledger) -> None:
    source = Source([bars(BTC, range(LONG - 1), {LONG - 2: 900.0}), bars(ETH, range(LONG))])
    for one in (BTC, ETH):
        ingest(source, store, ledger, one, at(LONG - 1))
    source.frames[0] = pd.concat([source.frames[0], bars(BTC, [LONG - 1, LONG])])
    ingest(source, store, ledger, BTC, at(LONG + 1))
    as_of = rules().grid.as_of(at(LONG))
    seen = load_market(rules(), as_of, store, store, watermark=to_micros(at(LONG + 2)), quarantine=ledger)
    assert at(LONG - 2) not in set(seen.bars.loc[seen.bars["instrument"] == BTC.id, "open_time"])
    careless = load_market(rules(), as_of, store, store, watermark=to_micros(at(LONG + 2)))
    assert at(LONG - 2) in set(careless.bars.loc[careless.bars["instrument"] == BTC.id, "open_time"])
    ledger.release_bars(BTC.id, "1h", at(LONG - 2), because="later", now=at(LONG + 50))
    again = load_market(rules(), as_of, store, store, watermark=to_micros(at(LONG + 2)), quarantine=ledger)
    pd.testing.assert_frame_equal(again.bars, seen.bars)


def test_training_leaves_out_what_is_incomplete_and_what_is_refused(store, ledger) -> None:
    fill(store, ledger, gone=range(50, 100))
    stores = TrainingStores(bars=store, posts=store, quarantine=ledger)
    scope = TrainingScope(universe=GROUP.names, grid=rules().grid, scorer="s", window_days=30, min_completeness=0.9)
    data = load_training_data(stores, scope, rules().grid.as_of(at(LONG)))
    assert set(data.bars["instrument"]) == {ETH.id}
    assert list(data.left_out) == [BTC.id]
    everything = load_training_data(stores, replace(scope, min_completeness=0.0), rules().grid.as_of(at(LONG)))
    assert set(everything.bars["instrument"]) == set(GROUP.names)
    assert everything.left_out == {}
