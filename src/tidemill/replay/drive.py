"""The replay itself: history in, then step by step the real flows on the market clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from tidemill.bootstrap import Services, using
from tidemill.domain.market import EPOCH, MICROSECOND
from tidemill.gap_repair import record_missing
from tidemill.ingest import IngestSummary, SeriesJob, note_fetch, store_checked, store_posts
from tidemill.model_training.candidates import MODEL_NAME
from tidemill.operations.prefect_server import quiet_prefect
from tidemill.recording import Recording
from tidemill.replay.plan import ReplayPlan
from tidemill.replay.servers import ReplayServers

# Without a short rest between flow runs SQLite answers 503 and the client backs off two seconds.
REST_SECONDS = 0.3


@dataclass(slots=True)
class StepLog:
    """What the flows of a replay said, gathered as it goes."""

    bars: int = 0
    gaps: int = 0
    posts: int = 0
    scores: int = 0
    forecasts: int = 0
    vetoed: int = 0
    dropped: int = 0
    refusals: list[dict[str, str]] = field(default_factory=list)
    skipped_sources: list[dict[str, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    trainings: list[dict[str, Any]] = field(default_factory=list)
    equity: list[tuple[datetime, Decimal]] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def note_ingest(self, market: dict[str, Any], sentiment: dict[str, Any], as_of: str) -> None:
        """Add what both ingest flows returned."""
        for source in market["results"]:
            self.bars += source["stored"]
            self.gaps += source["missing"]
        for source in sentiment["results"]:
            self.posts += source["stored"]
            self.scores += source["scores"]
        failed = [result for result in (*market["results"], *sentiment["results"]) if result["failure"]]
        self.skipped_sources += [
            {"as_of": as_of, "source": result["name"], "reason": result["failure"]} for result in failed
        ]

    def note_trade(self, summary: dict[str, Any]) -> None:
        """Add what ``trade`` returned."""
        self.forecasts += summary["forecasts"]
        self.vetoed += summary["vetoed"]
        self.dropped += summary["dropped"]
        if summary["outcome"] != "decided":
            self.refusals.append({"as_of": summary["as_of"], "reason": summary["reason"]})


Progress = Callable[[int, str], None]


def import_history(services: Services, plan: ReplayPlan, *, now: datetime) -> dict[str, int]:
    """Store what the recording knows before ``now``, as an import: bars checked, posts scored, gaps recorded."""
    recording: Recording = plan.recording
    evidence = f"import {recording.title}"
    services.stores.market.write_payload("import", evidence, recording.title.encode(), now=now)
    counts = {"bars": 0, "gaps": 0, "posts": 0}
    for name in plan.universe:
        stored = _import_bars(services, plan, name, now)
        counts["bars"] += stored.stored
        counts["gaps"] += stored.missing
    record_missing(services.stores.market, services.stores.gaps, services.markets.series, now=now, start=EPOCH)
    posts = recording.posts
    if len(posts):
        earlier = posts[posts["event_time"] < now]
        # posts of the traded part come from the doubles, when their time has come
        counts["posts"], _, _ = store_posts(earlier, services.stores.market, bases=services.markets.bases, now=now)
    return counts


def _import_bars(services: Services, plan: ReplayPlan, name: str, now: datetime) -> IngestSummary:
    job = SeriesJob(
        instrument=services.markets.instruments[name],
        timeframe=plan.grid.timeframe,
        calendar=plan.grid.calendar,
        sessions=plan.grid.sessions,
        outliers=services.markets.outlier_rules,
    )
    bars = plan.recording.as_bars(name, plan.recording.first_open, now - job.length + MICROSECOND)
    if len(bars):
        note_fetch(services.stores.gaps, job, bars["open_time"].iloc[0].to_pydatetime(), now, bars=len(bars), now=now)
    return store_checked(bars, services.stores.market, services.stores.gaps, job, now=now, source="import")


def run_steps(services: Services, servers: ReplayServers, plan: ReplayPlan, progress: Progress) -> StepLog:
    """Run the flows of every step; a flow that fails is noted and ends the replay."""
    log = StepLog()
    with ExitStack() as stack:
        stack.enter_context(using(services))
        stack.enter_context(quiet_prefect())
        for index, point in enumerate(plan.points):
            # artifacts of every step cost time, and the last says what the earlier ones said
            at_the_ends = index in (0, len(plan.points) - 1)
            try:
                with services.artifacts_published(at_the_ends):
                    _run_step(services, servers, plan, point, log, partial(progress, index))
            except Exception as error:  # noqa: BLE001 -- whatever a flow raised is the step's failure, told at the end
                log.failures.append(f"step {index + 1} at {point:%Y-%m-%dT%H:%MZ}: {error}")
                break
            progress(index + 1, "")
    return log


def _run_step(
    services: Services,
    servers: ReplayServers,
    plan: ReplayPlan,
    point: datetime,
    log: StepLog,
    say: Callable[[str], None],
) -> None:
    from flows.ingest_market import ingest_market
    from flows.ingest_sentiment import ingest_sentiment
    from flows.reconcile import reconcile
    from flows.retrain import retrain
    from flows.trade import trade

    as_of = plan.grid.as_of(point)
    # after the close and before the decision: the sources have the bar and nothing later
    servers.move_clock(point + plan.grid.delay / 2)
    sentiment = _flow(say, ingest_sentiment, mode="replay")
    market = _flow(say, ingest_market, mode="replay")
    log.note_ingest(market, sentiment, as_of.isoformat())
    servers.move_clock(as_of)
    if plan.strategy == "model" and training_due(services, as_of):
        log.trainings.append(_flow(say, retrain, mode="replay", as_of=as_of))
    summary = _flow(say, trade, mode="replay", as_of=as_of)
    log.note_trade(summary)
    if summary.get("equity"):
        log.equity.append((point, Decimal(summary["equity"])))
    log.differences += _flow(say, reconcile, mode="replay")["differences"]


def training_due(services: Services, as_of: datetime) -> bool:
    """Whether the schedule of ``retrain``, in recorded time, has come."""
    from tidemill.model_training.candidates import is_due

    champion = services.stores.models.load_champion(MODEL_NAME)
    return is_due(champion, as_of, services.settings.training.retrain_every_days)


def _flow(say: Callable[[str], None], flow: Any, **parameters: Any) -> Any:
    say(flow.name)
    result = flow(**parameters)
    time.sleep(REST_SECONDS)
    return result
