"""History through the same stage functions, the same execution and the same matching as live: the exact speed.

Each decision goes steps 4 to 14 as `trade` does, with an in-memory ledger and broker in place of SQL
and wire. Features of all points are made in one call; a feature's value does not depend on how many
points are asked for, so the numbers are those of a live run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import pandas as pd

from tidemill.adapters.clocks import ManualClock
from tidemill.adapters.memory_broker import MemoryBroker
from tidemill.adapters.memory_ledger import MemoryLedger
from tidemill.adapters.memory_market import MemoryMarketStore
from tidemill.adapters.memory_registry import MemoryRegistry
from tidemill.deciding import (
    DecisionRules,
    Environment,
    MarketView,
    build_decision,
    build_refusal,
    draft_decision,
    find_incomplete,
    mark_equity,
    rows_at,
    view_market,
    why_refused,
)
from tidemill.domain.errors import DataError
from tidemill.domain.market import format_time, timeframe_seconds, to_micros
from tidemill.domain.portfolio import ZERO, Account, drawdown
from tidemill.domain.trading import Decision, Fill, LedgerOrder, OrderTiming, Side
from tidemill.execution import Desk, await_fills, place_order, reduce_to_cash, settle_account
from tidemill.features import build_features
from tidemill.ingesting import store_posts
from tidemill.learning import (
    build_training_table,
    is_due,
    judge,
    load_training_data,
    register_candidate,
    train_candidate,
)
from tidemill.matching import Exchange, FillRules
from tidemill.ports import FittedModel
from tidemill.recording import Recording
from tidemill.reports import add_counts, count_orders
from tidemill.training import TrainingParams

log = logging.getLogger(__name__)

FOREVER_SECONDS = 100 * 366 * 86400.0
MODEL_NAME = "tidemill"


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestPlan:
    """What to run: rules as for live, fills as at the paper venue, and how a model is trained on the way."""

    rules: DecisionRules
    fills: FillRules
    start: datetime
    end: datetime
    start_cash: Decimal
    training: TrainingParams
    retrain_every_days: float
    window_days: int
    promotion: Literal["proven", "paper"]
    quote_fee_rate: Decimal
    environment: Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestResult:
    """Everything that happened, in memory. ``equity`` has one mark per decision and the final one."""

    decisions: tuple[Decision, ...]
    orders: tuple[LedgerOrder, ...]
    fills: tuple[Fill, ...]
    equity: tuple[tuple[datetime, Decimal], ...]
    fees: Decimal

    @property
    def max_drawdown(self) -> Decimal:
        """Largest 1 - equity/peak over the marks."""
        peak = worst = ZERO
        for _, value in self.equity:
            peak = max(peak, value)
            worst = max(worst, drawdown(value, peak))
        return worst

    def as_dict(self, strategy: str) -> dict[str, Any]:
        """The summary as JSON-ready values, money as decimal strings."""
        counts = count_orders(self.orders)
        refused = [one for one in self.decisions if one.outcome == "refused"]
        totals: dict[str, int] = {}
        for decision in self.decisions:
            record = decision.record
            totals = add_counts(
                totals,
                {
                    "forecasts": len(record.get("forecasts", ())),
                    "vetoed": len(record.get("vetoes", ())),
                    "dropped": len(record.get("dropped", ())),
                },
            )
        last = next((one for one in reversed(self.decisions) if one.outcome == "decided"), None)
        return {
            "steps": len(self.decisions),
            "strategy": strategy,
            "model": (last.record["model"] or {"name": last.model, "version": "", "verdict": "rule"}) if last else None,
            **totals,
            "orders": counts,
            "fees": str(self.fees),
            "equity_start": str(self.equity[0][1]),
            "equity_end": str(self.equity[-1][1]),
            "max_drawdown": str(self.max_drawdown),
            "refusals": [{"as_of": format_time(one.as_of), "reason": one.reason} for one in refused],
        }


class _Run:
    """One backtest on its way."""

    def __init__(self, recording: Recording, plan: BacktestPlan) -> None:
        self.plan = plan
        self.rules = plan.rules
        self.points = list(plan.rules.grid.points(plan.start, plan.end))
        if not self.points:
            span = f"from {format_time(plan.start)} to {format_time(plan.end)}"
            raise DataError(f"there is nothing to decide {span} in this recording")
        self.tape = recording.tape()
        self.store = MemoryMarketStore()
        self.bars = self._load(recording)
        self.clock = ManualClock(recording.first_open)
        instruments = {one.instrument.id: one.instrument for one in recording.series}
        self.exchange = Exchange(instruments, plan.fills, self.tape, start=recording.first_open)
        self.ledger = MemoryLedger()
        self.models = MemoryRegistry()
        self.desk = self._open_desk()
        self.features = build_features(
            self.bars,
            self.store.read_scores(self.rules.scorer, recording.first_open, plan.end),
            grid=self.rules.grid,
            points=self.points,
            universe=self.rules.universe,
        )
        self.equity: list[tuple[datetime, Decimal]] = []

    def _load(self, recording: Recording) -> pd.DataFrame:
        """Put the recording into a store of its own, as an import would."""
        timeframe = self.rules.grid.timeframe
        bars = recording.as_bars(None, recording.first_open, self.plan.end, timeframe=timeframe)
        bars = bars[bars["instrument"].isin(self.rules.universe)]
        self.store.write_bars(timeframe, bars, now=recording.first_open)
        posts = recording.posts
        posts = posts[posts["event_time"] < self.plan.end]
        bases = list(dict.fromkeys(self.rules.instruments[name].base for name in self.rules.universe))
        if len(posts):
            store_posts(posts, self.store, bases=bases, now=self.plan.end)
        return self.store.read_bars(self.rules.universe, timeframe, recording.first_open, self.plan.end)

    def _open_desk(self) -> Desk:
        account = self.rules.account
        currency = self.rules.instruments[self.rules.universe[0]].quote
        balances = {currency: self.plan.start_cash}
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
        epoch = self.ledger.acquire(account, "backtest", ttl_seconds=FOREVER_SECONDS, now=self.clock.now())
        if epoch is None:
            raise DataError(f"account '{account}' is held already")
        self.epoch = epoch
        return desk

    def move(self, moment: datetime) -> None:
        """Move the market clock; resting orders meet every bar closed since."""
        self.clock.move_to(moment)
        self.exchange.advance(moment, moment)

    def step(self, point: datetime) -> None:
        """One decision, carried out."""
        grid = self.rules.grid
        as_of = grid.as_of(point)
        self.move(point + grid.delay / 2)
        self.move(as_of)
        champion = self.champion(as_of)
        decision = self.refuse(as_of, "venue down") if self.tape.is_down(as_of) else self.decide(as_of, champion)
        if decision.outcome == "decided":
            self.carry_out(decision.decision_id)
        self.mark(point)

    def champion(self, as_of: datetime) -> FittedModel | None:
        """The champion at ``as_of``, trained anew when one is due."""
        if self.rules.strategy != "model":
            return None
        champion = self.models.load_champion(MODEL_NAME)
        if not is_due(champion, as_of, self.plan.retrain_every_days):
            return champion
        grid, universe = self.rules.grid, self.rules.universe
        data = load_training_data(
            self.store,
            self.store,
            universe=universe,
            grid=grid,
            scorer=self.rules.scorer,
            as_of=as_of,
            window_days=self.plan.window_days,
            live=False,
            min_completeness=self.rules.min_completeness,
        )
        table = build_training_table(data, universe=universe, grid=grid, horizon=self.plan.training.horizon_bars)
        candidate = train_candidate(table, params=self.plan.training, as_of=as_of, name=MODEL_NAME)
        verdict = judge(candidate, data, universe=universe, grid=grid, promotion=self.plan.promotion)
        register_candidate(self.models, candidate, table, verdict)
        return self.models.load_champion(MODEL_NAME)

    def view(self, point: datetime) -> MarketView:
        """The last bar of each instrument known at this point's as_of."""
        decided = pd.Timestamp(self.rules.grid.decided_open(point))
        known = self.bars[self.bars["open_time"] <= decided]
        last = known.groupby("instrument").tail(1)
        return view_market(
            self.rules,
            point,
            last,
            last.iloc[:0],
            to_micros(self.rules.grid.as_of(point)),
            incomplete=find_incomplete(self.rules, point, known),
        )

    def decide(self, as_of: datetime, champion: FittedModel | None) -> Decision:
        """Steps 4 to 12."""
        point = self.rules.grid.point_of(as_of)
        key = self.rules.key(as_of)
        doubtful = settle_account(self.desk, epoch=self.epoch)
        market = self.view(point)
        stopped = {freeze.scope: freeze.reason for freeze in self.ledger.load_freezes()}
        if reason := why_refused(market, doubtful, (), stopped):
            return self.refuse(as_of, reason)
        draft = draft_decision(
            self.rules,
            key,
            market=market,
            champion=champion,
            portfolio=self.ledger.load_portfolio(self.rules.account),
            stopped=stopped,
            table=rows_at(self.features, point),
        )
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
        """Steps 13 and 14: sells, then the buys that fit into the cash then free."""
        for side in (Side.SELL, Side.BUY):
            if side is Side.BUY:
                reduce_to_cash(self.desk, decision_id, self.rules.instruments, self.plan.quote_fee_rate)
            orders = self.ledger.load_orders(decision_id=decision_id)
            for order in orders:
                if order.intent.side is side:
                    place_order(self.desk, order.intent.intent_id, epoch=self.epoch)
            await_fills(self.desk, decision_id, side, wait_seconds=0)

    def mark(self, until: datetime) -> None:
        """Mark equity at the last close known at ``until``."""
        length = timedelta(seconds=timeframe_seconds(self.rules.grid.timeframe))
        known = self.bars[self.bars["open_time"] <= pd.Timestamp(until - length)]
        last = known.groupby("instrument").tail(1)
        view = view_market(self.rules, until, last, last.iloc[:0], 0)
        portfolio = self.ledger.load_portfolio(self.rules.account)
        self.equity.append((until, mark_equity(self.rules, portfolio, view.prices)))


