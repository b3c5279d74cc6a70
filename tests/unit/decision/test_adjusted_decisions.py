"""Decisions and training across splits and dividends: no jump in what is compared, raw prices in what is ordered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.adapters.machine.environment import this_environment
from tidemill.adapters.sql.market.market_events import SqlMarketEvents
from tidemill.adapters.sql.market.store import SqlMarketStore
from tidemill.bootstrap import Overrides, Services, using
from tidemill.decision import DecisionInputs, DecisionRules, PlainSteps, build_decision, load_market, think
from tidemill.domain.market import DecisionGrid, Instrument, Stamp, to_micros
from tidemill.domain.market_events import MarketEventKind
from tidemill.domain.portfolio import Portfolio
from tidemill.domain.trading import Decision, LedgerOrder, OrderState
from tidemill.features import LOOKBACK
from tidemill.lineage import StoredInputs, rerun
from tidemill.memory.gaps import MemoryGapLedger
from tidemill.memory.market import MemoryMarketStore
from tidemill.memory.market_events import MemoryMarketEvents
from tidemill.model_training.candidates import build_training_table, judge, train_candidate
from tidemill.model_training.training_data import TrainingScope, TrainingStores, load_training_data
from tidemill.recording import to_bars
from tidemill.settings import Settings
from tidemill.settings.policies import build_limits
from tidemill.sizing import SizingPolicy
from tidemill.training import TrainingParams

START = datetime(2024, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
CENT = Decimal("0.01")
AAA, BBB = (Instrument(venue="T", base=base, quote="USD", price_step=CENT, lot_step=CENT) for base in ("AAA", "BBB"))
LONG = LOOKBACK + 40
SPLIT_HOUR = LONG - 30
ADJUSTMENTS = MarketEventKind.ADJUSTMENTS
GRID = DecisionGrid(timeframe="1h", delay_seconds=90)
UNIVERSE = (AAA.id, BBB.id)
AS_OF = GRID.as_of(START + LONG * HOUR)


def at(hour: float) -> datetime:
    return START + hour * HOUR


def rules(adjusted: bool = True) -> DecisionRules:
    return DecisionRules(
        account="main",
        strategy="trend",
        mode="paper",
        grid=GRID,
        universe=UNIVERSE,
        instruments={AAA.id: AAA, BBB.id: BBB},
        sizing=SizingPolicy(**Settings().sizing.model_dump()),
        limits=build_limits(Settings()),
        price_cap_fraction=Decimal("0.02"),
        scorer="s",
        adjusted=adjusted,
    )


def bars(instrument: Instrument, split: int = 0, hours: int = LONG, ratio: float = 4.0) -> pd.DataFrame:
    """A rising walk; with ``split`` the raw prices before that hour are those of shares not yet split."""
    random = np.random.default_rng(len(instrument.base) + ord(instrument.base[0]))
    close = np.round(100 * np.exp(np.cumsum(random.normal(0.002, 0.01, hours))), 2)
    volume = random.integers(10_000, 20_000, hours).astype(np.float64)
    old = np.arange(hours) < split
    close, volume = np.where(old, close * ratio, close), np.where(old, volume / ratio, volume)
    opens = pd.DatetimeIndex([at(hour) for hour in range(hours)], dtype="datetime64[us, UTC]")
    prices = {"open": close, "high": close * 1.0625, "low": close * 0.9375, "close": close, "volume": volume}
    return to_bars(instrument.id, "1h", pd.DataFrame({"open_time": opens, **prices}))


def told(*rows: tuple[float, str, float, float], name: str = AAA.id) -> pd.DataFrame:
    """RECORDS from (hour of effect, kind, value, hour known)."""
    frame = pd.DataFrame(
        [(name, at(effect), kind, value, at(known), False) for effect, kind, value, known in rows],
        columns=["instrument", "event_time", "kind", "value", "knowledge_time", "assumed"],
    )
    return frame.astype({"event_time": "datetime64[us, UTC]", "knowledge_time": "datetime64[us, UTC]"})


SPLIT = (SPLIT_HOUR, "split", 4.0, SPLIT_HOUR - 5)


def filled(split: int = 0, hours: int = LONG) -> MemoryMarketStore:
    store = MemoryMarketStore()
    store.write_bars("1h", pd.concat([bars(AAA, split, hours), bars(BBB, hours=hours)]), now=at(hours))
    return store


def known(*rows: tuple[float, str, float, float]) -> MemoryMarketEvents:
    records = MemoryMarketEvents()
    records.write_market_events(ADJUSTMENTS, told(*rows), now=at(LONG - 10))
    return records


def look(store, records, **options):
    return load_market(options.pop("rules", rules()), AS_OF, store, store, records=records, **options)


def test_a_decision_across_a_split_has_the_features_of_a_series_without_it_and_orders_at_raw_prices() -> None:
    store, records = filled(SPLIT_HOUR), known(SPLIT)
    split, smooth, blind = look(store, records), look(filled(), None), look(store, None)
    table = PlainSteps(rules()).build_features(AS_OF, smooth)
    pd.testing.assert_frame_equal(PlainSteps(rules()).build_features(AS_OF, split), table)
    assert not np.allclose(
        PlainSteps(rules()).build_features(AS_OF, blind).loc[AAA.id, "ret_60"], table.loc[AAA.id, "ret_60"]
    )
    assert (split.prices, split.volumes) == (blind.prices, blind.volumes) == (smooth.prices, smooth.volumes)
    raw = store.read_bars([AAA.id], "1h", at(0), at(1))
    assert raw["close"].iloc[0] == bars(AAA, SPLIT_HOUR)["close"].iloc[0], "what is stored stays raw"


def test_without_adjustments_the_very_bars_of_the_store_are_seen() -> None:
    store = filled(SPLIT_HOUR)
    with_records, without = look(store, known()), look(store, None)
    pd.testing.assert_frame_equal(with_records.bars, without.bars)
    pd.testing.assert_frame_equal(look(store, known(SPLIT), rules=rules(adjusted=False)).bars, without.bars)
    other = MemoryMarketEvents()
    other.write_market_events(ADJUSTMENTS, told(SPLIT, name="CCC-USD.T"), now=at(0))
    pd.testing.assert_frame_equal(look(store, other).bars, without.bars)


def test_a_share_that_split_after_its_last_bar_is_not_decided_on() -> None:
    """Its raw price is one of the old share: an order sized by it would be four times too small, or never fill."""
    market = look(filled(), known((LONG, "split", 4.0, LONG - 20)))
    assert list(market.incomplete) == [AAA.id]
    assert market.incomplete[AAA.id].startswith("split after its last known bar, which opened 2024-06-09T")
    assert list(PlainSteps(rules()).build_features(AS_OF, market).index) == [BBB.id]
    assert look(filled(), known((LONG, "dividend", 1.0, LONG - 20))).incomplete == {}
    assert look(filled(), known((LONG + 1, "split", 4.0, LONG - 20))).incomplete == {}, "it has not happened yet"


def test_adjustments_that_cannot_be_keep_one_share_from_being_decided_on() -> None:
    store = filled()
    market = look(store, known((SPLIT_HOUR, "split", 0.0, 1)))
    assert market.incomplete == {AAA.id: "adjustments: a split of 0.0 cannot be; look at its source"}
    assert list(PlainSteps(rules()).build_features(AS_OF, market).index) == [BBB.id]
    data = train(store, known((SPLIT_HOUR, "split", 0.0, 1)))
    assert (list(data.left_out), set(data.bars["instrument"])) == ([AAA.id], {BBB.id})


ANY = st.lists(
    st.one_of(
        st.tuples(st.integers(0, LONG), st.just("split"), st.sampled_from([0.5, 2.0, 3.0]), st.integers(0, LONG + 40)),
        st.tuples(st.integers(0, LONG), st.just("dividend"), st.floats(0, 20), st.integers(0, LONG + 40)),
    ),
    max_size=4,
)
RAW, WHOLE = filled(SPLIT_HOUR), known(SPLIT)


@settings(max_examples=40)
@given(before=ANY, later=ANY)
def test_what_is_stored_or_known_later_changes_nothing_of_an_earlier_decision(before, later) -> None:
    records = known(*before)
    seen = look(RAW, records)
    records.write_market_events(ADJUSTMENTS, told(*later), now=at(LONG + 50))
    again = look(RAW, records, watermark=seen.watermark)
    pd.testing.assert_frame_equal(again.bars, seen.bars)
    assert (again.prices, again.incomplete) == (seen.prices, seen.incomplete)


def test_control_a_look_that_forgets_the_watermark_sees_what_was_stored_later() -> None:
    records = known()
    seen = look(RAW, records)
    records.write_market_events(ADJUSTMENTS, told(SPLIT), now=at(LONG + 50))
    assert look(RAW, records, watermark=seen.watermark).bars["close"].tolist() == seen.bars["close"].tolist()
    forgetful = look(RAW, records, watermark=to_micros(at(LONG + 60)))
    assert forgetful.bars["close"].tolist() != seen.bars["close"].tolist()


# -- made again by `rerun`


class Orders:
    """The part of a ledger that a re-run reads."""

    def __init__(self, intents: Sequence) -> None:
        self.intents = intents

    def load_orders(self, *, decision_id: str, **_: object) -> list[LedgerOrder]:
        return [
            LedgerOrder(intent=one, state=OrderState.PLANNED, quantity=one.quantity)
            for one in self.intents
            if one.decision_id == decision_id
        ]


def decide(store, records) -> tuple[Decision, Orders]:
    chosen = rules()
    portfolio = Portfolio(
        account="main",
        currency="USD",
        assets={"USD": Decimal(100_000)},
        reserved={},
        ledger_sequence=1,
        peak_equity=Decimal(100_000),
    )
    key = chosen.key(AS_OF)
    inputs = DecisionInputs(key=key, market=look(store, records), champion=None, portfolio=portfolio, stopped={})
    draft = think(PlainSteps(chosen), inputs)
    stamp = Stamp(market=AS_OF, wall=AS_OF)
    made = build_decision(chosen, key, draft, stamp=stamp, environment=this_environment(), stopped={})
    assert draft.plan.intents
    return made, Orders(draft.plan.intents)


@pytest.fixture
def again(tmp_path) -> Callable[..., object]:
    """Decide, change what is stored, and make the decision again, on SQLite."""
    url = f"sqlite:///{tmp_path / 'market.db'}"
    store, records = SqlMarketStore(url), SqlMarketEvents(url)

    def act(first: pd.DataFrame, then: pd.DataFrame, *, stored: datetime, forget: bool = False):
        store.write_bars("1h", pd.concat([bars(AAA, SPLIT_HOUR), bars(BBB)]), now=at(LONG - 9))
        records.write_market_events(ADJUSTMENTS, first, now=at(LONG - 8))
        decision, orders = decide(store, records)
        records.write_market_events(ADJUSTMENTS, then, now=stored)
        if forget:
            decision.record.pop("adjusted")
        return rerun(
            decision,
            StoredInputs(bars=store, posts=store, ledger=orders, records=records),  # type: ignore[arg-type]
            grid=GRID,
            environment=this_environment(),
        )

    return act


def test_a_decision_made_again_sees_the_splits_that_it_saw_and_no_other(again) -> None:
    late = told((SPLIT_HOUR - 20, "split", 3.0, 1), (SPLIT_HOUR, "split", 2.0, SPLIT_HOUR))
    done = again(told(SPLIT), late, stored=at(LONG - 8))
    assert (done.promise, done.same, done.differences) == ("bit for bit", True, ())
    assert done.intents > 0


def test_control_a_decision_made_again_without_its_splits_differs(again) -> None:
    """As it would if adjustments were not honoured, which is what decisions of earlier versions are made again by."""
    done = again(told(SPLIT), told(), stored=at(LONG), forget=True)
    assert not done.same
    assert any(one.startswith(f"feature ret_60 of {AAA.id}") for one in done.differences)


# -- trained on


SCOPE = TrainingScope(universe=UNIVERSE, grid=GRID, scorer="s", window_days=60)


def train(store, records, hours: int = LONG):
    stores = TrainingStores(bars=store, posts=store, market_events=records)
    return load_training_data(stores, SCOPE, GRID.as_of(at(hours)))


def table_of(data):
    return build_training_table(data, SCOPE, horizon=3)


def test_features_and_labels_of_training_see_no_jump_at_a_split() -> None:
    store = filled(SPLIT_HOUR)
    split, smooth, blind = (table_of(train(*parts)) for parts in ((store, WHOLE), (filled(), None), (store, None)))
    pd.testing.assert_frame_equal(split.features, smooth.features)
    pd.testing.assert_frame_equal(split.labels, smooth.labels)
    assert blind.labels["label"].min() < -1 < split.labels["label"].min()


def test_what_becomes_known_after_training_changes_nothing_of_its_table() -> None:
    store, records = filled(SPLIT_HOUR), known()
    before = table_of(train(store, records))
    records.write_market_events(ADJUSTMENTS, told((SPLIT_HOUR, "split", 4.0, LONG + 9)), now=at(LONG - 5))
    records.write_market_events(ADJUSTMENTS, told((SPLIT_HOUR - 9, "split", 4.0, 1)), now=at(LONG + 9))
    pd.testing.assert_frame_equal(table_of(train(store, records)).features, before.features)
    later = table_of(train(store, records, hours=LONG + 10))
    assert later.labels["label"].tolist() != before.labels["label"].tolist(), "control: it is seen once it is known"


def test_the_leak_gate_finds_nothing_in_a_table_across_a_split_and_a_dividend() -> None:
    data = train(filled(SPLIT_HOUR, 300), known(SPLIT, (SPLIT_HOUR - 40, "dividend", 1.37, SPLIT_HOUR - 50)), 300)
    params = TrainingParams(horizon_bars=3)
    candidate = train_candidate(table_of(data), params=params, as_of=data.as_of, name="m")
    verdict = judge(candidate, data, SCOPE, promotion="paper")
    assert (candidate.problem, verdict.promote) == ("", True)
    assert verdict.reasons[0].startswith("no leak found")


def test_tasks_give_decisions_training_and_reruns_the_adjustments_of_the_services(tmp_path) -> None:
    from tasks.decision import load_market as load_market_task
    from tasks.models import load_training_data as load_training_data_task

    store, records = filled(SPLIT_HOUR), known(SPLIT)
    decision, orders = decide(store, records)
    chosen = Settings(home=tmp_path, universe=UNIVERSE, timeframe="1h")
    parts = Overrides(market_store=store, market_events=records, gaps=MemoryGapLedger(), rules=rules(), ledger=orders)
    with using(Services(chosen, parts)) as services:
        pd.testing.assert_frame_equal(load_market_task.fn(AS_OF).bars, look(store, records).bars)
        bars_trained = load_training_data_task.fn(AS_OF).bars
        assert bars_trained["close"].tolist() == train(store, records).bars["close"].tolist()
        assert services.trading.reviewer.rerun(decision).differences == ()
    blind = Services(chosen, replace(parts, market_events=MemoryMarketEvents()))
    assert blind.trading.reviewer.rerun(decision).differences, "control"
