"""One decision at both speeds, from the same state: random cases, and the orders that each makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
from support.dense_rules import SIZING

from tidemill.domain.market import Bar, Instrument
from tidemill.domain.portfolio import Portfolio
from tidemill.domain.trading import Forecast, LedgerOrder, OrderIntent, OrderState, Side
from tidemill.execution import DecisionKey, allow_buys, plan_orders
from tidemill.kernels import (
    DROPPED,
    NEAR_CASES,
    STATE_NAMES,
    VETOED,
    Bounds,
    Costs,
    Signals,
    Sizing,
    State,
    make_market,
    make_steps,
    make_trail,
    run_forecasts,
)
from tidemill.matching import Exchange, FillRules, ListTape, Refusal, Ticket
from tidemill.risk import Limits, apply_limits
from tidemill.sizing import SizingPolicy, size_positions

OPENED = datetime(2021, 1, 1, tzinfo=UTC)
DELAY = timedelta(seconds=90)
AS_OF = OPENED + DELAY
KEY = DecisionKey(account="a", strategy="trend", as_of=AS_OF, attempt=0, expires_at=AS_OF + timedelta(hours=1))


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One instrument with all that one decision sees of it. ``opened`` None: it does not trade."""

    instrument: Instrument
    strength: float | None
    volatility: float
    price: Decimal
    volume: Decimal
    opened: Decimal | None
    traded: Decimal
    held: Decimal


@dataclass(frozen=True, kw_only=True)
class Case:
    """One decision with its state and rules."""

    assets: tuple[Asset, ...]
    cash: Decimal
    peak: Decimal
    policy: SizingPolicy
    limits: Limits
    fills: FillRules
    cap: Decimal

    @property
    def cash_rate(self) -> Decimal:
        return self.fills.fee_taker if self.fills.fee_asset == "quote" else Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one instrument: signed quantities and the state's name."""

    sent: float
    filled: float
    price: float
    state: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """All outcomes of a decision by instrument, and its counts."""

    outcomes: dict[str, Outcome]
    vetoed: int
    dropped: int
    near: int
    cash: float


def decide_fast(case: Case) -> Step:
    """The decision in the kernels."""
    assets = case.assets

    def row(values: Sequence[object]) -> np.ndarray:
        return np.array([[np.nan if one is None else float(str(one)) for one in values]])

    opened = row([one.opened for one in assets])
    market = make_market(
        price=row([one.price for one in assets]),
        volume=row([one.volume for one in assets]),
        buy=opened,
        sell=opened,
        traded=row([one.traded for one in assets]),
    )
    fields = ("price_step", "lot_step", "min_notional")
    steps = make_steps(*(row([getattr(one.instrument, field) for one in assets])[0] for field in fields))
    state = State(money=np.array([float(case.cash), float(case.peak), 0.0]), held=row([one.held for one in assets])[0])
    trail = make_trail(1, len(assets))
    strength, volatility = row([one.strength for one in assets]), row([one.volatility for one in assets])
    run_forecasts(Signals(strength, volatility, np.array([True])), market, steps, *fast_rules(case), state, trail)
    outcomes = {
        one.instrument.id: Outcome(
            sent=trail.sent[0, s],
            filled=trail.filled[0, s],
            price=trail.price[0, s],
            state=STATE_NAMES[trail.state[0, s]],
        )
        for s, one in enumerate(assets)
    }
    counts = trail.tally[0]
    return Step(
        outcomes=outcomes,
        vetoed=int(counts[VETOED]),
        dropped=int(counts[DROPPED]),
        near=int(counts[NEAR_CASES]),
        cash=float(trail.cash[0]),
    )


