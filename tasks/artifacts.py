"""What people see: artifacts and events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.assets import add_asset_metadata
from prefect.context import AssetContext
from prefect.events import emit_event

from tidemill.bootstrap import services
from tidemill.domain.market import format_time
from tidemill.ingest import IngestSummary
from tidemill.reports import asset_key, progress_sentence


def publish_page(key: str, page: str, description: str) -> None:
    """Publish one markdown artifact, unless a replay asked for silence."""
    if services().publishes_artifacts:
        create_markdown_artifact(markdown=page, key=key, description=description)


def publish_table(key: str, rows: Sequence[Mapping[str, Any]], description: str) -> None:
    """Publish one table artifact, unless a replay asked for silence."""
    if services().publishes_artifacts:
        create_table_artifact(table=[dict(row) for row in rows], key=key, description=description)


class Progress:
    """A progress artifact of a run that takes long: the share done, and about how long the rest will take."""

    def __init__(self, what: str, *, parts: int) -> None:
        self._what = what
        self._parts = parts
        self._done = 0
        self._began = services().clocks.wall.now()
        published = services().publishes_artifacts and parts > 0
        self._artifact = create_progress_artifact(progress=0.0, description=what) if published else None

    def advance(self, parts: int = 1) -> None:
        """So many parts more are done."""
        self._done += parts
        if self._artifact is None:
            return
        elapsed = services().clocks.wall.now() - self._began
        update_progress_artifact(
            artifact_id=self._artifact,  # type: ignore[arg-type]
            progress=100.0 * self._done / self._parts,
            description=progress_sentence(self._what, self._done, self._parts, elapsed),
        )


def note_asset(instrument: str, timeframe: str, summary: IngestSummary) -> None:
    """Keep with the asset of a series what this run brought; nothing outside of a run."""
    # a task called as a plain function, as tests and the replay do, has no asset to describe
    if AssetContext.get() is not None:
        counts = {name: value for name, value in summary.to_json().items() if isinstance(value, int)}
        add_asset_metadata(asset_key(instrument, timeframe), counts)


def announce_bars(as_of: datetime, results: list[dict[str, Any]], *, event: str = "bars.ingested") -> None:
    """Emit ``bars.ingested`` (or ``bars.repaired``, which never starts trade) for each venue and timeframe.

    Only that of the account's venue and timeframe says ``tidemill.decides``, which trade waits for.
    """
    settings = services().settings
    results_by_series: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for result in results:
        results_by_series.setdefault((result["name"].rpartition(".")[2], result["timeframe"]), []).append(result)
    for (venue, timeframe), group in results_by_series.items():
        # trade would start once a venue otherwise, on bars that it does not decide by
        decides = (venue, timeframe) == (settings.venue.name, settings.timeframe)
        emit_event(
            event=event,
            resource={
                "prefect.resource.id": f"tidemill.bars.{venue}.{timeframe}",
                "tidemill.mode": settings.mode,
                "tidemill.decides": "true" if decides else "false",
            },
            payload={
                "mode": settings.mode,
                "as_of": format_time(as_of),
                "venue": venue,
                "timeframe": timeframe,
                "ok": [result["name"] for result in group if not result["failure"]],
                "failed": [result["name"] for result in group if result["failure"]],
            },
        )
