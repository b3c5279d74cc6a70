"""Events that flows really emitted, as the Prefect server has them."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from prefect.client.orchestration import get_client


def emitted(since: datetime, *names: str, count: int) -> list[Any]:
    """Events of these names, oldest first, waited for until each name and ``count`` of them in all are there."""
    from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter
    from prefect.events.schemas.events import ReceivedEvent

    wanted = EventFilter(event=EventNameFilter(name=list(names)), occurred=EventOccurredFilter(since=since))
    body = {"filter": wanted.model_dump(mode="json"), "limit": 50}
    deadline = time.monotonic() + 20
    found: list[Any] = []
    while time.monotonic() < deadline:
        with get_client(sync_client=True) as client:
            answer = client._client.post("/events/filter", json=body)
        found = [ReceivedEvent.model_validate(one) for one in answer.json()["events"]]
        if {one.event for one in found} >= set(names) and len(found) >= count:
            break
        time.sleep(0.5)
    return sorted(found, key=lambda one: one.occurred)
