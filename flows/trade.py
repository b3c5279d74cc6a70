"""From what is known at one as_of to orders at the venue, each placed exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect import flow

from flows.parameters import AsOf, Attempt, Because, Live, Mode, RunName
from tasks import decision as decide
from tasks import orders
from tasks.artifacts import publish_page
from tasks.models import load_champion
from tasks.options import patiently
from tidemill.bootstrap import services
from tidemill.decision import VENUE_DOWN, DecisionInputs, TradingRun, open_run, think, why_refused
from tidemill.domain.errors import StrategyError, TransientError
from tidemill.domain.trading import Decision, LedgerOrder, Side
from tidemill.reports import SkippedTrade, TradeSummary, decision_page, skipped_page


@flow(name="trade", flow_run_name=RunName("trade-{mode}-{as_of}"), log_prints=False)
def trade(
    as_of: AsOf = None, mode: Mode = "paper", attempt: Attempt = 0, because: Because = "", live: Live = False
) -> dict[str, Any]:
    """Make one decision and carry it out. Running it again changes nothing that was decided.

    Args:
        as_of: The moment the decision pretends it is (UTC). Empty: the newest one already past.
        mode: Must be the mode of the settings; a run of another mode is refused.
        attempt: 0 unless a person asks for the same as_of to be decided again, with a reason.
        because: Why; required for another attempt and for a halt.
        live: One of the two switches of live trading; off by default.

    """
    svc = services()
    svc.trading.check_mode(mode, live=live)
    run = open_run(
        svc.trading.rules,
        as_of=as_of,
        attempt=attempt,
        because=because,
        now=svc.clocks.market.now(),
        max_lag_seconds=svc.settings.max_lag_seconds,
    )
    orders.wait_until(run.key.as_of)
    with orders.hold_account() as epoch:
        decision = decide.find_decision(run.key)
        if decision is None and run.late:
            publish_page(f"trade-{mode}", skipped_page(run.key.as_of, run.late), "The newest decision")
            return SkippedTrade(as_of=run.key.as_of, reason=run.late).to_json()
        decision = decision or make_decision(run, epoch)
        placed = carry_out(decision, epoch)
    publish_page(f"trade-{mode}", decision_page(decision, placed), "The newest decision")
    return TradeSummary(decision=decision, orders=placed).to_json()


def make_decision(run: TradingRun, epoch: int) -> Decision:
    """Steps 4 to 12: a recorded decision, or a recorded refusal with its reason."""
    key = run.key
    try:
        unresolved = patiently(orders.resolve_open_orders)(epoch)
        account = patiently(orders.load_portfolio)()
    except TransientError as error:
        if services().settings.mode != "replay":
            raise  # nothing is stored; the run may be tried again until max_lag
        return decide.record_refusal(key, f"{VENUE_DOWN}: {error}", epoch)
    market = decide.load_market(key.as_of)
    champion = load_champion()
    differences = [difference.sentence for difference in account.differences]
    if reason := why_refused(market, unresolved, differences, account.stopped):
        return decide.record_refusal(key, reason, epoch)
    inputs = DecisionInputs(
        key=key, market=market, champion=champion, portfolio=account.portfolio, stopped=account.stopped
    )
    try:
        draft = think(decide, inputs)  # the module of tasks is the steps: the UI shows each of them
    except StrategyError as error:
        return decide.record_refusal(key, str(error), epoch)
    return decide.record_decision(key, draft, account.stopped, epoch)


def carry_out(decision: Decision, epoch: int) -> Sequence[LedgerOrder]:
    """Steps 13 and 14: sells first, then the buys that the cash then free allows."""
    sells = place(decision, Side.SELL, epoch)
    orders.reduce_buys(decision.decision_id, epoch)
    return [*sells, *place(decision, Side.BUY, epoch)]


def place(decision: Decision, side: Side, epoch: int) -> Sequence[LedgerOrder]:
    """Place all intents of one side and take in what they did."""
    intents = orders.intents_of(decision.decision_id, side)
    if not intents:
        return ()
    for future in patiently(orders.submit_order).map(intents, epoch):
        future.result()
    return orders.await_fills(decision.decision_id, side)
