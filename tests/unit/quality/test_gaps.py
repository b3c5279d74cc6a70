"""Expected bars, holes with their causes and history, and completeness, pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.errors import DataError
from tidemill.domain.gaps import Cause, Fetch, Gap, GapState
from tidemill.domain.market import BarSchedule, DecisionGrid, to_micros
from tidemill.quality.completeness import measure_days, measure_series, window_fraction
from tidemill.quality.gaps import (
    Evidence,
    Neighbour,
    expected_opens,
    find_gaps,
    find_missing,
    judge_cause,
    revise_gaps,
)

START = datetime(2021, 4, 19, tzinfo=UTC)
HOUR = timedelta(hours=1)
BTC = "BTC-USDT.BINANCE"
HOURLY = BarSchedule(timeframe="1h")


def daily_of(sessions: Sequence[datetime]) -> BarSchedule:
    return BarSchedule(timeframe="1d", calendar="as-recorded", sessions=sessions)


def at(hour: float) -> datetime:
    return START + hour * HOUR


def opens(*hours: int) -> np.ndarray:
    return np.array([to_micros(at(hour)) for hour in hours], dtype=np.int64)


def fetched(first: int, beyond: int) -> Fetch:
    return Fetch(instrument=BTC, timeframe="1h", start=at(first), end=at(beyond), bars=0)


def neighbour(*hours: int) -> Neighbour:
    return Neighbour(opens=opens(*hours), listed_from=to_micros(at(0)), listed_until=to_micros(at(24)))


def judge(missing: np.ndarray, **changes: object) -> list[Cause]:
    stored = opens(*(hour for hour in range(10) if to_micros(at(hour)) not in missing))
    base = Evidence(now=at(20), stored=stored, fetches=[fetched(0, 10)], neighbours={"ETH": neighbour(*range(10))})
    return [cause for cause, _ in judge_cause(missing, "1h", replace(base, **changes))]


def gap(first: int, beyond: int, cause: Cause = Cause.UNKNOWN, **changes: object) -> Gap:
    made = Gap(
        instrument=BTC, timeframe="1h", start=at(first), end=at(beyond), missing=beyond - first, cause=cause, why="w"
    )
    return replace(made, **changes)


def test_a_round_clock_expects_every_step_and_sessions_expect_themselves() -> None:
    assert list(expected_opens(HOURLY, at(0.5), at(3))) == list(opens(1, 2))
    sessions = [at(0), at(24), at(96)]
    daily = expected_opens(daily_of(sessions), at(0), at(96))
    assert list(daily) == list(opens(0, 24))


def test_each_cause_by_its_evidence() -> None:
    gone = opens(4)
    assert judge(gone) == [Cause.NO_TRADES]
    assert judge(gone, neighbours={"ETH": neighbour(3, 5), "SOL": neighbour(5)}) == [Cause.VENUE_OUTAGE]
    assert judge(gone, fetches=[fetched(0, 4), fetched(5, 10)]) == [Cause.OUR_OUTAGE]
    assert judge(gone, now=at(5) + timedelta(seconds=30), publish_delay=timedelta(minutes=1)) == [Cause.NOT_PUBLISHED]
    assert judge(gone, quarantined=opens(4)) == [Cause.QUARANTINED]
    assert judge(gone, neighbours={}) == [Cause.UNKNOWN]


def test_what_no_bar_follows_is_not_called_a_time_without_trades() -> None:
    assert judge(opens(9), fetches=[fetched(0, 10)]) == [Cause.UNKNOWN]


def test_an_instrument_that_was_not_listed_proves_nothing() -> None:
    late = replace(neighbour(8, 9), listed_from=to_micros(at(8)))
    assert judge(opens(4), neighbours={"NEW": late}) == [Cause.UNKNOWN]


def test_the_witness_is_told_in_the_reason() -> None:
    evidence = Evidence(now=at(20), stored=opens(3, 5), fetches=[fetched(0, 9)], reference_opens=opens(4))
    assert "the witness has it" in judge_cause(opens(4), "1h", evidence)[0][1]
    assert "the witness lacks it" in judge_cause(opens(4), "1h", replace(evidence, reference_opens=opens()))[0][1]


def test_missing_bars_side_by_side_are_one_hole_until_the_cause_changes() -> None:
    expected = expected_opens(HOURLY, at(0), at(10))
    missing = find_missing(expected, opens(0, 1, 5, 9))
    causes = [(Cause.NO_TRADES, "")] * 2 + [(Cause.VENUE_OUTAGE, "")] * 4
    found = find_gaps(BTC, "1h", expected, missing, causes)
    assert [(one.start, one.end, one.missing, one.cause) for one in found] == [
        (at(2), at(4), 2, Cause.NO_TRADES),
        (at(4), at(5), 1, Cause.VENUE_OUTAGE),
        (at(6), at(9), 3, Cause.VENUE_OUTAGE),
    ]


def test_a_weekend_between_two_missing_sessions_does_not_cut_the_hole() -> None:
    sessions = [at(0), at(24), at(96), at(120)]
    expected = expected_opens(daily_of(sessions), at(0), at(200))
    missing = find_missing(expected, opens(0, 120))
    found = find_gaps(BTC, "1d", expected, missing, [(Cause.UNKNOWN, "")] * 2)
    assert [(one.start, one.end, one.missing) for one in found] == [(at(24), at(120), 2)]


def test_what_is_seen_again_adds_no_line() -> None:
    assert revise_gaps([gap(2, 4)], [gap(2, 4)], asked_again=False, stored=opens()) == []


def test_a_hole_whose_bars_came_is_repaired_and_one_covered_by_another_merged() -> None:
    (repaired,) = revise_gaps([gap(2, 4)], [], asked_again=False, stored=opens(2, 3), not_due=[at(2)])
    assert repaired.state is GapState.REPAIRED
    lines = revise_gaps([gap(2, 3), gap(3, 5, Cause.NO_TRADES)], [gap(2, 5)], asked_again=False, stored=opens())
    assert [(one.start, one.state) for one in lines] == [(at(2), GapState.OPEN), (at(3), GapState.MERGED)]


def test_a_hole_without_bars_is_never_called_repaired() -> None:
    (withdrawn,) = revise_gaps([gap(2, 4)], [], asked_again=True, stored=opens(1, 5), not_due=[at(2)])
    assert (withdrawn.state, withdrawn.why) == (GapState.WITHDRAWN, "no bar was due then")
    assert revise_gaps([gap(2, 4)], [], asked_again=True, stored=opens(1, 5)) == [], "what is not known to end stays"


def test_what_nobody_has_is_accepted_and_stays_so_until_it_changes() -> None:
    down = gap(2, 4, Cause.VENUE_OUTAGE)
    (accepted,) = revise_gaps([down], [down], asked_again=True, stored=opens())
    assert accepted.state is GapState.ACCEPTED
    assert revise_gaps([accepted], [down], asked_again=False, stored=opens()) == []
    (again,) = revise_gaps([accepted], [gap(2, 3, Cause.NO_TRADES)], asked_again=False, stored=opens())
    assert again.state is GapState.OPEN
    unknown = gap(2, 4)
    assert revise_gaps([unknown], [unknown], asked_again=True, stored=opens()) == []


def test_an_empty_hole_is_refused() -> None:
    with pytest.raises(DataError, match="holds no bar"):
        gap(2, 2, missing=0)


def test_a_series_adds_up_with_its_causes_and_days() -> None:
    stored = opens(*(hour for hour in range(48) if hour not in {5, 6, 30}))
    gaps = [gap(5, 7, Cause.VENUE_OUTAGE)]
    done = measure_series(
        BTC, HOURLY, stored, end=at(48), gaps=gaps, history=[*gaps, gap(10, 12), gap(20, 21, Cause.NOT_PUBLISHED)]
    )
    assert done is not None
    assert (done.expected, done.stored, done.repaired) == (48, 45, 2)
    assert done.missing == {Cause.VENUE_OUTAGE: 2, Cause.UNKNOWN: 1}
    assert [(one.expected, one.stored) for one in done.days] == [(24, 22), (24, 23)]
    told = done.to_json()
    assert told["complete"] == "93.7500%"
    assert [one["day"] for one in told["incomplete_days"]] == ["2021-04-19", "2021-04-20"]
    assert measure_series(BTC, HOURLY, opens(), end=at(1), gaps=[], history=[]) is None


def test_the_window_of_a_decision() -> None:
    grid = DecisionGrid(timeframe="1h", delay_seconds=90)
    assert window_fraction(opens(*range(10)), grid, at(10), bars=10) == 1.0
    assert window_fraction(opens(0, 1, 2, 3, 8, 9), grid, at(10), bars=4) == pytest.approx(4 / 8)
    assert window_fraction(opens(), grid, at(10), bars=4) == 0.0


@given(have=st.sets(st.integers(0, 60)), cuts=st.lists(st.sampled_from([Cause.UNKNOWN, Cause.NO_TRADES]), min_size=60))
def test_holes_and_stored_bars_make_up_what_is_expected(have: set[int], cuts: list[Cause]) -> None:
    expected = expected_opens(HOURLY, at(0), at(60))
    stored = opens(*sorted(have))
    missing = find_missing(expected, stored)
    found = find_gaps(BTC, "1h", expected, missing, [(cause, "") for cause in cuts[: len(missing)]])
    kept = int(np.isin(expected, stored).sum())
    assert sum(one.missing for one in found) + kept == len(expected)
    assert all(one.end - one.start == one.missing * HOUR for one in found)
    assert sum(one.stored for one in measure_days(expected, stored)) == kept