def fast_rules(case: Case) -> tuple[Costs, Sizing, Bounds]:
    fills, limits, policy = case.fills, case.limits, case.policy
    costs = Costs(
        slippage=float(fills.slippage),
        price_cap=float(case.cap),
        participation=float(fills.participation),
        fee_rate=float(fills.fee_taker),
        cash_rate=float(case.cash_rate),
        lock_rate=float(max(fills.fee_maker, fills.fee_taker)),
        fee_in_quote=fills.fee_asset == "quote",
        fee_step=1e-8,
    )
    sizing = SIZING._replace(
        volatility_target=policy.volatility_target_annual,
        max_fraction=policy.max_instrument_fraction,
        buffer=policy.buffer_fraction,
    )
    bounds = Bounds(
        float(limits.max_gross_fraction),
        float(limits.max_position_fraction),
        float(limits.max_order_fraction),
        float(limits.max_volume_fraction),
        float(limits.max_drawdown),
    )
    return costs, sizing, bounds


def decide_exact(case: Case) -> Step:
    """The decision in the stage functions and the matching, in Decimal."""
    instruments = {one.instrument.id: one.instrument for one in case.assets}
    balances = {"USD": case.cash} | {one.instrument.base: one.held for one in case.assets if one.held}
    portfolio = Portfolio(account="a", currency="USD", assets=balances, peak_equity=case.peak)
    prices = {one.instrument.id: one.price for one in case.assets}
    equity = portfolio.equity({one.instrument.base: one.price for one in case.assets})
    forecasts = [
        Forecast(
            instrument=one.instrument.id,
            strength=one.strength,
            horizon_seconds=3600,
            made_at=AS_OF,
            expires_at=KEY.expires_at,
            volatility_annual=one.volatility,
        )
        for one in case.assets
        if one.strength is not None
    ]
    known = {"instruments": instruments, "prices": prices, "equity": equity}
    sizing = size_positions(forecasts, portfolio, policy=case.policy, **known)
    volumes = {one.instrument.id: one.volume for one in case.assets}
    approved = apply_limits(sizing.targets, portfolio, volumes=volumes, limits=case.limits, **known)
    plan = plan_orders(approved.targets, portfolio, instruments=instruments, key=KEY, price_cap_fraction=case.cap)
    exchange = open_exchange(case, balances)
    outcomes = {one.instrument.id: Outcome(sent=0.0, filled=0.0, price=0.0, state="") for one in case.assets}
    for intent in plan.intents:
        if intent.side is Side.SELL:
            outcomes[intent.instrument] = place(exchange, intent, intent.quantity)
    buys = [one for one in plan.intents if one.side is Side.BUY]
    orders = [LedgerOrder(intent=one, state=OrderState.PLANNED, quantity=one.quantity) for one in buys]
    cash = exchange.balances("a")["USD"].free if "USD" in exchange.balances("a") else Decimal(0)
    allowed = allow_buys(orders, cash, instruments=instruments, quote_fee_rate=case.cash_rate)
    for intent in buys:
        outcomes[intent.instrument] = place(exchange, intent, allowed[intent.intent_id])
    left = exchange.balances("a").get("USD")
    return Step(
        outcomes=outcomes,
        vetoed=len(approved.vetoes),
        dropped=len(plan.dropped),
        near=0,
        cash=float(left.total) if left else 0.0,
    )


def open_exchange(case: Case, balances: dict[str, Decimal]) -> Exchange:
    tape = ListTape({one.instrument.id: _bars(one) for one in case.assets})
    exchange = Exchange({one.instrument.id: one.instrument for one in case.assets}, case.fills, tape, start=OPENED)
    exchange.open_account("a", balances)
    return exchange


def _bars(asset: Asset) -> list[Bar]:
    if asset.opened is None:
        return []
    price = asset.opened
    later = OPENED + timedelta(hours=1)
    return [
        Bar(open_time=OPENED, close_time=later, open=price, high=price, low=price, close=price, volume=asset.traded)
    ]


def place(exchange: Exchange, intent: OrderIntent, quantity: Decimal) -> Outcome:
    sign = 1 if intent.side is Side.BUY else -1
    if quantity <= 0:
        return Outcome(sent=0.0, filled=0.0, price=0.0, state="not_placed")
    ticket = Ticket(
        client_order_id=intent.client_order_id,
        instrument=intent.instrument,
        side=intent.side,
        order_type=intent.order_type,
        time_in_force=intent.time_in_force,
        quantity=quantity,
        limit_price=intent.limit_price,
    )
    made = exchange.place("a", ticket, market=AS_OF, wall=AS_OF)
    if isinstance(made, Refusal):
        return Outcome(sent=float(sign * quantity), filled=0.0, price=0.0, state="rejected")
    state = "expired"
    if made.filled:
        state = "filled" if made.rest == 0 else "partly_filled"
    price = made.trades[0].price if made.trades else Decimal(0)
    return Outcome(sent=float(sign * quantity), filled=float(sign * made.filled), price=float(price), state=state)


