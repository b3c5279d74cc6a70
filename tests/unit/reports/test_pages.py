"""Rows and pages that people read: counts that add up, tables that nothing in a cell can break."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.runs_made import order

from tidemill.domain.gaps import Cause, Gap
from tidemill.domain.series import SeriesState, SeriesStatus
from tidemill.domain.trading import LedgerOrder, OrderState
from tidemill.quality import SeriesCompleteness
from tidemill.quality.completeness import DayCompleteness
from tidemill.reports import ORDER_COLUMNS, add_counts, count_orders, order_row
from tidemill.reports.decisions import monitor_page, skipped_page
from tidemill.reports.market import (
    asset_key,
    completeness_days,
    completeness_rows,
    gap_row,
    ingest_page,
    posts_page,
    progress_sentence,
    repair_page,
    stream_page,
)
from tidemill.reports.orders import ORDER_COUNTS, reconcile_page
from tidemill.reports.tables import plain, table

NOW = datetime(2021, 4, 19, 3, tzinfo=UTC)
BTC = "BTC-USDT.T"


@st.composite
def orders(draw: st.DrawFn) -> LedgerOrder:
    """An order in any state, filled in any part."""
    quantity = draw(st.integers(1, 10))
    filled = Decimal(draw(st.integers(0, quantity)))
    return replace(order(0, str(quantity)), state=draw(st.sampled_from(sorted(OrderState))), filled=filled)


@given(st.lists(orders(), max_size=30))
def test_every_order_counts_once(run: list[LedgerOrder]) -> None:
    counts = count_orders(run)
    assert tuple(counts) == ORDER_COUNTS
    assert counts["intended"] == len(run) == sum(counts.values()) - counts["intended"]


@given(st.lists(orders(), max_size=20), st.lists(orders(), max_size=20))
def test_two_runs_together_count_as_one(first: list[LedgerOrder], second: list[LedgerOrder]) -> None:
    together = add_counts(count_orders(first), count_orders(second))
    assert together == count_orders([*first, *second])


def test_counts_of_other_names_are_kept() -> None:
    assert add_counts({"a": 1}, {"b": 2}) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("state", "filled", "name"),
    [
        (OrderState.EXPIRED, "0", "expired"),
        (OrderState.EXPIRED, "1", "partly_filled"),
        (OrderState.EXPIRED, "2", "filled"),
        (OrderState.CANCELLED, "0", "cancelled"),
        (OrderState.UNKNOWN, "0", "unknown"),
        (OrderState.SUBMITTING, "0", "unknown"),
        (OrderState.PLANNED, "0", "open"),
        (OrderState.OPEN, "1", "partly_filled"),
        (OrderState.NOT_PLACED, "0", "not_placed"),
    ],
)
def test_what_was_filled_outweighs_the_state(state: OrderState, filled: str, name: str) -> None:
    counts = count_orders([replace(order(0, "2"), state=state, filled=Decimal(filled))])
    assert {key for key, count in counts.items() if count} == {"intended", name}


def test_an_order_is_a_row_without_an_exponent() -> None:
    row = order_row(replace(order(0, "1E+3"), filled=Decimal("0E-8"), reason="full"))
    assert tuple(row) == ORDER_COLUMNS
    assert (row["quantity"], row["limit_price"], row["filled"], row["reason"]) == ("1000", "1", "0", "full")


@given(st.decimals(-(10**9), 10**9, places=8))
def test_an_amount_is_the_same_without_its_zeros(amount: Decimal) -> None:
    text = plain(amount)
    assert Decimal(text) == amount
    assert "E" not in text
    assert not ("." in text and text.endswith("0"))
    assert plain(str(amount)) == text


def test_an_amount_that_is_not_there_is_an_empty_text() -> None:
    assert plain(None) == plain("") == ""


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.text("x|\n\r\t y", max_size=8)), max_size=6))
def test_no_text_in_a_cell_breaks_the_table(rows: list[dict[str, str]]) -> None:
    lines = table(rows, ("a", "b")).split("\n")
    assert len(lines) == 2 + len(rows)
    for line in lines:
        assert line.replace(r"\|", "").count("|") == 3


def test_a_table_that_did_not_escape_would_be_caught() -> None:
    escaped = table([{"a": "x|y", "b": "z"}], ("a", "b")).split("\n")[-1]
    assert escaped.replace(r"\|", "").count("|") == 3
    assert escaped.replace(r"\|", "|").count("|") == 4


def completeness(name: str, *, days: tuple[tuple[int, int], ...], causes: dict[Cause, int]) -> SeriesCompleteness:
    expected, stored = sum(day[0] for day in days), sum(day[1] for day in days)
    return SeriesCompleteness(
        instrument=name,
        timeframe="1h",
        start=NOW,
        end=NOW + timedelta(days=len(days)),
        expected=expected,
        stored=stored,
        repaired=1,
        missing=causes,
        days=tuple(
            DayCompleteness(day=date(2021, 4, 19 + number), expected=day[0], stored=day[1])
            for number, day in enumerate(days)
        ),
    )


WHOLE = completeness(BTC, days=((21, 21), (24, 24)), causes={})
TORN = completeness("ETH-USDT.T", days=((21, 11), (24, 22)), causes={Cause.UNKNOWN: 10, Cause.OUR_OUTAGE: 2})


def test_a_series_is_told_with_what_is_missing_by_cause_and_its_state() -> None:
    status = SeriesStatus(instrument="ETH-USDT.T", timeframe="1h", state=SeriesState.DELISTED)
    rows = completeness_rows([WHOLE, TORN], [status])
    assert [row["complete"] for row in rows] == ["100.0000%", "73.3333%"]
    assert [row["missing"] for row in rows] == [0, 12]
    assert [row["causes"] for row in rows] == ["none", f"10 {Cause.UNKNOWN}, 2 {Cause.OUR_OUTAGE}"]
    assert [row["state"] for row in rows] == ["fine", "delisted"]


def test_days_add_up_over_all_series_the_newest_first() -> None:
    days = completeness_days([WHOLE, TORN])
    assert [(row["day"], row["expected"], row["stored"]) for row in days] == [
        ("2021-04-20", 48, 46),
        ("2021-04-19", 42, 32),
    ]
    assert days[1]["complete"] == "76.1905%"


def gap(hours: int, cause: Cause = Cause.UNKNOWN) -> Gap:
    return Gap(
        instrument=BTC,
        timeframe="1h",
        start=NOW,
        end=NOW + hours * timedelta(hours=1),
        missing=hours,
        cause=cause,
        why="nobody has it",
    )


def test_what_is_missing_still_stands_at_the_end_of_a_repair() -> None:
    page = repair_page([{"name": BTC, "fetched": 3}], [gap(2)])
    assert f"| {BTC} |  | 3 |" in page
    row = gap_row(gap(2))
    assert (row["missing"], row["start"], row["end"]) == (2, "2021-04-19T03:00:00Z", "2021-04-19T05:00:00Z")
    assert page.endswith(
        f"| {BTC} | 1h | 2 | {Cause.UNKNOWN} | {row['start']} | {row['end']} | {row['state']} | nobody has it |"
    )
    assert repair_page([], []).endswith("## Missing still\n\nnothing")


def test_pages_of_nothing_say_so() -> None:
    assert ingest_page("Bars", []) == "# Bars\n\nNo series was asked for."
    assert "No source has a key" in posts_page([])
    assert skipped_page(NOW, "11 minutes late") == (
        "# No decision as of 2021-04-19T03:00:00Z\n\n**Skipped**: 11 minutes late\n"
    )


def test_a_failure_of_a_series_stands_in_its_row() -> None:
    page = ingest_page("Bars", [{"name": BTC, "fetched": 0, "failure": "no | answer"}])
    assert page.endswith(r"| no \| answer |")
    stream = stream_page("T", {"bars": 5, "trades": 6, "breaks": 2, "healed": 1, "failures": ["one hour is missing"]})
    assert "| 5 | 6 | 2 | 1 |" in stream
    assert stream.endswith("- one hour is missing")
    assert stream_page("T", {"bars": 0, "trades": 0, "breaks": 0, "healed": 0, "failures": []}).endswith("- none")


@pytest.mark.parametrize(
    ("instrument", "timeframe", "key"),
    [
        (BTC, "1h", "tidemill://bars/T/BTC-USDT/1h"),
        ("BRK.B-USD.XNYS", "1d", "tidemill://bars/XNYS/BRK.B-USD/1d"),
    ],
)
def test_the_asset_of_a_series_keeps_its_name(instrument: str, timeframe: str, key: str) -> None:
    assert asset_key(instrument, timeframe) == key


@pytest.mark.parametrize(
    ("done", "words"),
    [
        (0, "0 of 4 parts, about 0:00:00 left"),
        (1, "1 of 4 parts, about 0:03:00 left"),
        (4, "4 of 4 parts, done in 0:01:00"),
    ],
)
def test_how_long_the_rest_takes_is_guessed_from_the_parts_so_far(done: int, words: str) -> None:
    assert progress_sentence("backfill", done, 4, timedelta(minutes=1)) == f"backfill: {words}"


def test_agreement_of_ledger_and_venue_is_one_sentence_and_a_difference_a_list() -> None:
    assert "equal to the last unit" in reconcile_page([], [], 0)
    page = reconcile_page(["1 BTC less at the venue"], [order(0, "1")], 2)
    assert page.startswith("# Ledger and venue differ\n\n2 new freezes")
    assert page.endswith("- 1 BTC less at the venue\n- order i0 is still in doubt")
    # an order in doubt alone is no agreement
    assert "agree" not in reconcile_page([], [order(0, "1")], 0)


def test_health_tells_a_decision_that_came_out_otherwise_in_capitals() -> None:
    rerun = {"decision": "d1", "same": False, "promise": "bit for bit", "differences": ["ret_1 is 2, was 1"]}
    page = monitor_page(["2021-04-19T03:01:30Z"], [{"scope": "*", "reason": "halt", "since": "now"}], rerun)
    assert "1 moments without a decision in the last day: \n- 2021-04-19T03:01:30Z" in page
    assert "| * | halt | now |" in page
    assert page.endswith("d1: DIFFERENT (bit for bit)\n- ret_1 is 2, was 1")
    calm = monitor_page([], [], {"decision": None})
    assert "0 moments without a decision in the last day." in calm
    assert "none" in calm
    assert calm.endswith("no decision in the last day")
    assert monitor_page([], [], {**rerun, "same": True, "differences": []}).endswith("d1: same (bit for bit)")