def run_backtest(
    recording: Recording, plan: BacktestPlan, *, on_step: Callable[[int, int], None] | None = None
) -> BacktestResult:
    """Run every decision with ``plan.start`` <= point < ``plan.end``; DataError when there is none.

    ``on_step(done, all)`` is called after each decision, for a progress bar.
    """
    run = _Run(recording, plan)
    run.equity.append((run.points[0], plan.start_cash))
    for index, point in enumerate(run.points):
        run.step(point)
        if on_step:
            on_step(index + 1, len(run.points))
    run.move(min(plan.end, recording.last_close))
    run.mark(min(plan.end, recording.last_close))
    account = plan.rules.account
    fills = tuple(run.ledger.load_fills(account))
    return BacktestResult(
        decisions=tuple(run.ledger.load_decisions(account)),
        orders=tuple(run.ledger.load_orders(account=account)),
        fills=fills,
        equity=tuple(run.equity),
        fees=fees_in_currency(fills),
    )


def fees_in_currency(fills: Sequence[Fill]) -> Decimal:
    """Fees in quote units; a fee taken in another asset counts at its fill's price."""
    total = ZERO
    for fill in fills:
        quote = fill.instrument.rpartition(".")[0].partition("-")[2]
        total += fill.fee if fill.fee_asset == quote else fill.fee * fill.price
    return total


def compare_runs(left: Mapping[str, Sequence[Any]], right: Mapping[str, Sequence[Any]]) -> dict[str, dict[str, int]]:
    """Count equal and different entries by kind; entries are compared as sets of values."""
    return {
        kind: {
            "same": len(set(left[kind]) & set(right[kind])),
            "different": len(set(left[kind]) ^ set(right[kind])),
        }
        for kind in left
    }
