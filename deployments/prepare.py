"""Prepare a Prefect server for Tidemill; safe to run again at any time.

Makes the work pool, the concurrency limit of order tasks, and the automation that turns a run whose process
has gone silent into Crashed. Run it with PREFECT_API_URL set: python deployments/prepare.py
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from prefect.automations import Automation
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.exceptions import ObjectNotFound
from prefect.states import StateType

POOL = "tidemill"
ORDER_TAG, ORDER_LIMIT = "order", 8
ZOMBIES = "tidemill: silent runs are crashed"
# Heartbeats come every 30 seconds; three missed in a row make a zombie.
HEARTBEAT, SILENCE = "prefect.flow-run.heartbeat", timedelta(seconds=90)


async def prepare() -> list[str]:
    """Bring the server to the wanted state; one line for each thing."""
    async with get_client() as client:
        return [await prepare_pool(client), await prepare_limit(client), await prepare_zombies()]


async def prepare_pool(client: PrefectClient) -> str:
    """The work pool that the deployments name: runs as processes of a worker."""
    try:
        await client.read_work_pool(POOL)
        return f"work pool '{POOL}' is there"
    except ObjectNotFound:
        await client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        return f"work pool '{POOL}' made"


async def prepare_limit(client: PrefectClient) -> str:
    """At most so many order tasks at once, over all runs."""
    await client.create_concurrency_limit(tag=ORDER_TAG, concurrency_limit=ORDER_LIMIT)
    return f"at most {ORDER_LIMIT} tasks tagged '{ORDER_TAG}' at once"


async def prepare_zombies() -> str:
    """A run that sent a heartbeat and then nothing for 90 seconds is Crashed."""
    wanted = Automation(
        name=ZOMBIES,
        description="A worker killed with its run leaves the run Running for ever; this ends it.",
        trigger=EventTrigger(
            after={HEARTBEAT},
            expect={"prefect.flow-run.*"},
            match={"prefect.resource.id": ["prefect.flow-run.*"]},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENCE,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="its process has gone silent")],
    )
    try:
        await Automation.aread(name=ZOMBIES)
        return f"automation '{ZOMBIES}' is there"
    except ValueError:
        await wanted.acreate()
        return f"automation '{ZOMBIES}' made"


if __name__ == "__main__":
    for line in asyncio.run(prepare()):
        sys.stdout.write(line + "\n")
