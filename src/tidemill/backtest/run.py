"""The loop: each decision goes steps 4 to 14 as `trade` does, with ledger and broker in memory.

Within one instant: bars closed, fills of resting orders, funding, then the decision.

Features of all points are made in one call; a feature's value does not depend on how many points are
asked for, so the numbers are those of a live run.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from tidemill.backtest.champions import Champions
from tidemill.backtest.funding import Funding
from tidemill.backtest.garbage import collecting_seldom
from tidemill.backtest.history import History
from tidemill.backtest.steps import BacktestSteps
from tidemill.backtest.values import BacktestPlan, BacktestResult, fees_in_currency
from tidemill.decision import VENUE_DOWN, DecisionInputs, build_decision, build_refusal, mark_equity, think, why_refused
from tidemill.domain.errors import DataError, StrategyError
from tidemill.domain.market import format_time
from tidemill.domain.portfolio import Account
from tidemill.domain.trading import Decision, OrderTiming, Side
from tidemill.execution import Desk, await_fills, place_order, reduce_to_cash, resolve_open_orders
from tidemill.matching import Exchange
from tidemill.memory.broker import MemoryBroker
from tidemill.memory.clocks import ManualClock
from tidemill.memory.ledger import MemoryLedger
from tidemill.ports import FittedModel
from tidemill.recording import Recording

FOREVER_SECONDS = 100 * 366 * 86400.0


class _Run:
    """One backtest on its way."""

    def __init__(self, recording: Recording, plan: BacktestPlan) -> None:
        self.plan = plan
        self.rules = plan.rules
        self.points = list(plan.rules.grid.points(plan.start, plan.end))
        if not self.points or self.points[0] > recording.last_close:
            span = f"from {format_time(plan.start)} to {format_time(plan.end)}"
            raise DataError(f"there is nothing to decide {span} in this recording")
        self.tape = recording.tape()
        self.funding = Funding(recording, plan, self.tape)
        self.history = History(recording, plan, self.points, self.tape)
        self.steps = BacktestSteps(plan.rules, self.history.features)
        self.champions = Champions(self.history, plan)
        self.clock = ManualClock(recording.first_open)
        instruments = {series.instrument.id: series.instrument for series in recording.series}
        self.exchange = Exchange(instruments, plan.fills, self.tape, start=recording.first_open)
        self.ledger = MemoryLedger()
        self.desk = self._open_desk()
        self.equity: list[tuple[datetime, Decimal]] = []
        self.passed = 0

    def _open_desk(self) -> Desk:
        account = self.rules.account
        currency = self.rules.instruments[self.rules.universe[0]].quote
        balances = self.plan.opening_balances
        self.exchange.open_account(account, balances)
        desk = Desk(
            account=account,
            ledger=self.ledger,
            broker=MemoryBroker(self.exchange, account, self.clock, self.clock),
            market_clock=self.clock,
            wall_clock=self.clock,
            timing=OrderTiming(),
            sleep=lambda _seconds: None,
        )
        opened = Account(account=account, venue="", currency=currency, opened_at=self.clock.now())
        self.ledger.open_account(opened, balances, stamp=desk.stamp())
        if self.plan.opening is not None:
            self.ledger.raise_peak(account, self.plan.opening.peak_equity)
        epoch = self.ledger.acquire(account, "backtest", ttl_seconds=FOREVER_SECONDS, now=self.clock.now())
        if epoch is None:
            raise DataError(f"account '{account}' is held already")
        self.epoch = epoch
        return desk

    def move(self, moment: datetime) -> None:
        """Move the market clock; resting orders meet every bar closed since, and funding is settled at its times."""
        while due := self.funding.next_until(moment):
            self._move_to(due)
            resolve_open_orders(self.desk, epoch=self.epoch)
            self.funding.settle_next(self.desk, self.exchange)
        self._move_to(moment)

    def _move_to(self, moment: datetime) -> None:
        self.clock.move_to(moment)
        self.exchange.advance(moment, moment)

    def go_on(self, index: int) -> int:
        """Decide at the point of ``index``, or pass by those that are quiet; the next index."""
        following = self.history.plan.next_decided(index)
        # an order that rests may fill at any bar, so that no point may be passed by while there is one
        if following > index and not self.exchange.orders(self.rules.account, open_only=True):
            self.pass_by(index, following)
            return following
        decision = self.step(self.points[index])
        if self.history.plan.doubted[index] and (decision.record.get("wanted") or decision.record.get("forecasts")):
            moment = format_time(decision.as_of)
            raise StrategyError(
                f"strategy '{self.rules.strategy}' decides at {moment}, where its speaks_at said that it would not"
            )
        return index + 1

    def pass_by(self, index: int, following: int) -> None:
        """Points at which nothing is decided: equity is marked, for the drawdown too, and funding settled between."""
        as_of = self.rules.grid.as_of
        while due := self.funding.next_until(as_of(self.points[following - 1])):
            before = bisect_left(self.points, due, index, following, key=as_of)
            self.mark_all(index, before)
            index = before
            self.move(as_of(self.points[index]))
        self.mark_all(index, following)

    def mark_all(self, index: int, following: int) -> None:
        """Mark equity at points between which nothing changes what is held."""
        if index == following:
            return
        portfolio = self.ledger.load_portfolio(self.rules.account)
        bases = {name: self.rules.instruments[name].base for name in self.rules.universe}
        held = [name for name, base in bases.items() if portfolio.quantity(base)]
        prices = self.history.whole.along(self.history.micros[index:following], held)
        marks = [portfolio.quantity(portfolio.currency)] * (following - index)
        for name in held:
            quantity = portfolio.quantity(bases[name])
            marks = [mark + quantity * price for mark, price in zip(marks, prices[name], strict=True)]
        self.ledger.raise_peak(self.rules.account, max(marks))
        self.equity.extend(zip(self.points[index:following], marks, strict=True))
        self.passed += following - index

    def step(self, point: datetime) -> Decision:
        """One decision, carried out."""
        grid = self.rules.grid
        as_of = grid.as_of(point)
        # the clock of a replay stops there to ingest, and resting orders meet their bars whenever it moves
        self.move(point + grid.delay / 2)
        self.move(as_of)
        champion = self.champions.at(as_of)
        decision = self.refuse(as_of, VENUE_DOWN) if self.tape.is_down(as_of) else self.decide(as_of, champion)
        if decision.outcome == "decided":
            self.carry_out(decision.decision_id)
        self.mark(point)
        return decision

    def decide(self, as_of: datetime, champion: FittedModel | None) -> Decision:
        """Steps 4 to 12."""
        point = self.rules.grid.point_of(as_of)
        key = self.rules.key(as_of)
        unresolved = resolve_open_orders(self.desk, epoch=self.epoch)
        market = self.history.tracks_at(as_of).view(point)
        stopped = {freeze.scope: freeze.reason for freeze in self.ledger.load_freezes()}
        if reason := why_refused(market, unresolved, (), stopped):
            return self.refuse(as_of, reason)
        inputs = DecisionInputs(
            key=key,
            market=market,
            champion=champion,
            portfolio=self.ledger.load_portfolio(self.rules.account),
            stopped=stopped,
        )
        draft = think(self.steps, inputs)
        decision = build_decision(
            self.rules, key, draft, stamp=self.desk.stamp(), environment=self.plan.environment, stopped=stopped
        )
        self.ledger.record_decision(decision, draft.plan.intents, epoch=self.epoch)
        return decision

    def refuse(self, as_of: datetime, reason: str) -> Decision:
        """Record that nothing was decided."""
        key = self.rules.key(as_of)
        decision = build_refusal(self.rules, key, reason, stamp=self.desk.stamp(), environment=self.plan.environment)
        self.ledger.record_decision(decision, (), epoch=self.epoch)
        return decision

    def carry_out(self, decision_id: str) -> None:
        """Steps 13 and 14 as the flow has them: sells, then the buys that fit into the cash then free."""
        self.place(decision_id, Side.SELL)
        reduce_to_cash(self.desk, decision_id, self.rules.instruments, self.plan.quote_fee_rate, epoch=self.epoch)
        self.place(decision_id, Side.BUY)

    def place(self, decision_id: str, side: Side) -> None:
        """Place all intents of one side and take in what they did."""
        for order in self.ledger.load_orders(decision_id=decision_id):
            if order.intent.side is side:
                place_order(self.desk, order.intent.intent_id, epoch=self.epoch)
        await_fills(self.desk, decision_id, side, wait_seconds=0)

    def mark(self, until: datetime) -> None:
        """Mark equity at the last close known at ``until``."""
        portfolio = self.ledger.load_portfolio(self.rules.account)
        held = [name for name in self.rules.universe if portfolio.quantity(self.rules.instruments[name].base)]
        prices = self.history.whole.prices(until, held)
        self.equity.append((until, mark_equity(self.rules, portfolio, prices)))

    def carry_through(self, until: datetime, on_step: Callable[[int, int], None] | None) -> None:
        """Every point, and the final mark at ``until``."""
        self.mark(self.points[0])
        index = 0
        while index < len(self.points):
            index = self.go_on(index)
            if on_step:
                on_step(index, len(self.points))
        self.move(until)
        self.mark(until)


def run_backtest(
    recording: Recording, plan: BacktestPlan, *, on_step: Callable[[int, int], None] | None = None
) -> BacktestResult:
    """Run every decision with ``plan.start`` <= point < ``plan.end``, order for order as live.

    Each goes through ``decision.think`` and the execution and matching of the paper venue, with ledger and broker in
    memory; the equity is marked after each and finally at the last bar closed at or before ``plan.end``. The same
    recording and plan give the same result to the last digit. ``on_step(done, all)`` is called after each decision,
    for a progress bar. DataError when there is nothing to decide, or a bar lies off its step; StrategyError when the
    strategy fails: history would be no better the next time.
    """
    with collecting_seldom():
        run = _Run(recording, plan)
        run.carry_through(min(plan.end, recording.last_close), on_step)
    account = plan.rules.account
    fills = tuple(run.ledger.load_fills(account))
    return BacktestResult(
        decisions=tuple(run.ledger.load_decisions(account)),
        orders=tuple(run.ledger.load_orders(account=account)),
        fills=fills,
        equity=tuple(run.equity),
        fees=fees_in_currency(fills),
        closing=run.ledger.load_portfolio(account),
        passed=run.passed,
        settlements=tuple(run.funding.done),
        **run.history.count_texts(),
    )
