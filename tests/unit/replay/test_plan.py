"""What a replay runs, the settings that it leaves behind, and the sentence when nothing was filled."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recordings_made import HEAD, at, frame, recording, write

from tidemill.domain.errors import ConfigurationError, DataError
from tidemill.recording.traded import DEFAULT_STEPS, make_grid, traded_part
from tidemill.replay.drive import StepLog
from tidemill.replay.plan import ReplayOptions, ReplayPlan, channels, make_plan, replay_settings, write_settings_file
from tidemill.replay.summary import DemoSummary, largest_drawdown, why_no_fill
from tidemill.reports.orders import ORDER_COUNTS
from tidemill.settings import FILE_NAME, Settings, load_settings

HOURS = 60
TAPE = recording(BTC=list(range(HOURS)), ETH=list(range(HOURS)))
GRID = make_grid(TAPE, None)
URLS = {name: f"http://127.0.0.1:1/{name}" for name in ("rest", "admin", "x", "reddit", "news")}


def plan(folder: Path, **changes: object) -> ReplayPlan:
    """A replay of a recording of sixty hours on disk, with posts."""
    text = HEAD + (
        '[[bars]]\nvenue = "BINANCE"\ninstrument = "BTC-USDT"\ntimeframe = "1h"\nfile = "btc.parquet"\n'
        'rename = { timestamp = "open_time" }\nprice_step = "0.01"\nlot_step = "0.00001"\nmin_notional = "5"\n'
        '[[posts]]\nsource = "reddit"\nfile = "posts.csv"\n'
        'rename = { made = "created_at", body = "text", subreddit = "channel" }\nnot_known_at_creation = ["score"]\n'
    )
    path = write(folder, text=text, bars=frame(list(range(HOURS))))
    options = ReplayOptions(**{"data": path, "strategy": "trend", **changes})
    return make_plan(options, load_settings(home=folder / "home"))


@given(st.integers(1, HOURS - 1), st.integers(1, HOURS))
def test_what_is_traded_lies_between_start_and_end_and_in_the_recording(first: int, last: int) -> None:
    start, end = at(first), at(last)
    if last <= first:
        with pytest.raises(DataError, match=r"no decision falls between .*; the recording covers 2021-04-19T00:00:00Z"):
            traded_part(TAPE, GRID, start, end)
        return
    points, until = traded_part(TAPE, GRID, start, end)
    assert list(points) == [at(hour) for hour in range(first, last)]
    assert until == end


def test_without_a_start_the_last_twelve_decisions_are_traded() -> None:
    points, until = traded_part(TAPE, GRID, None, None)
    assert len(points) == DEFAULT_STEPS
    assert points[-1] == at(HOURS - 1)
    assert until == TAPE.last_close
    assert traded_part(TAPE, GRID, None, at(3))[0] == (at(1), at(2))


def test_marking_ends_where_the_next_decision_would_be_made() -> None:
    every = make_grid(TAPE, "4h")
    points, until = traded_part(TAPE, every, at(4), None)
    assert until == min(points[-1] + timedelta(hours=4), TAPE.last_close)
    assert all(point.hour % 4 == 0 for point in points)


def test_sessions_cannot_be_thinned() -> None:
    daily = replace(recording(BTC=[0, 24, 72]), calendar="as-recorded")
    with pytest.raises(DataError, match="does not fit a recording of sessions"):
        make_grid(daily, "2h")
    assert make_grid(daily, None).sessions == daily.sessions


def test_a_replay_has_a_folder_of_its_own_each_time(tmp_path: Path) -> None:
    first, second = plan(tmp_path), plan(tmp_path)
    assert first.folder != second.folder
    assert first.folder.parent == second.folder.parent == tmp_path / "home" / "runs"
    assert first.universe == ("BTC-USDT.BINANCE",)
    assert (len(first.points), first.generated_posts, first.every) == (DEFAULT_STEPS, False, "1h")


def test_a_strategy_s_file_is_found_from_another_folder(tmp_path: Path) -> None:
    assert Path(plan(tmp_path, strategy="mine.py").strategy).is_absolute()
    assert plan(tmp_path, strategy="reversion").strategy == "reversion"


def test_a_replay_asks_nobody_but_this_machine(tmp_path: Path) -> None:
    settings = replay_settings(plan(tmp_path), Settings(), urls=URLS, key="k", secret="s")
    urls = [
        settings.venue.rest_url,
        settings.venue.admin_url,
        *(group.base_url for group in (settings.x, settings.reddit, settings.news)),
    ]
    assert all(url.startswith("http://127.0.0.1:1/") for url in urls)
    assert (settings.mode, settings.live, settings.market_url, settings.influx_url) == ("replay", False, "", "")
    assert settings.reddit.subreddits == ("Bitcoin",)
    assert (settings.x.query, settings.news.query) == ("BTC", "BTC")


def test_the_file_that_a_replay_leaves_finds_the_run_again_and_holds_no_key(tmp_path: Path) -> None:
    own = plan(tmp_path)
    write_settings_file(own, Settings(promotion="proven"))
    text = (own.folder / FILE_NAME).read_text(encoding="utf-8")
    values = tomllib.loads(text)
    assert (values["home"], values["mode"], values["promotion"]) == (str(own.folder), "replay", "proven")
    assert values["universe"] == ["BTC-USDT.BINANCE"]
    assert "key" not in values
    assert "secret" not in text
    read = Settings(**values)
    assert (read.recording, read.strategy, read.timeframe) == (own.source, "trend", "1h")


def test_the_channels_of_a_source_are_its_own_each_once() -> None:
    posts = pd.DataFrame({"source": ["x", "reddit", "reddit", "reddit"], "channel": ["c", "b", "a", "b"]})
    tape = replace(TAPE, posts=posts)
    assert channels(tape, "reddit") == ("a", "b")
    assert channels(tape, "news") == ()
    assert channels(TAPE, "reddit") == ()


@given(st.lists(st.decimals(1, 1000, places=2), max_size=20))
def test_the_largest_fall_is_the_worst_of_all_pairs_in_their_order(values: list[Decimal]) -> None:
    marks = [(at(hour), value) for hour, value in enumerate(values)]
    falls = [1 - after / before for i, before in enumerate(values) for after in values[i:]]
    assert largest_drawdown(marks) == max([Decimal(0), *falls])


def summary(folder: Path, log: StepLog, counts: dict[str, int]) -> DemoSummary:
    """What a replay of twelve decisions came to, as far as the sentence reads it."""
    return DemoSummary(
        plan=plan(folder),
        log=log,
        history={},
        seconds=1.0,
        ui="",
        model=None,
        orders={**dict.fromkeys(ORDER_COUNTS, 0), **counts},
        fees=Decimal(0),
        equity_start=Decimal(100),
        equity_end=Decimal(100),
        max_drawdown=Decimal(0),
        ledger_venue_difference=Decimal(0),
        lineage=None,
    )


REFUSED = [{"reason": "a"}, {"reason": "no bars"}]


@pytest.mark.parametrize(
    ("changes", "counts", "words"),
    [
        ({}, {"filled": 1}, ""),
        ({}, {"partly_filled": 1}, ""),
        ({"refusals": REFUSED * 6}, {}, "every decision was refused, the last because: no bars."),
        ({"forecasts": 0}, {}, "there was no forecast"),
        ({}, {}, "no forecast asked for a change of position large enough"),
        ({}, {"intended": 3, "expired": 2, "rejected": 1}, "of 3 orders 2 expired at their price cap, 1 were rejected"),
        ({"refusals": REFUSED, "forecasts": 0}, {}, "there was no forecast"),
    ],
)
def test_why_nothing_was_filled(tmp_path: Path, changes: dict[str, object], counts: dict[str, int], words: str) -> None:
    sentence = why_no_fill(summary(tmp_path, StepLog(**{"forecasts": 4, **changes}), counts))
    assert words in sentence
    assert bool(sentence) == bool(words)


def test_a_recording_with_nothing_to_decide_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no decision falls"):
        plan(tmp_path, start=at(HOURS + 10))
    assert not (tmp_path / "home").exists()
    (tmp_path / "home").write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="set TIDEMILL_HOME"):
        plan(tmp_path)
