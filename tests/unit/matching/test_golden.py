"""A tape worked out by hand, played call by call; the arithmetic stands in tests/golden/matching/README.md."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tidemill.domain.market import Bar, Instrument
from tidemill.domain.trading import OrderType, Side, TimeInForce
from tidemill.matching import Exchange, FillRules, ListTape, Refusal, SimTrade, Ticket

TAPE = Path(__file__).parents[2] / "golden" / "matching" / "tape.json"
HOUR = timedelta(hours=1)


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2021-03-04T{clock}+00:00")


def numbers(row: dict[str, str]) -> dict[str, Decimal]:
    return {name: Decimal(text) for name, text in row.items()}


def build(tape: dict[str, Any]) -> tuple[Exchange, Instrument]:
    terms = {name: text if name in {"base", "quote"} else Decimal(text) for name, text in tape["instrument"].items()}
    instrument = Instrument(venue="T", **terms)
    rules = dict(tape["rules"])
    delay = timedelta(seconds=rules.pop("decision_delay_seconds"))
    asset = rules.pop("fee_asset")
    bars = [
        Bar(
            open_time=at(clock),
            close_time=at(clock) + HOUR,
            **numbers(dict(zip(("open", "high", "low", "close", "volume"), shape, strict=True))),
        )
        for clock, *shape in tape["bars"]
    ]
    venue = Exchange(
        {instrument.id: instrument},
        FillRules(decision_delay=delay, fee_asset=asset, **numbers(rules)),
        ListTape({instrument.id: bars}),
        start=bars[0].open_time,
    )
    venue.open_account("a", numbers(tape["opening"]))
    return venue, instrument


def to_ticket(row: dict[str, str], instrument: Instrument, name: str) -> Ticket:
    names = {"quantity": "quantity", "limit": "limit_price", "stop": "stop_price", "quote_quantity": "quote_quantity"}
    return Ticket(
        client_order_id=name,
        instrument=instrument.id,
        side=Side(row["side"]),
        order_type=OrderType(row["type"]),
        time_in_force=TimeInForce(row["tif"]),
        **{field: Decimal(row[key]) for key, field in names.items() if key in row},
    )


def told(trades: list[SimTrade] | tuple[SimTrade, ...]) -> list[tuple]:
    return [(one.order_id, one.price, one.quantity, one.fee, one.fee_asset, one.is_maker) for one in trades]


def expected(fills: list[dict[str, Any]]) -> list[tuple]:
    return [
        (one["order"], *(Decimal(one[name]) for name in ("price", "quantity", "fee")), one["fee_asset"], one["maker"])
        for one in fills
    ]


def pairs(levels: list[list[str]]) -> list[tuple[Decimal, ...]]:
    return [tuple(map(Decimal, level)) for level in levels]


def do(venue: Exchange, instrument: Instrument, call: dict[str, Any], number: int) -> None:
    """One call, and what it must answer."""
    if "place" in call:
        ticket, moment = to_ticket(call["place"], instrument, f"c{number}"), at(call["at"])
        done = venue.place("a", ticket, market=moment, wall=moment)
        if isinstance(done, Refusal):
            assert [done.code, done.message] == call.get("refused")
        else:
            assert (str(done.state), told(done.trades)) == (call.get("state"), expected(call["fills"]))
    elif "advance" in call:
        assert told(venue.advance(at(call["advance"]), at(call["advance"]))) == expected(call["fills"])
    elif "feed" in call:
        book = {name: pairs(levels) for name, levels in call["feed"].items()}
        trades = venue.feed_book(instrument.id, **book, market=at(call["at"]), wall=at(call["at"]))
        assert told(trades) == expected(call["fills"])
    else:
        done = venue.cancel("a", instrument.id, order_id=call["cancel"], new_client_order_id="x", wall=venue.now)
        assert str(done.state) == call["state"]


def play(tape: dict[str, Any]) -> None:
    venue, instrument = build(tape)
    for number, call in enumerate(tape["calls"]):
        do(venue, instrument, call, number)
    held = {asset: {"free": one.free, "locked": one.locked} for asset, one in venue.balances("a").items()}
    assert held == {asset: numbers(row) for asset, row in tape["closing"].items()}
    assert venue.fees == numbers(tape["fees"])


@pytest.fixture
def tape() -> dict[str, Any]:
    return json.loads(TAPE.read_text(encoding="utf-8"))


def test_the_tape_gives_the_fills_worked_out_by_hand(tape: dict[str, Any]) -> None:
    play(tape)


def test_the_tape_has_an_order_of_every_type(tape: dict[str, Any]) -> None:
    placed = [call["place"] for call in tape["calls"] if "place" in call]
    assert {one["type"] for one in placed} == set(OrderType)
    assert {one["tif"] for one in placed} == set(TimeInForce)
    assert any("quote_quantity" in one for one in placed)


def test_a_wrong_digit_in_any_fill_is_noticed(tape: dict[str, Any]) -> None:
    for call, row in enumerate(tape["calls"]):
        for fill in range(len(row.get("fills", []))):
            for name in ("price", "quantity", "fee"):
                wrong = deepcopy(tape)
                wrong["calls"][call]["fills"][fill][name] += "1" if "." in row["fills"][fill][name] else ".1"
                with pytest.raises(AssertionError):
                    play(wrong)
