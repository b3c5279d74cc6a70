"""What holds of matching after any sequence of calls, and exchanges broken on purpose that must be caught."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import product
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.matching_checks import ACCOUNTS, BTC, ETH, HOURS, LOT, NAMES, STEP, bar, play

from tidemill.domain.errors import DataError
from tidemill.domain.market import Bar
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import OrderType, Side, TimeInForce
from tidemill.matching import Exchange, Refusal, SimOrder, SimTrade, Ticket


def ticks(chance: Random, low: int = 9700, high: int = 10300) -> Decimal:
    return chance.randint(low, high) * STEP


def any_ticket(chance: Random) -> Ticket:
    kind = chance.choice([OrderType.LIMIT, *OrderType])
    by_quote = kind is OrderType.MARKET and chance.random() < 0.5
    rests = kind is OrderType.LIMIT_MAKER or chance.random() < 0.6
    return Ticket(
        client_order_id="",
        instrument=chance.choice(NAMES),
        side=chance.choice(list(Side)),
        order_type=kind,
        time_in_force=TimeInForce.GTC if rests else chance.choice(list(TimeInForce)),
        quantity=ZERO if by_quote else chance.randint(1, chance.choice([40, 4000])) * LOT,
        quote_quantity=chance.randint(1, 50_000) * STEP if by_quote else None,
        limit_price=None if kind is OrderType.MARKET else ticks(chance),
        stop_price=ticks(chance) if kind is OrderType.STOP_LIMIT else None,
    )


def any_book(chance: Random) -> tuple[list, list]:
    levels = sorted({ticks(chance) for _ in range(chance.randint(0, 9))})
    cut = chance.randint(0, len(levels))
    sized = [(one, chance.randint(1, 2500) * LOT / 2) for one in levels]
    return sized[:cut][::-1], sized[cut:]


def any_call(chance: Random) -> tuple:
    kind = chance.choices(["place", "advance", "feed", "cancel", "drop"], [10, 3, 3, 1, 1])[0]
    if kind == "place":
        return (kind, chance.choice(ACCOUNTS), any_ticket(chance))
    if kind == "feed":
        return (kind, chance.choice(NAMES), *any_book(chance))
    if kind == "cancel":
        return (kind, chance.choice(ACCOUNTS), chance.randint(1, 20))
    return (kind, chance.choice(NAMES))


def any_bars(chance: Random) -> dict[str, list[Bar]]:
    made: dict[str, list[Bar]] = {name: [] for name in NAMES}
    for name, hour in product(NAMES, range(HOURS)):
        first, up, down = ticks(chance, 9900, 10100), ticks(chance, 0, 300), ticks(chance, 0, 300)
        if chance.random() < 0.95:
            volume = chance.randint(0, 20_000) * LOT
            made[name].append(bar(hour, str(first), str(first + up), str(first - down), str(volume)))
    return made


def written(seed: int, length: int) -> tuple[dict[str, list[Bar]], list[tuple]]:
    """Bars and a script; drawn from a seed, since lists drawn call by call hardly ever trade."""
    chance = Random(seed)
    return any_bars(chance), [any_call(chance) for _ in range(length)]


tales = st.builds(written, st.integers(0, 2**32), st.integers(1, 60))
ANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@ANY
@given(tales, st.sampled_from(["received", "quote", "BNB", "USD", "BTC"]))
def test_any_script_keeps_money_limits_stops_and_volumes(tale: tuple, fee_asset: str) -> None:
    play(*tale, fee_asset)


@ANY
@given(tales)
def test_the_same_calls_give_the_same_answers_to_the_last_digit(tale: tuple) -> None:
    assert repr(play(*tale, "BNB").answers) == repr(play(*tale, "BNB").answers)


def order(side: Side, quantity: str, limit: str, stop: str | None = None, tif: TimeInForce = TimeInForce.GTC) -> tuple:
    made = Ticket(
        client_order_id="",
        instrument=BTC.id,
        side=side,
        order_type=OrderType.STOP_LIMIT if stop else OrderType.LIMIT,
        time_in_force=tif,
        quantity=Decimal(quantity),
        limit_price=Decimal(limit),
        stop_price=Decimal(stop) if stop else None,
    )
    return ("place", "a", made)


class Giving(Exchange):
    """Collects fees that no account paid."""

    def __init__(self, *given: object, **named: object) -> None:
        super().__init__(*given, **named)
        accounts = self._clearing.accounts
        accounts.charge = lambda account, asset, fee: accounts.fees.update({asset: fee})


class Forgetting(Exchange):
    """Does not remember what was taken of a bar."""

    def __init__(self, *given: object, **named: object) -> None:
        super().__init__(*given, **named)
        for market in self._markets.values():
            market.rooms.take = lambda bar, quantity: None


class Refilling(Exchange):
    """Does not remember what was taken of a book."""

    def feed_book(self, *given: object, **named: object) -> list[SimTrade]:
        done = super().feed_book(*given, **named)
        self._markets[given[0]].depth(is_buy=True).take = lambda quantity: None
        return done


class Hasty(Exchange):
    """Takes stop orders for limit orders."""

    def place(self, *given: object, **named: object) -> SimOrder | Refusal:
        done = super().place(*given, **named)
        if isinstance(done, SimOrder):
            self._orders.find(done.account, done.order_id, None).triggered = True
        return done


class Careless(Exchange):
    """Locks nothing for the fee."""

    def __init__(self, *given: object, **named: object) -> None:
        super().__init__(*given, **named)
        self._clearing._locked_rate = None


BARS = {
    BTC.id: [bar(0, "100", "101", "99"), bar(1, "100", "100.5", "97"), bar(2, "100", "102", "98")],
    ETH.id: [bar(hour, "100", "100", "100") for hour in range(3)],
}
BUYS = order(Side.BUY, "1", "105", tif=TimeInForce.IOC)
FED = ("feed", BTC.id, [(Decimal(99), Decimal(1))], [(Decimal(100), Decimal(1))])


@pytest.mark.parametrize(
    ("broken", "script"),
    [
        (Giving, [BUYS]),
        (Forgetting, [BUYS, BUYS]),
        (Refilling, [FED, BUYS, BUYS]),
        (Hasty, [order(Side.BUY, "1", "99", stop="103"), ("advance",), ("advance",)]),
        (Careless, [order(Side.BUY, "1", "50")]),
    ],
)
def test_the_properties_catch_an_exchange_broken_on_purpose(broken: type[Exchange], script: list) -> None:
    play(BARS, script, "quote")
    with pytest.raises(AssertionError):
        play(BARS, script, "quote", broken)


points = st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(NAMES), st.integers(-999, 999))


def settle_all(venue: Exchange, settlements: list[tuple[str, str, int]]) -> None:
    """Settle one after another; each moves free quote by what it says, and nothing else."""
    opened = sum((venue.balances(account)["USD"].total for account in ACCOUNTS), ZERO) + venue.funding.get("USD", ZERO)
    for account, name, rate in settlements:
        before = venue.balances(account)
        held = before[name[:3]].total if name[:3] in before else ZERO
        paid = venue.settle_funding(account, name, mark=Decimal("101.37"), rate=Decimal(rate) / 10**6)
        assert 0 <= paid - held * Decimal("101.37") * rate / 10**6 < Decimal("1e-8")
        after = venue.balances(account)
        assert after == before | {"USD": replace(before["USD"], free=before["USD"].free - paid)}
    cash = sum((venue.balances(account)["USD"].total for account in ACCOUNTS), ZERO)
    assert cash + venue.funding.get("USD", ZERO) == opened


@ANY
@given(tales, st.lists(points, max_size=9))
def test_settlements_make_and_lose_no_money(tale: tuple, settlements: list[tuple[str, str, int]]) -> None:
    settle_all(play(*tale, "quote").venue, settlements)


class Flipped(Exchange):
    """Lets longs receive what they owe."""

    def settle_funding(self, account: str, instrument: str, *, mark: Decimal, rate: Decimal) -> Decimal:
        return super().settle_funding(account, instrument, mark=mark, rate=-rate)


class Unpaid(Exchange):
    """Collects funding that no account paid."""

    def __init__(self, *given: object, **named: object) -> None:
        super().__init__(*given, **named)
        accounts = self._clearing.accounts
        accounts.pay_funding = lambda account, asset, amount: accounts.funding.update({asset: amount})


@pytest.mark.parametrize("broken", [Flipped, Unpaid])
def test_a_settlement_broken_on_purpose_is_caught(broken: type[Exchange]) -> None:
    settle_all(play(BARS, [BUYS], "quote").venue, [("a", BTC.id, 100)])
    with pytest.raises(AssertionError):
        settle_all(play(BARS, [BUYS], "quote", broken).venue, [("a", BTC.id, 100)])


def test_an_unknown_instrument_settles_nothing() -> None:
    with pytest.raises(DataError, match=r"no instrument XRP-USD\.T"):
        play(BARS, [], "quote").venue.settle_funding("a", "XRP-USD.T", mark=Decimal(1), rate=Decimal(1))