def differences(case: Case, fast: Step, exact: Step) -> list[str]:
    """Orders that differ by more than one lot in what was sent or filled."""
    found = []
    for one in case.assets:
        name, lot = one.instrument.id, float(one.instrument.lot_step) * 1.000001
        ours, theirs = fast.outcomes[name], exact.outcomes[name]
        if abs(ours.sent - theirs.sent) > lot or abs(ours.filled - theirs.filled) > lot:
            found.append(f"{name}: fast {ours}, exact {theirs}")
    return found


def random_case(seed: int) -> Case:
    """A plausible decision: one to five instruments, random state, steps, limits and costs."""
    random = np.random.default_rng(seed)
    pick = random.choice
    in_quote = bool(random.integers(2))
    assets = tuple(_random_asset(random, number, in_quote=in_quote) for number in range(int(random.integers(1, 6))))
    cash = Decimal(int(random.integers(0, 10**9))) / 10**4
    held = sum((one.held * one.price for one in assets), cash)
    return Case(
        assets=assets,
        cash=cash,
        peak=held * Decimal(int(random.integers(90, 140))) / 100,
        policy=SizingPolicy(
            volatility_target_annual=float(pick([0.1, 0.25, 0.8])),
            max_instrument_fraction=float(pick([0.2, 0.4, 1.0])),
            buffer_fraction=float(pick([0.0, 0.1, 0.3])),
        ),
        limits=Limits(
            max_gross_fraction=Decimal(str(pick(["0.5", "0.95", "2"]))),
            max_position_fraction=Decimal(str(pick(["0.1", "0.4", "1"]))),
            max_order_fraction=Decimal(str(pick(["0.05", "0.25", "1"]))),
            max_volume_fraction=Decimal(str(pick(["0.01", "0.05", "1"]))),
            max_drawdown=Decimal(str(pick(["0.1", "0.25"]))),
        ),
        fills=FillRules(
            slippage=Decimal(str(pick(["0", "0.0005", "0.01"]))),
            participation=Decimal(str(pick(["0.01", "0.1", "1"]))),
            decision_delay=DELAY,
            fee_maker=Decimal("0.001"),
            fee_taker=Decimal(str(pick(["0", "0.00075", "0.001"]))),
            fee_asset="quote" if in_quote else "received",
        ),
        cap=Decimal(str(pick(["0.001", "0.02"]))),
    )


def _random_asset(random: np.random.Generator, number: int, *, in_quote: bool) -> Asset:
    step = Decimal(1).scaleb(-int(random.integers(0, 5)))
    lot = Decimal(1).scaleb(-int(random.integers(0, 6)))
    units = int(np.exp(random.uniform(np.log(100), np.log(10**6))))
    price = units * step
    worth = Decimal(int(random.integers(0, 50_000)) * int(random.integers(2)))
    grain = lot if in_quote else Decimal("1e-8")
    moved = max(1, units + int(random.normal(0, 0.01) * units))
    spread = Decimal(int(np.exp(random.uniform(0, 12))))
    return Asset(
        instrument=Instrument(
            venue="T",
            base=f"A{number}",
            quote="USD",
            price_step=step,
            lot_step=lot,
            min_notional=Decimal(int(random.integers(3)) * 5),
        ),
        strength=None if random.random() < 0.15 else float(random.uniform(-1, 1)),
        volatility=float(np.exp(random.uniform(-4, 1))),
        price=price,
        volume=spread + Decimal(int(random.integers(1000))) / 1000,
        opened=None if random.random() < 0.05 else moved * step,
        traded=spread + Decimal(int(random.integers(1000))) / 1000,
        held=(worth / price / grain).to_integral_value(rounding="ROUND_DOWN") * grain,
    )
