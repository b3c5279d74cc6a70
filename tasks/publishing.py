"""What people see: artifacts and events."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event

from tidemill.bootstrap import services
from tidemill.domain.market import format_time


def publish_page(key: str, page: str, description: str) -> None:
    """Publish one markdown artifact, unless a replay asked for silence."""
    if services().artifacts:
        create_markdown_artifact(markdown=page, key=key, description=description)


def announce_bars(as_of: datetime, results: list[dict[str, Any]], *, event: str = "bars.ingested") -> None:
    """Emit ``bars.ingested`` (or ``bars.repaired``, which never starts trade)."""
    settings = services().settings
    emit_event(
        event=event,
        resource={
            "prefect.resource.id": f"tidemill.bars.{settings.venue.name}.{settings.timeframe}",
            "tidemill.mode": settings.mode,
        },
        payload={
            "mode": settings.mode,
            "as_of": format_time(as_of),
            "venue": settings.venue.name,
            "timeframe": settings.timeframe,
            "ok": [one["name"] for one in results if not one["failure"]],
            "failed": [one["name"] for one in results if one["failure"]],
        },
    )
