"""Limits and sizing for any account: the empty one, one in debt, dust, and any holdings in between."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.market import Instrument
from tidemill.domain.portfolio import ZERO, Portfolio
from tidemill.domain.trading import Forecast, TargetPosition
from tidemill.execution import DecisionKey, OrderPlan, plan_orders
from tidemill.risk import RULES, Approved, Limits, apply_limits
from tidemill.sizing import Sizing, SizingPolicy, hold_targets, size_positions

AT = datetime(2026, 1, 1, tzinfo=UTC)


def instrument(base: str, lot: str) -> Instrument:
    return Instrument(
        venue="T",
        base=base,
        quote="USD",
        price_step=Decimal("0.01"),
        lot_step=Decimal(lot),
        min_notional=Decimal(5),
    )


AAA, BBB = instrument("AAA", "0.001"), instrument("BBB", "0.1")
INSTRUMENTS = {AAA.id: AAA, BBB.id: BBB}
LIMITS = Limits(
    max_gross_fraction=Decimal("0.95"),
    max_position_fraction=Decimal("0.4"),
    max_order_fraction=Decimal("0.25"),
    max_volume_fraction=Decimal("0.05"),
    max_drawdown=Decimal("0.25"),
)
OPEN = Limits(**{field.name: Decimal(10**6) for field in fields(Limits)})
POLICY = SizingPolicy(volatility_target_annual=0.25, max_instrument_fraction=0.4, buffer_fraction=0.1)
HUNDRED = dict.fromkeys(INSTRUMENTS, Decimal(100))
ENDLESS = dict.fromkeys(INSTRUMENTS, Decimal(10**9))
lots = st.integers(0, 40_000).map(lambda count: count * AAA.lot_step)
dusty = st.decimals(0, 40, places=5)
fractions = st.decimals("0.01", 2, places=2)


def account(cash: Decimal, aaa: Decimal = ZERO, bbb: Decimal = ZERO, peak: Decimal = ZERO) -> Portfolio:
    return Portfolio(account="a", currency="USD", assets={"USD": cash, "AAA": aaa, "BBB": bbb}, peak_equity=peak)


def worth(portfolio: Portfolio) -> Decimal:
    return portfolio.equity({"AAA": Decimal(100), "BBB": Decimal(100)})


def limit(portfolio: Portfolio, limits: Limits, aim: dict[str, Decimal], **changes: object) -> Approved:
    targets = [
        TargetPosition(instrument=name, quantity=quantity, price=HUNDRED[name]) for name, quantity in aim.items()
    ]
    values = {"volumes": ENDLESS, "prices": HUNDRED, "equity": worth(portfolio), **changes}
    return apply_limits(targets, portfolio, instruments=INSTRUMENTS, limits=limits, **values)


def change_of(approved: Approved, portfolio: Portfolio, name: str) -> Decimal:
    """How far a position may move; 0 when it is not among the approved."""
    held = portfolio.quantity(INSTRUMENTS[name].base)
    return next((target.quantity - held for target in approved.targets if target.instrument == name), ZERO)


@given(lots, lots, st.decimals(-500, 10_000, places=2), fractions, st.sampled_from([f.name for f in fields(Limits)]))
def test_adding_a_limit_never_approves_more(
    held: Decimal, aim: Decimal, cash: Decimal, fraction: Decimal, name: str
) -> None:
    portfolio = account(cash, held, peak=Decimal(5000))
    loose = limit(portfolio, OPEN, {AAA.id: aim})
    tight = limit(portfolio, replace(OPEN, **{name: fraction}), {AAA.id: aim})
    before, after = (change_of(approved, portfolio, AAA.id) for approved in (loose, tight))
    assert abs(after) <= abs(before)
    assert after * before >= 0


@given(dusty, dusty, st.decimals(-500, 10_000, places=2), fractions, fractions)
def test_all_limits_at_once_approve_no_more_than_any_of_them(
    held: Decimal, aim: Decimal, cash: Decimal, share: Decimal, order: Decimal
) -> None:
    portfolio = account(cash, held)
    single = [replace(OPEN, max_position_fraction=share), replace(OPEN, max_order_fraction=order)]
    both = replace(OPEN, max_position_fraction=share, max_order_fraction=order)
    changes = [abs(change_of(limit(portfolio, own, {AAA.id: aim}), portfolio, AAA.id)) for own in single]
    assert abs(change_of(limit(portfolio, both, {AAA.id: aim}), portfolio, AAA.id)) <= min(changes)


@given(dusty, dusty, st.decimals(0, 10_000, places=2), st.decimals(0, 1, places=3))
def test_an_approved_change_goes_where_the_target_lies(
    held: Decimal, aim: Decimal, cash: Decimal, fraction: Decimal
) -> None:
    """Dust beside whole lots too: rounding to a lot never turns a purchase into a sale."""
    portfolio = account(cash, held)
    approved = limit(portfolio, replace(OPEN, max_order_fraction=fraction), {AAA.id: aim})
    moved = change_of(approved, portfolio, AAA.id)
    assert moved * (aim - held) >= 0
    assert abs(moved) <= abs(aim - held)


@pytest.mark.parametrize(("aim", "allowed"), [("0", []), ("20", []), ("10", [])])
def test_an_account_that_owes_more_than_it_holds_is_not_made_to_buy(aim: str, allowed: list[Decimal]) -> None:
    """A quarter of a debt of 9,000 is -22.5 units: taken as it stands, a sale would become a purchase."""
    portfolio = account(Decimal(-10_000), Decimal(10))
    assert worth(portfolio) == -9000
    approved = limit(portfolio, replace(OPEN, max_order_fraction=Decimal("0.25")), {AAA.id: Decimal(aim)})
    assert [target.quantity for target in approved.targets] == allowed


@given(lots, lots, st.decimals(-20_000, 0, places=2))
def test_in_debt_too_a_change_goes_where_the_target_lies(held: Decimal, aim: Decimal, cash: Decimal) -> None:
    portfolio = account(cash, held)
    moved = change_of(limit(portfolio, LIMITS, {AAA.id: aim}), portfolio, AAA.id)
    assert moved * (aim - held) >= 0


@pytest.mark.parametrize(("held", "aim"), [("0.0005", "1"), ("1.0005", "0")])
def test_rounding_to_lots_does_not_cross_dust_that_is_held(held: str, aim: str) -> None:
    portfolio = account(ZERO, Decimal(held))
    share = Decimal("0.0003") * 100 / worth(portfolio)
    approved = limit(portfolio, replace(OPEN, max_order_fraction=share), {AAA.id: Decimal(aim)})
    assert not approved.targets
    assert [veto.allowed for veto in approved.vetoes] == [Decimal(held)]


@given(lots, lots, st.decimals("0.01", 10_000, places=2))
def test_what_only_reduces_passes_all_limits_on_what_is_held(held: Decimal, aim: Decimal, cash: Decimal) -> None:
    """Drawdown, position and gross never stand in the way of a sale, however little they allow."""
    low, high = sorted((held, aim))
    portfolio = account(cash, high, peak=Decimal(10**6))
    nothing = dict.fromkeys(("max_gross_fraction", "max_position_fraction", "max_drawdown"), ZERO)
    approved = limit(portfolio, replace(OPEN, **nothing), {AAA.id: low})
    assert not approved.vetoes
    assert change_of(approved, portfolio, AAA.id) == low - high


@given(lots, lots, st.sampled_from(["max_gross_fraction", "max_position_fraction", "max_drawdown"]))
def test_the_same_limits_stop_a_purchase(held: Decimal, more: Decimal, name: str) -> None:
    portfolio = account(Decimal(1000), held, peak=Decimal(10**6))
    approved = limit(portfolio, replace(OPEN, **{name: ZERO}), {AAA.id: held + more + AAA.lot_step})
    assert not approved.targets
    assert {veto.allowed for veto in approved.vetoes} == {held}


@given(lots, lots, lots, lots, st.decimals("0.1", 1, places=2))
def test_all_positions_together_stay_under_the_gross_limit_unless_they_lay_above(
    held: Decimal, other: Decimal, aim: Decimal, also: Decimal, fraction: Decimal
) -> None:
    portfolio = account(Decimal(2000), held, other)
    approved = limit(portfolio, replace(OPEN, max_gross_fraction=fraction), {AAA.id: aim, BBB.id: also})
    before = (held + other) * 100
    after = before + 100 * sum(change_of(approved, portfolio, name) for name in INSTRUMENTS)
    assert after <= max(before, fraction * worth(portfolio))


@given(lots, lots, st.text("abc", min_size=1, max_size=5))
def test_a_stopped_instrument_neither_buys_nor_sells(held: Decimal, aim: Decimal, why: str) -> None:
    portfolio = account(Decimal(1000), held)
    approved = limit(portfolio, OPEN, {AAA.id: aim}, stopped={AAA.id: why})
    assert not approved.targets
    assert [veto.reason for veto in approved.vetoes] == ([why] if aim != held else [])


@given(lots, st.decimals(0, 1000, places=3))
def test_a_bar_without_trades_lets_nothing_through(aim: Decimal, volume: Decimal) -> None:
    portfolio = account(Decimal(10_000))
    approved = limit(portfolio, replace(OPEN, max_volume_fraction=Decimal("0.05")), {AAA.id: aim}, volumes={})
    assert not approved.targets
    narrow = limit(
        portfolio, replace(OPEN, max_volume_fraction=Decimal("0.05")), {AAA.id: aim}, volumes={AAA.id: volume}
    )
    assert change_of(narrow, portfolio, AAA.id) <= volume * Decimal("0.05")


@given(lots, lots, st.decimals(-500, 10_000, places=2))
def test_every_cut_is_told_with_what_was_wanted_and_what_is_allowed(held: Decimal, aim: Decimal, cash: Decimal) -> None:
    portfolio = account(cash, held, peak=Decimal(5000))
    approved = limit(portfolio, LIMITS, {AAA.id: aim})
    if change_of(approved, portfolio, AAA.id) != aim - held:
        assert approved.vetoes
    for veto in approved.vetoes:
        assert veto.limit in RULES
        assert veto.reason
        assert veto.wanted == aim != veto.allowed


def sized(portfolio: Portfolio, strength: float, volatility: float | None = 0.5) -> Sizing:
    forecast = Forecast(
        instrument=AAA.id, strength=strength, horizon_seconds=1, made_at=AT, expires_at=AT, volatility_annual=volatility
    )
    return size_positions(
        [forecast], portfolio, instruments=INSTRUMENTS, prices=HUNDRED, equity=worth(portfolio), policy=POLICY
    )


def decide(portfolio: Portfolio, strength: float) -> tuple[Sizing, OrderPlan]:
    """Sizing, limits and plan, one after the other."""
    sizing = sized(portfolio, strength)
    approved = apply_limits(
        sizing.targets,
        portfolio,
        instruments=INSTRUMENTS,
        prices=HUNDRED,
        volumes=ENDLESS,
        equity=worth(portfolio),
        limits=LIMITS,
    )
    key = DecisionKey(account="a", strategy="t", as_of=AT, attempt=0, expires_at=AT + timedelta(hours=1))
    plan = plan_orders(
        approved.targets, portfolio, instruments=INSTRUMENTS, key=key, price_cap_fraction=Decimal("0.02")
    )
    return sizing, plan


EDGES = {
    "empty": account(ZERO),
    "negative cash": account(Decimal(-50)),
    "dust": account(Decimal("0.3"), Decimal("0.0004")),
    "tiny": account(Decimal(3)),
}


@pytest.mark.parametrize("strength", [1.0, -1.0])
@pytest.mark.parametrize("name", EDGES)
def test_an_account_with_next_to_nothing_sends_nothing(name: str, strength: float) -> None:
    sizing, plan = decide(EDGES[name], strength)
    assert all(target.quantity >= 0 for target in sizing.targets)
    assert not plan.intents
    assert all("below one lot" in drop.reason or "minimum notional" in drop.reason for drop in plan.dropped)


def test_an_account_with_enough_sends_something() -> None:
    _, plan = decide(account(Decimal(1000)), 1.0)
    assert [str(intent.quantity) for intent in plan.intents] == ["2.50"]


@given(st.decimals(-10_000, 10_000, places=2), dusty, st.floats(-1, 1), st.one_of(st.none(), st.floats(0, 5)))
def test_a_size_is_whole_lots_within_the_cap_and_never_short(
    cash: Decimal, held: Decimal, strength: float, volatility: float | None
) -> None:
    portfolio = account(cash, held)
    for target in sized(portfolio, strength, volatility).targets:
        assert target.quantity % AAA.lot_step == 0
        assert 0 <= target.quantity * 100 <= max(worth(portfolio), ZERO) * Decimal("0.4")
        assert bool(target.reason) == (strength < 0)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 3))
def test_a_stronger_forecast_never_asks_for_less(first: float, second: float, volatility: float) -> None:
    weak, strong = sorted((first, second))
    portfolio = account(Decimal(10_000))
    quantities = [
        sum((target.quantity for target in sized(portfolio, strength, volatility).targets), ZERO)
        for strength in (weak, strong)
    ]
    assert quantities[0] <= quantities[1]


@given(st.floats(0.01, 5), st.floats(0.01, 5))
def test_a_calmer_instrument_never_gets_less(first: float, second: float) -> None:
    calm, wild = sorted((first, second))
    portfolio = account(Decimal(10_000))
    small, large = (sized(portfolio, 0.7, volatility).targets[0].quantity for volatility in (wild, calm))
    assert small <= large


@given(dusty, st.floats(0, 1))
def test_each_forecast_becomes_a_target_or_stays_inside_the_buffer(held: Decimal, strength: float) -> None:
    portfolio = account(Decimal(5000), held)
    sizing = sized(portfolio, strength)
    assert len(sizing.targets) + len(sizing.unchanged) == 1
    for target in sizing.targets:
        assert abs(target.quantity - held) > Decimal("0.1") * max(target.quantity, held)
    for stay in sizing.unchanged:
        assert "inside the buffer" in stay.reason


@given(st.decimals(-100, 100, places=5))
def test_a_quantity_that_a_strategy_names_becomes_whole_lots_and_is_never_short(quantity: Decimal) -> None:
    sizing = hold_targets({AAA.id: quantity}, instruments=INSTRUMENTS, prices=HUNDRED)
    (target,) = sizing.targets
    assert target.quantity % AAA.lot_step == 0
    assert 0 <= target.quantity <= max(quantity, ZERO)
    assert max(quantity, ZERO) - target.quantity < AAA.lot_step
    assert bool(target.reason) == (quantity < 0)
