"""One suite for the trial ledger in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from tidemill.adapters.sql.ledger.ledger import SqlLedger
from tidemill.adapters.sql.ledger.trials import SqlTrialLedger
from tidemill.domain.errors import DataError
from tidemill.domain.trials import Trial, distinct_trials
from tidemill.memory.trials import MemoryTrialLedger

START = datetime(2025, 1, 1, tzinfo=UTC)
TRIAL = Trial(
    recorded_at=START + timedelta(days=400, microseconds=7),
    strategy="trend",
    parameters_hash="a" * 64,
    start=START,
    end=START + timedelta(days=90),
    data_hash="d" * 64,
    sharpe=0.1 + 0.2,
    orders=42,
)


@pytest.fixture
def url(backend: str, tmp_path, request) -> str:
    if backend == "postgres":
        return request.getfixturevalue("postgres_database")
    return f"sqlite:///{tmp_path / 'ops.db'}"


@pytest.fixture
def ledger(backend: str, url: str) -> Iterator[object]:
    made = MemoryTrialLedger() if backend == "memory" else SqlTrialLedger(url)
    yield made
    made.close()


def test_an_empty_ledger_has_no_trials(ledger) -> None:
    assert list(ledger.load_trials()) == []


def test_a_trial_comes_back_as_it_was(ledger) -> None:
    unknown = replace(TRIAL, sharpe=None, strategy="reversion")
    assert ledger.record_trial(TRIAL) == 1
    assert ledger.record_trial(unknown) == 2
    assert list(ledger.load_trials()) == [TRIAL, unknown]


def test_the_same_run_again_is_a_row_but_no_other_trial(ledger) -> None:
    later = replace(TRIAL, recorded_at=TRIAL.recorded_at + timedelta(days=1), sharpe=0.5)
    assert [ledger.record_trial(one) for one in (TRIAL, later, replace(TRIAL, parameters_hash="b"))] == [1, 2, 3]
    assert len(ledger.load_trials()) == 3
    assert [one.sharpe for one in distinct_trials(ledger.load_trials())] == [0.5, TRIAL.sharpe]


@pytest.mark.parametrize(
    "change",
    [{"strategy": "x"}, {"parameters_hash": "x"}, {"data_hash": "x"}, {"start": START - timedelta(days=1)}],
    ids=lambda change: next(iter(change)),
)
def test_any_other_setting_period_or_data_is_another_trial(change: dict) -> None:
    assert len(distinct_trials([TRIAL, replace(TRIAL, **change)])) == 2
    assert len(distinct_trials([TRIAL, replace(TRIAL, sharpe=9.0, orders=0)])) == 1


def test_trials_are_told_by_data(ledger) -> None:
    other = replace(TRIAL, data_hash="e" * 64)
    for one in (TRIAL, other, TRIAL):
        ledger.record_trial(one)
    assert list(ledger.load_trials(data_hash=TRIAL.data_hash)) == [TRIAL, TRIAL]
    assert list(ledger.load_trials(data_hash="none")) == []


def test_it_outlives_the_process(backend: str, url: str) -> None:
    if backend == "memory":
        return
    for number in (1, 2):
        ledger = SqlTrialLedger(url)
        assert ledger.record_trial(TRIAL) == number
        ledger.close()


def test_it_shares_the_database_with_the_ledger(backend: str, url: str) -> None:
    if backend == "memory":
        return
    orders, trials = SqlLedger(url), SqlTrialLedger(url)
    assert trials.record_trial(TRIAL) == 1
    assert orders.load_freezes() == []
    orders.close()
    trials.close()


@pytest.mark.parametrize("statement", ["UPDATE trials SET sharpe = 9", "DELETE FROM trials"])
def test_the_database_refuses_to_forget(backend: str, url: str, statement: str) -> None:
    if backend == "memory":
        return
    ledger = SqlTrialLedger(url)
    ledger.record_trial(TRIAL)
    engine = sa.create_engine(url)
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()
    assert list(ledger.load_trials()) == [TRIAL]
    ledger.close()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"strategy": ""}, "strategy"),
        ({"data_hash": ""}, "data_hash"),
        ({"end": START}, "not after"),
        ({"sharpe": float("nan")}, "a number or None"),
        ({"recorded_at": datetime(2025, 1, 1)}, "time zone"),
    ],
)
def test_a_trial_that_cannot_be_is_refused(change: dict, text: str) -> None:
    with pytest.raises(DataError, match=text):
        replace(TRIAL, **change)
