"""From a request to an order, for every type: what must be there, what must not, and what a refusal is called."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import product
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recordings_made import instrument

from tidemill.domain.errors import DataError
from tidemill.domain.trading import OrderType, Side, TimeInForce
from tidemill.matching import Ticket
from tidemill.venue.bybit import errors as bybit
from tidemill.venue.errors import VenueError
from tidemill.venue.parameters import Parameters
from tidemill.venue.prices import name_symbols
from tidemill.venue.tickets import OTHER_TYPES, TYPES, read_identity, read_ticket

BTC = instrument()
NEEDED = {
    "LIMIT": {"price", "timeInForce", "quantity"},
    "LIMIT_MAKER": {"price", "quantity"},
    "MARKET": {"quantity"},
    "STOP_LOSS_LIMIT": {"price", "stopPrice", "timeInForce", "quantity"},
}
VALUES = {"price": "100.5", "stopPrice": "99", "timeInForce": "IOC", "quantity": "0.5"}
CASES = list(product(NEEDED, VALUES))


def read(values: dict[str, str]) -> Ticket:
    return read_ticket(Parameters.parse(urlencode({"side": "BUY", **values}), ""), BTC, "spare")


def needed(kind: str) -> dict[str, str]:
    """A request of that type with what it needs and nothing more."""
    return {"type": kind, **{name: VALUES[name] for name in NEEDED[kind]}}


def code_of(values: dict[str, str]) -> int:
    """The code of the refusal; 0 for an order."""
    try:
        read(values)
    except VenueError as error:
        return error.code
    return 0


@pytest.mark.parametrize("kind", NEEDED)
@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_a_request_with_what_its_type_needs_is_an_order(kind: str, side: str) -> None:
    ticket = read({**needed(kind), "side": side})
    assert (ticket.side, ticket.order_type, ticket.instrument) == (Side(side), TYPES[kind], BTC.id)
    assert ticket.quantity == Decimal("0.5")
    assert ticket.limit_price == (Decimal("100.5") if "price" in NEEDED[kind] else None)
    assert ticket.stop_price == (99 if "stopPrice" in NEEDED[kind] else None)
    assert ticket.time_in_force is (TimeInForce.IOC if "timeInForce" in NEEDED[kind] else TimeInForce.GTC)
    assert ticket.client_order_id == "spare"


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_each_parameter_is_needed_or_must_be_left_out(kind: str, name: str) -> None:
    """There is no parameter that a type takes with a shrug: one too many is refused as well as one too few."""
    if name in NEEDED[kind]:
        values = needed(kind)
        del values[name]
        assert code_of(values) == -1102
    else:
        assert code_of({**needed(kind), name: VALUES[name]}) == -1106


@pytest.mark.parametrize("kind", NEEDED)
def test_only_a_market_order_is_named_by_what_it_may_cost(kind: str) -> None:
    values = needed(kind)
    assert code_of({**values, "quoteOrderQty": "50"}) == -1106
    del values["quantity"]
    if kind == "MARKET":
        ticket = read({**values, "quoteOrderQty": "50"})
        assert (ticket.quantity, ticket.quote_quantity) == (0, 50)
    else:
        assert code_of({**values, "quoteOrderQty": "50"}) == -1106


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"side": "buy"}, -1117),
        ({"side": ""}, -1102),
        ({"type": "OCO"}, -1116),
        ({"type": ""}, -1102),
        ({"timeInForce": "GTX"}, -1115),
        ({"trailingDelta": "10"}, -2010),
        ({"icebergQty": "0.1"}, -2010),
        ({"icebergQty": "0"}, 0),
        ({"pegPriceType": "PRIMARY_PEG"}, -2010),
        ({"strategyType": "999999"}, -1134),
        ({"strategyType": "1000000"}, 0),
        ({"selfTradePreventionMode": "NONE"}, 0),
        ({"selfTradePreventionMode": "EXPIRE_TAKER"}, -1130),
        ({"quantity": "half"}, -1100),
        ({"newClientOrderId": "no good"}, -1100),
        *(({"type": kind}, -2010) for kind in OTHER_TYPES),
    ],
)
def test_what_the_venue_does_not_offer_has_a_code_of_its_own(changes: dict[str, str], code: int) -> None:
    assert code_of({**needed("LIMIT"), **changes}) == code


def test_an_order_carries_the_id_of_its_client() -> None:
    assert read({**needed("LIMIT"), "newClientOrderId": "s1"}).client_order_id == "s1"


def test_an_order_is_meant_by_one_id_at_least() -> None:
    def identity(**values: str) -> dict[str, object]:
        return read_identity(Parameters.parse(urlencode(values), ""))

    assert identity(orderId="7") == {"order_id": 7, "client_order_id": None}
    assert identity(origClientOrderId="s1") == {"order_id": None, "client_order_id": "s1"}
    with pytest.raises(VenueError, match="both were empty/null") as refusal:
        identity()
    assert refusal.value.code == -1102


TICKET = Ticket(
    client_order_id="s1",
    instrument=BTC.id,
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    time_in_force=TimeInForce.GTC,
    quantity=Decimal(1),
    limit_price=Decimal(100),
)


@given(st.integers(-5, 10**6), st.sampled_from([Decimal(0), Decimal("0.001"), Decimal("0.005")]))
def test_the_other_protocol_says_what_is_wrong_with_a_price(cents: int, beside: Decimal) -> None:
    price = cents * BTC.price_step + beside
    refused = bybit.refusal_of(
        VenueError(-1013, "Filter failure: PRICE_FILTER"), replace(TICKET, limit_price=price), BTC
    )
    expected = 170133 if price < BTC.price_step else 170134 if beside else 170132
    assert refused.code == expected


@given(st.integers(0, 10**6), st.sampled_from([Decimal(0), Decimal("0.0001")]))
def test_the_other_protocol_says_what_is_wrong_with_a_quantity(lots: int, beside: Decimal) -> None:
    quantity = lots * BTC.lot_step + beside
    refused = bybit.refusal_of(VenueError(-1013, "Filter failure: LOT_SIZE"), replace(TICKET, quantity=quantity), BTC)
    expected = 170136 if quantity < BTC.lot_step else 170137 if beside else 170381
    assert refused.code == expected


@pytest.mark.parametrize("text", bybit.REFUSED)
def test_a_refusal_by_text_is_the_same_as_an_answer_and_for_an_order(text: str) -> None:
    error = VenueError(-2010, text)
    assert bybit.translate(error) is bybit.refusal_of(error, TICKET, BTC) is bybit.REFUSED[text]


def test_what_has_no_counterpart_leaves_a_client_in_doubt_but_rejects_an_order() -> None:
    error = VenueError(-9999, "Never heard of.")
    assert bybit.translate(error) is bybit.SERVER_ERROR
    assert bybit.refusal_of(error, TICKET, BTC) is bybit.REJECTED


def test_two_instruments_never_share_a_symbol() -> None:
    other = replace(BTC, venue="OTHER")
    assert set(name_symbols({BTC.id: BTC, "x": instrument("ETH")})) == {"BTCUSDT", "ETHUSDT"}
    with pytest.raises(DataError, match="would both be called BTCUSDT; serve one of them"):
        name_symbols({BTC.id: BTC, other.id: other})
