"""The paper venue on live data: its source is a second paper venue, asked over the wire with the real client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pandas as pd
import pytest
import requests

from tidemill.bootstrap import build_live_market
from tidemill.domain.errors import TidemillError
from tidemill.domain.market import Bar, Instrument
from tidemill.domain.trading import OrderState, OrderType, Side, TimeInForce
from tidemill.matching import FillRules, Ticket
from tidemill.recording import RecordedSeries, Recording, bundled_recording
from tidemill.venue import UNLIMITED, VenueOptions, VenueServer
from tidemill.venue.live import LiveTape
from tidemill.venue.state import VenueState

pytestmark = pytest.mark.wire
KEY, SECRET = "k1", "s1"
BTC = Instrument(
    venue="T",
    base="BTC",
    quote="USDT",
    price_step=Decimal("0.01"),
    lot_step=Decimal("0.001"),
    min_notional=Decimal(5),
)
RULES = FillRules(
    slippage=Decimal("0.001"),
    participation=Decimal("0.1"),
    decision_delay=timedelta(seconds=30),
    fee_maker=Decimal("0.001"),
    fee_taker=Decimal("0.001"),
)
SETTINGS = {
    "TIDEMILL_UNIVERSE": '["BTC-USDT.T"]',
    "TIDEMILL_TIMEFRAME": "1m",
    "TIDEMILL_VENUE__NAME": "T",
    "TIDEMILL_SLIPPAGE": "0.001",
}


def minutes_around_now() -> Recording:
    """Three hours of minutes with this moment in their middle; every close is 100."""
    first = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=90)
    opens = pd.DatetimeIndex([first + timedelta(minutes=number) for number in range(180)]).as_unit("us")
    prices = {"open": 100.0, "high": 101.0, "low": 99.0, "close": 100.0, "volume": 1000.0}
    series = RecordedSeries(instrument=BTC, timeframe="1m", bars=pd.DataFrame({"open_time": opens, **prices}))
    return Recording(title="minutes around now", calendar="24x7", series=(series,))


@pytest.fixture
def source() -> Iterator[VenueServer]:
    made = VenueServer(VenueOptions(recording=minutes_around_now(), rules=RULES, limits=UNLIMITED, clock="real"))
    made.start()
    yield made
    made.stop()


def ask_source(source: VenueServer, method: str, path: str, body: dict[str, Any]) -> None:
    head = {"X-Admin-Token": source.token}
    assert requests.request(method, f"{source.admin_url}/{path}", json=body, headers=head, timeout=10).ok


def feed(source: VenueServer, bids: list[list[str]], asks: list[list[str]]) -> None:
    ask_source(source, "POST", "book", {"symbol": "BTCUSDT", "bids": bids, "asks": asks})


@contextmanager
def paper(source: VenueServer, folder: Path, *, kill: bool = False) -> Iterator[ccxt.binance]:
    """`tidemill venue --live` on the source, with a client of it."""
    command = [sys.executable, "-m", "tidemill", "venue", "--live", "binance", "--live-url", source.rest_url]
    command += ["--db", str(folder / "paper.db")]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder, env=os.environ | SETTINGS)
    try:
        assert child.stdout is not None
        line = json.loads(child.stdout.readline())
        body = {"key": KEY, "secret": SECRET, "balances": {"USDT": "10000"}}
        requests.post(f"{line['admin']}/accounts", json=body, headers={"X-Admin-Token": line["token"]}, timeout=10)
        yield client_of(line["rest"])
    finally:
        child.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        child.wait(20)


def client_of(rest: str) -> ccxt.binance:
    options = {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False}
    api = dict.fromkeys(("public", "private", "v1", "sapi"), f"{rest}/api/v3")
    made = ccxt.binance({"apiKey": KEY, "secret": SECRET, "options": options, "urls": {"api": api}})
    made.number = str
    made.enableRateLimit = False
    return made


def until(check: Any) -> None:
    """Wait for what the venue does with its clock, once a second."""
    deadline = time.monotonic() + 10
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_orders_fill_on_the_source_s_book_and_survive_a_kill(source: VenueServer, tmp_path: Path) -> None:
    feed(source, [["99.90", "5"]], [["100.10", "1"], ["100.30", "3"]])
    with paper(source, tmp_path, kill=True) as client:
        bars = client.fetch_ohlcv("BTC/USDT", "1m", limit=5)
        assert len(bars) == 5
        assert {one[4] for one in bars} == {"100.00"}
        assert client.fetch_order_book("BTC/USDT")["asks"] == [[100.1, 1.0], [100.3, 3.0]]
        bought = client.create_order("BTC/USDT", "market", "buy", "2")
        assert [(one["price"], one["amount"]) for one in bought["trades"]] == [
            ("100.10000000", "1.00000000"),
            ("100.30000000", "1.00000000"),
        ]
        resting = client.create_order("BTC/USDT", "limit", "buy", "1", "99.00", {"newClientOrderId": "rests"})
        waiting = client.create_order("BTC/USDT", "limit", "buy", "1", "95.00", {"newClientOrderId": "waits"})
        assert resting["status"] == waiting["status"] == "open"
        feed(source, [["98.00", "5"]], [["98.50", "7"]])
        until(lambda: client.fetch_order(resting["id"], "BTC/USDT")["status"] == "closed")
        before = client.fetch_balance(), client.fetch_my_trades("BTC/USDT"), client.fetch_orders("BTC/USDT")
    feed(source, [["50.00", "5"]], [["51.00", "7"]])
    ask_source(source, "POST", "faults", {"fault": "maintenance", "on": "market", "count": 4, "match": "depth"})
    with paper(source, tmp_path) as client:
        trades = client.fetch_my_trades("BTC/USDT")
        assert trades[: len(before[1])] == before[1]
        orders = {one["clientOrderId"]: one for one in client.fetch_orders("BTC/USDT")}
        assert orders["rests"] == next(one for one in before[2] if one["clientOrderId"] == "rests")
        # What rested through the kill meets the market of today.
        until(lambda: client.fetch_order(waiting["id"], "BTC/USDT")["status"] == "closed")


def live_options(source: VenueServer, database: Path, **changes: Any) -> VenueOptions:
    market = build_live_market("binance", "T", source.rest_url)
    made = VenueOptions(
        live=market, universe=("BTC-USDT.T",), timeframe="1m", rules=RULES, clock="real", database=database
    )
    return replace(made, limits=UNLIMITED, **changes)


def test_without_a_book_orders_fill_at_the_last_close(source: VenueServer, tmp_path: Path) -> None:
    venue = VenueServer(live_options(source, tmp_path / "paper.db"))
    venue.start()
    try:
        ask_source(venue, "POST", "accounts", {"key": KEY, "secret": SECRET, "balances": {"USDT": "10000"}})
        client = client_of(venue.rest_url)
        client.load_markets()
        ask_source(source, "POST", "faults", {"fault": "html_502_before", "on": "market", "count": 1000})
        bought = client.create_order("BTC/USDT", "market", "buy", "1")
        assert [one["price"] for one in bought["trades"]] == ["100.10000000"]  # the last close and the slippage
        ask_source(source, "DELETE", "faults", {})
        time.sleep(1.1)  # a book is taken for the present one for a second
        again = client.create_order("BTC/USDT", "market", "buy", "0.5")
        assert [one["price"] for one in again["trades"]] == [
            "100.01000000"
        ]  # one step off, as the source's book has it
    finally:
        venue.stop()


def refuse(options: VenueOptions, changes: dict[str, Any]) -> None:
    try:
        VenueState(replace(options, **changes))
    finally:
        assert options.live is not None
        if "live" in changes:  # else the state that did not come to be has closed it
            options.live.close()


def test_a_database_of_other_rules_or_prices_is_refused_with_the_way_out(source: VenueServer, tmp_path: Path) -> None:
    VenueState(live_options(source, tmp_path / "paper.db")).close()
    for changes, text in (
        ({"rules": replace(RULES, fee_taker=Decimal("0.002"))}, "fee_taker 0.001, and now it is 0.002"),
        ({"live": None, "recording": minutes_around_now()}, "live bars of BTC-USDT.T"),
        ({"live": None, "recording": minutes_around_now(), "clock": "recorded"}, "clock real, and now it is recorded"),
    ):
        with pytest.raises(TidemillError, match=text) as refused:
            refuse(live_options(source, tmp_path / "paper.db"), changes)
        assert "--db" in str(refused.value)


def test_a_rule_that_was_chosen_once_and_is_no_more_is_noticed(tmp_path: Path) -> None:
    chosen = replace(RULES, spread=Decimal("0.002"))
    options = VenueOptions(recording=minutes_around_now(), rules=chosen, clock="real", database=tmp_path / "v.db")
    VenueState(options).close()
    for rules, text in (
        (RULES, "spread 0.002, and now it is unset"),
        (replace(chosen, impact=Decimal("0.1")), "impact"),
    ):
        with pytest.raises(TidemillError, match=text):
            VenueState(replace(options, rules=rules))
    VenueState(options).close()


def test_fills_made_on_the_real_clock_are_there_after_a_restart(tmp_path: Path) -> None:
    """What a clock did before a restart it has done after it, though the clock begins later."""
    recording, moment = minutes_around_now(), datetime.now(UTC)
    options = VenueOptions(recording=recording, rules=RULES, clock="real", database=tmp_path / "v.db")
    state = VenueState(options, lambda: moment)
    state.open_account(KEY, SECRET, {"USDT": "10000"})
    ticket = Ticket(
        client_order_id="rests",
        instrument=BTC.id,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=Decimal(1),
        limit_price=Decimal("99.50"),
    )
    state.place(KEY, ticket)
    moment += timedelta(minutes=2)
    state.tick()
    filled = state.exchange.orders(KEY)
    assert [one.state for one in filled] == [OrderState.FILLED]
    state.journal.close()
    moment += timedelta(days=8)
    again = VenueState(options, lambda: moment)
    assert again.exchange.orders(KEY) == filled
    assert again.offset == state.offset


def test_the_running_bar_opens_at_the_last_close() -> None:
    first, minute = datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=1)
    prices = {"open": Decimal(1), "high": Decimal(3), "low": Decimal(1), "close": Decimal(2), "volume": Decimal(7)}
    bar = Bar(open_time=first, close_time=first + minute, **prices)
    tape = LiveTape({"a": [bar], "b": []}, minute)
    running = tape.bar_at("a", first + minute)
    assert running is not None
    assert (running.open, running.low, running.volume) == (2, 2, 7)
    assert tape.bar_at("a", first + 2 * minute) is None
    assert tape.bar_at("a", first) is bar
    assert tape.is_down(first - minute)
    assert not tape.is_down(first)
    assert tape.bars_closed("a", first, first + minute) == [bar]
    assert not tape.bars_closed("b", first, first + minute)


def test_a_recording_on_the_real_clock_is_shifted_by_whole_weeks() -> None:
    recording = bundled_recording()
    moment = datetime(2026, 11, 25, 15, 4, tzinfo=UTC)
    state = VenueState(VenueOptions(recording=recording, rules=RULES, clock="real"), lambda: moment)
    assert state.offset % timedelta(weeks=1) == timedelta(0)
    assert state.now == moment - state.offset
    assert recording.first_open < state.now < recording.last_close
    assert (state.now.weekday(), state.now.time()) == (moment.weekday(), moment.time())
