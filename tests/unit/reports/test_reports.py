"""Pages and tables as people read them: what matters first, and a sentence where there is nothing to show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tidemill.bootstrap import Overrides, Services, using
from tidemill.domain.errors import ConfigurationError, DataError
from tidemill.domain.market import require_range
from tidemill.domain.portfolio import Account
from tidemill.domain.trading import Decision
from tidemill.memory.clocks import ManualClock
from tidemill.memory.ledger import MemoryLedger
from tidemill.memory.market import MemoryMarketStore
from tidemill.model_training.candidates import build_training_table, judge, train_candidate
from tidemill.model_training.training_data import TrainingScope, TrainingStores, load_training_data
from tidemill.pages import review_page
from tidemill.reports import GAP_ROW_COLUMNS, decision_page, ingest_page, posts_page, skipped_page, training_page
from tidemill.settings import Settings

NOW = datetime(2021, 4, 22, 12, 20, tzinfo=UTC)


def test_a_page_without_rows_says_why() -> None:
    assert "tidemill doctor" in posts_page([])
    assert "No series" in ingest_page("Bars ingested", [])
    assert "no decision" in review_page([], [])
    assert "0 of 0" not in review_page([], [])


def test_pages_have_the_columns_of_what_they_tell() -> None:
    row = {"name": "x", "timeframe": "", "fetched": 3, "stored": 2, "missing": 0, "scores": 2, "failure": ""}
    assert posts_page([row]).splitlines()[2] == "| name | fetched | stored | rejected | scores | failure |"
    assert "scores" not in ingest_page("Bars ingested", [row])


def test_what_a_narrow_screen_cuts_comes_last() -> None:
    assert GAP_ROW_COLUMNS[:4] == ("instrument", "timeframe", "missing", "cause")


def test_a_run_that_came_too_late_has_a_page() -> None:
    assert "**Skipped**: too old" in skipped_page(NOW, "too old")


def test_a_monitor_asks_for_decisions_since_the_account_was_opened(tmp_path: Path) -> None:
    """Also where the market clock is not the wall's: a system of an hour ago missed nothing yesterday."""
    from tasks.monitor import find_undecided

    ledger, clock = MemoryLedger(), ManualClock(NOW)
    svc = Services(
        Settings(home=tmp_path, recording=tmp_path / "some.toml"),
        Overrides(
            ledger=ledger,
            market_clock=clock,
        ),
    )
    account = Account(account="main", venue="BINANCE", currency="USDT", opened_at=NOW - timedelta(hours=2))
    ledger.open_account(account, {"USDT": Decimal(1)}, stamp=svc.clocks.stamp())
    with using(svc):
        assert find_undecided.fn() == ["2021-04-22T11:01:30Z", "2021-04-22T12:01:30Z"]


def test_an_account_is_opened_at_the_market_time(tmp_path: Path) -> None:
    from tidemill.operations.account import open_settings_account

    ledger = MemoryLedger()
    with using(Services(Settings(home=tmp_path), Overrides(ledger=ledger, market_clock=ManualClock(NOW)))):
        open_settings_account(["USDT=5"])
    account = ledger.load_account("main")
    assert account is not None
    assert account.opened_at == NOW


def test_training_on_an_empty_store_tells_what_is_missing(tmp_path: Path) -> None:
    svc = Services(
        Settings(home=tmp_path),
        Overrides(
            market_store=MemoryMarketStore(),
            market_clock=ManualClock(NOW),
        ),
    )
    scope = TrainingScope(universe=svc.settings.universe, grid=svc.markets.grid, scorer="s", window_days=9)
    data = load_training_data(TrainingStores(bars=svc.stores.market, posts=svc.stores.market), scope, NOW)
    table = build_training_table(data, scope, horizon=24)
    candidate = train_candidate(table, params=svc.trading.training, as_of=NOW, name="m")
    verdict = judge(candidate, data, scope, promotion="paper")
    assert verdict.text == "refused"
    assert "only 0 rows with a known label" in verdict.reasons[0]
    assert "# Candidate m (not registered)" in training_page(candidate, verdict, "")


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(DataError, match=r"start 2021-04-22T12:20:00Z is not before end 2021-04-22T12:20:00Z"):
        require_range(NOW, NOW)
    assert require_range(NOW, NOW + timedelta(1)) == (NOW, NOW + timedelta(1))


def test_flows_refuse_a_range_that_holds_nothing(tmp_path: Path) -> None:
    from flows.backfill import backfill
    from flows.repair import repair

    with using(Services(Settings(home=tmp_path), Overrides(market_clock=ManualClock(NOW)))):
        for flow in (backfill, repair):
            with pytest.raises(DataError, match="is not before end"):
                flow.fn(start=NOW, end=NOW - timedelta(1))


def test_forms_refuse_numbers_that_cannot_be_meant() -> None:
    from flows.stream_market import stream_market
    from flows.sweep import sweep

    forms = {flow.name: flow.parameters.properties for flow in (sweep, stream_market)}
    assert forms["sweep"]["trials"]["minimum"] == 1
    assert {forms["sweep"][name]["minimum"] for name in ("train_days", "test_days", "purge_bars")} == {0}
    assert forms["stream_market"]["seconds"]["exclusiveMinimum"] == 0


def test_a_stream_of_a_market_that_is_not_there(tmp_path: Path) -> None:
    svc = Services(
        Settings(home=tmp_path),
        Overrides(
            market_store=MemoryMarketStore(),
        ),
    )
    with pytest.raises(ConfigurationError, match="no market 'ABSENT'; there are BINANCE"):
        svc.markets.sources.stream("ABSENT")
    svc.close()


def test_the_page_of_a_decision_is_read_by_people() -> None:
    forecast = {"instrument": "A", "strength": 0.1918513979, "volatility_annual": 0.98257, "expires_at": "then"}
    record = {
        "equity": "100418.4600",
        "forecasts": [forecast, {**forecast, "strength": -0.25, "volatility_annual": None}],
        "wanted": [{"instrument": "A", "quantity": "0.07019000", "price": "49173.850", "reason": ""}],
        "vetoes": [],
        "kept": [{"instrument": "B", "quantity": "0E+1", "reason": "one | two\nlines"}],
        "dropped": [],
    }
    decision = Decision(
        decision_id="d1",
        account="main",
        strategy="model",
        as_of=NOW,
        attempt=0,
        mode="paper",
        outcome="decided",
        reason="",
        model="tidemill",
        model_version="1",
        limits_version="l",
        ledger_sequence=1,
        store_watermark=1,
        market_time=NOW,
        wall_time=NOW,
        record=record,
    )
    page = decision_page(decision, [])
    assert "equity 100,418.46" in page
    assert "| A | +0.192 | 98.3% | then |\n| A | -0.250 |  | then |" in page
    assert "| A | 0.07019 | 49173.85 |  |" in page
    assert "## Refused or cut by limits\n\nnone\n" in page
    assert r"| B | 0 | one \| two lines |" in page
    assert page.endswith("## Orders\n\nnone\n")


def test_runs_are_named_by_what_was_given() -> None:
    from flows.backtest import backtest
    from flows.trade import trade

    assert trade.flow_run_name.format(mode="paper", as_of=NOW, attempt=0) == "trade-paper-2021-04-22T12:20:00Z"
    assert trade.flow_run_name.format(mode="paper", as_of=None, attempt=0) == "trade-paper"
    assert backtest.flow_run_name.format(strategy="trend", start=None) == "backtest-trend"
