"""Bootstrap, probabilistic and deflated Sharpe ratio: published figures, known limits, and coverage."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.errors import DataError
from tidemill.domain.trials import Trial, comparable_sharpes
from tidemill.performance.ratios import period_sharpe, sharpe_ratio
from tidemill.performance.resampling import bootstrap_intervals, compound, default_block, resampled_rows
from tidemill.performance.significance import (
    deflated_sharpe,
    expected_best_sharpe,
    probabilistic_sharpe,
    sharpe_confidence,
)


def normal(count: int, mean: float = 0.0, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 0.01, count)


def deepest(returns: np.ndarray) -> float:
    """Largest drawdown of equity that begins at 1, told apart from the code under test."""
    peak = equity = 1.0
    worst = 0.0
    for change in returns.tolist():
        equity *= 1 + change
        peak = max(peak, equity)
        worst = max(worst, 1 - equity / peak)
    return worst


def test_the_deflated_sharpe_ratio_of_the_paper() -> None:
    """Bailey and Lopez de Prado (2014), the numerical example: 100 trials, variance 1/2, 1250 daily returns."""
    best = expected_best_sharpe(100, 0.5 / 250)
    assert best == pytest.approx(0.1132, abs=5e-5)
    confidence = sharpe_confidence(2.5 / math.sqrt(250), best, count=1250, skew=-3, kurtosis=10)
    assert confidence == pytest.approx(0.9004, abs=5e-4)


def test_confidence_by_hand() -> None:
    """Normal returns: spread 1 + 0.1**2 / 2; 0.1 * 10 / 1.0025 is 0.9975 deviations, Phi 0.8407."""
    assert sharpe_confidence(0.1, 0.0, count=101, skew=0, kurtosis=3) == pytest.approx(0.8407, abs=1e-4)
    assert sharpe_confidence(0.1, 0.1, count=101, skew=0, kurtosis=3) == 0.5
    assert math.isnan(sharpe_confidence(1.0, 0.0, count=10, skew=5, kurtosis=3))


def test_the_best_of_many_rises_with_their_number() -> None:
    expected = [expected_best_sharpe(count, 1.0) for count in (1, 2, 10, 100, 1000)]
    assert expected[0] == 0.0
    assert expected == sorted(expected)
    assert expected_best_sharpe(10, 4.0) == pytest.approx(2 * expected_best_sharpe(10, 1.0))
    with pytest.raises(DataError, match="trials"):
        expected_best_sharpe(0, 1.0)


def test_the_best_of_many_is_what_simulation_gives() -> None:
    drawn = np.random.default_rng(7).normal(size=(20_000, 50)).max(axis=1).mean()
    assert expected_best_sharpe(50, 1.0) == pytest.approx(drawn, rel=0.02)


def test_one_trial_is_not_deflated_and_more_are() -> None:
    returns = normal(500, 0.0006)
    annual = sharpe_ratio(returns, 365)
    alone = deflated_sharpe(returns, 365, [annual])
    assert alone.trials == 1
    assert alone.probability == alone.above_zero == probabilistic_sharpe(returns)
    many = deflated_sharpe(returns, 365, [annual, 0.1, -0.5, 0.8, None])
    assert many.trials == 5
    variance = float(np.var([annual, 0.1, -0.5, 0.8], ddof=1))
    assert many.expected_best == pytest.approx(expected_best_sharpe(5, variance))
    assert many.probability == pytest.approx(probabilistic_sharpe(returns, many.expected_best / math.sqrt(365)))
    assert many.probability < alone.probability


def test_trials_of_unknown_ratio_are_counted_with_the_variance_of_chance() -> None:
    deflated = deflated_sharpe(normal(101), 365, [None, None, 0.3])
    assert deflated.expected_best == pytest.approx(expected_best_sharpe(3, 365 / 100))


@pytest.mark.parametrize("returns", [[], [0.1], [0.1, 0.1, 0.1], [0.1, 0.2]])
def test_too_little_gives_no_probability(returns: list[float]) -> None:
    assert math.isnan(probabilistic_sharpe(np.array(returns)))
    assert math.isnan(deflated_sharpe(np.array(returns), 365, [None, None]).probability)


@given(st.integers(3, 60), st.floats(1.0, 20.0))
def test_resampled_rows_are_blocks_that_wrap(count: int, mean_block: float) -> None:
    rows = np.concatenate(list(resampled_rows(count, resamples=20, mean_block=mean_block, seed=3)))
    assert rows.shape == (20, count)
    assert rows.min() >= 0
    assert rows.max() < count
    if mean_block == 1.0:
        return
    follows = (rows[:, 1:] == (rows[:, :-1] + 1) % count).mean()
    assert follows > (1 - 1 / mean_block) - 0.25


def test_the_mean_block_is_as_asked() -> None:
    rows = next(resampled_rows(1000, resamples=200, mean_block=10.0, seed=3))
    breaks = (rows[:, 1:] != (rows[:, :-1] + 1) % 1000).mean()
    assert 1 / breaks == pytest.approx(10.0, rel=0.05)
    with pytest.raises(DataError, match="mean block"):
        next(resampled_rows(10, resamples=1, mean_block=0.5, seed=1))


def test_the_same_returns_give_the_same_interval() -> None:
    returns = normal(200, 0.001)
    assert bootstrap_intervals(returns, 365) == bootstrap_intervals(returns, 365)
    assert bootstrap_intervals(returns, 365, seed=5) != bootstrap_intervals(returns, 365)


def test_memory_chunks_change_nothing_in_shape() -> None:
    rows = list(resampled_rows(3_000_000, resamples=2, mean_block=100.0, seed=1))
    assert [chunk.shape for chunk in rows] == [(1, 3_000_000)] * 2


def test_intervals_hold_the_figure_and_narrow_with_data() -> None:
    short, long = (bootstrap_intervals(normal(count, 0.001), 365) for count in (60, 2000))
    for returns, intervals in ((normal(60, 0.001), short), (normal(2000, 0.001), long)):
        assert intervals.sharpe.contains(sharpe_ratio(returns, 365))
        assert intervals.total_return.contains(float(np.prod(1 + returns) - 1))
        assert intervals.max_drawdown.contains(deepest(returns))
    assert long.sharpe.high - long.sharpe.low < short.sharpe.high - short.sharpe.low


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    truth = 0.1
    hits = 0
    for seed in range(120):
        returns = normal(250, 0.001, seed=seed)
        hits += bootstrap_intervals(returns, 1.0, resamples=300, mean_block=1.0).sharpe.contains(truth)
    assert 0.87 <= hits / 120 <= 1.0


def test_dependence_widens_the_interval() -> None:
    """Returns that repeat themselves for ten periods say less than as many independent ones."""
    returns = np.repeat(normal(60, 0.001), 10)
    alone, blocks = (bootstrap_intervals(returns, 365, mean_block=size).sharpe for size in (1.0, 30.0))
    assert blocks.high - blocks.low > 1.5 * (alone.high - alone.low)


def test_too_few_or_constant_returns_have_no_sharpe_interval() -> None:
    assert math.isnan(bootstrap_intervals(normal(9), 365).sharpe.low)
    flat = bootstrap_intervals(np.zeros(50), 365)
    assert math.isnan(flat.sharpe.low)
    assert (flat.total_return.low, flat.total_return.high) == (0.0, 0.0)
    assert math.isnan(period_sharpe(np.zeros(50)))


def test_the_block_grows_with_the_cube_root() -> None:
    assert default_block(1000) == pytest.approx(10.0)
    assert default_block(0) == 1.0


def test_the_drawdown_interval_is_that_of_the_drawn_paths() -> None:
    returns = normal(40, 0.001)
    rows = next(resampled_rows(40, resamples=200, mean_block=2.0, seed=9))
    falls = [deepest(returns[row]) for row in rows]
    interval = bootstrap_intervals(returns, 365, resamples=200, mean_block=2.0, seed=9).max_drawdown
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(falls, [0.025, 0.975])))
    nothing = bootstrap_intervals(np.full(20, 0.01), 365).max_drawdown
    assert (nothing.low, nothing.high) == (0.0, 0.0)


def test_long_runs_are_compounded_to_spans_and_keep_their_total() -> None:
    returns = normal(20_011, 0.0001)
    compounded, size = compound(returns)
    assert (len(compounded), size) == (4003, 5)
    assert np.prod(1 + compounded) == pytest.approx(np.prod(1 + returns))
    assert compounded[0] == pytest.approx(np.prod(1 + returns[:5]) - 1)
    short, whole = compound(normal(5000))
    assert (len(short), whole) == (5000, 1)
    intervals = bootstrap_intervals(returns, 365 * 1440)
    assert intervals.sharpe.contains(sharpe_ratio(returns, 365 * 1440))
    assert intervals.max_drawdown.contains(deepest(returns))
    assert intervals.sharpe.mean_block == pytest.approx(default_block(4003) * 5)


def test_trials_of_another_length_count_and_do_not_widen_the_bar() -> None:
    def trial(sharpe: float, days: float, number: int) -> Trial:
        start = datetime(2025, 1, 1, tzinfo=UTC)
        return Trial(
            recorded_at=start, strategy="trend", parameters_hash=f"p{number}", start=start,
            end=start + timedelta(days=days), data_hash="d", sharpe=sharpe, orders=1,
        )  # fmt: skip

    year = [trial(0.1 * number, 365, number) for number in range(5)]
    week = [trial(20.0, 7, 6), trial(-25.0, 7, 7)]
    ratios = comparable_sharpes([*year, *week], start=year[0].start, end=year[0].end)
    assert ratios == [0.1 * number for number in range(5)] + [None, None]
    judged = deflated_sharpe(normal(365, 0.001), 365, ratios)
    assert judged.trials == 7
    assert (
        judged.expected_best < deflated_sharpe(normal(365, 0.001), 365, [0.1, 0.2, 0.3, 0.4, 20, -25]).expected_best / 5
    )
