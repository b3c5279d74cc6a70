"""Looking after the runs: one call each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tasks.options import step
from tidemill.bootstrap import services
from tidemill.decision import missing_decisions
from tidemill.domain.market import format_time
from tidemill.lineage import Rerun

LOOK_BACK = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RerunSample:
    """The newest decision of the last day made again; None when there was none to make again."""

    rerun: Rerun | None

    def to_json(self) -> dict[str, Any]:
        """What the flow `monitor` returns of it: with no decision, ``decision`` null and nothing else."""
        if self.rerun is None:
            return {"decision": None}
        return {
            "decision": self.rerun.decision_id,
            "promise": self.rerun.promise,
            "same": self.rerun.same,
            "differences": list(self.rerun.differences),
        }


@step(name="find_undecided", tags=["monitor"], retries=2)
def find_undecided() -> list[str]:
    """Every as_of of the last day, past its lag, since the account was opened, that has no decision."""
    svc = services()
    now = svc.clocks.market.now()
    decided = svc.stores.ledger.load_decisions(svc.settings.account, since=now - LOOK_BACK)
    opened = svc.stores.ledger.load_account(svc.settings.account)
    if opened is None:
        return []
    # nothing was due before the account was opened
    start = max(now - LOOK_BACK, opened.opened_at)
    # what is younger than the lag may still be decided
    end = now - timedelta(seconds=svc.settings.max_lag_seconds)
    return [format_time(as_of) for as_of in missing_decisions(svc.markets.grid, decided, start, end)]


@step(name="find_stops", tags=["monitor"], retries=2)
def find_stops() -> list[dict[str, str]]:
    """Freezes and halts in force."""
    return [
        {"scope": freeze.scope, "reason": freeze.reason, "since": format_time(freeze.since)}
        for freeze in services().stores.ledger.load_freezes()
    ]


@step(name="rerun_sample", tags=["monitor"], retries=1)
def rerun_sample() -> RerunSample:
    """Make the newest decision of the last day again from stored inputs and compare."""
    svc = services()
    reviewer = svc.trading.reviewer
    computed = reviewer.recent_decisions(svc.clocks.market.now() - LOOK_BACK)
    if not computed:
        return RerunSample(rerun=None)
    return RerunSample(rerun=reviewer.rerun(computed[-1]))
