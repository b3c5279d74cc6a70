"""Deployments as the deployments file has them: read, shown, and served by a runner."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import yaml
from rich.table import Table

from tidemill.domain.errors import ConfigurationError
from tidemill.operations.init import deployments_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One deployment, in the words of Prefect's deployments file.

    ``entrypoint`` is module.flow. ``schedules`` and ``triggers`` are the file's own mappings; ``concurrency_limit`` is
    the number of runs at a time, None for any number.
    """

    name: str
    entrypoint: str
    description: str
    tags: Sequence[str] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    schedules: Sequence[Mapping[str, Any]] = ()
    triggers: Sequence[Mapping[str, Any]] = ()
    concurrency_limit: int | None = None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Self:
        """An entry of the file; KeyError when it lacks name, entrypoint or description."""
        return cls(
            name=entry["name"],
            entrypoint=entry["entrypoint"],
            description=entry["description"],
            tags=entry.get("tags", []),
            parameters=entry.get("parameters", {}),
            schedules=entry.get("schedules", []),
            triggers=entry.get("triggers", []),
            concurrency_limit=entry.get("concurrency_limit", {}).get("limit"),
        )

    @property
    def flow_name(self) -> str:
        """The name of the flow that runs."""
        return self.entrypoint.rpartition(".")[2]

    @property
    def trigger_text(self) -> str:
        """When it runs, in words."""
        if self.schedules:
            return "cron " + ", ".join(schedule["cron"] for schedule in self.schedules)
        if self.triggers:
            return "event " + ", ".join(self.triggers[0]["expect"])
        return "by hand"

    def to_runner(self) -> Any:
        """The same as a deployment that a runner serves: schedules, triggers, limits, parameters."""
        from prefect.deployments.runner import RunnerDeployment
        from prefect.flows import EntrypointType  # type: ignore[attr-defined]  # its public home is not typed

        module, _, name = self.entrypoint.rpartition(".")
        flow = getattr(importlib.import_module(module), name)
        served: RunnerDeployment = flow.to_deployment(
            name=self.name,
            description=self.description,
            tags=list(self.tags),
            parameters=dict(self.parameters),
            schedules=self._cron_schedules(),
            triggers=self._event_triggers(),
            concurrency_limit=self.concurrency_limit,
            # by module, not by path: flow runs are processes that start in a folder of their own
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        return served

    def _cron_schedules(self) -> list[Any]:
        from prefect.schedules import Cron

        return [
            Cron(
                schedule["cron"],
                timezone=schedule["timezone"],
                slug=schedule["slug"],
                parameters=schedule.get("parameters", {}),
            )
            for schedule in self.schedules
        ]

    def _event_triggers(self) -> list[Any]:
        from prefect.events import DeploymentEventTrigger

        return [
            DeploymentEventTrigger(
                name=f"{self.flow_name}/{self.name} on {trigger['expect'][0]}",
                enabled=trigger["enabled"],
                match=trigger["match"],
                expect=set(trigger["expect"]),
                parameters=trigger["parameters"],
            )
            for trigger in self.triggers
        ]


def read_deployments(mode: str) -> list[Deployment]:
    """The deployments of ``mode`` in the order of the file.

    ConfigurationError when there is no such file, it cannot be read, or it has none of that mode.
    """
    path = deployments_file(mode)
    if not path.exists():
        raise ConfigurationError(
            f"there are no deployments of mode '{mode}': {path.name} is not here; "
            f"write it with: tidemill init --mode {mode}"
        )
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))["deployments"]
    except (OSError, KeyError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path} cannot be read as a deployments file: {error}") from error
    deployments = [Deployment.of(entry) for entry in entries if entry["name"] == mode]
    if not deployments:
        raise ConfigurationError(f"{path} has no deployment of mode '{mode}'; write them: tidemill init --mode {mode}")
    return deployments


def deployments_table(deployments: Sequence[Deployment]) -> Table:
    """Deployment, trigger and purpose."""
    rows = Table("deployment", "trigger", "purpose", box=None)
    for deployment in deployments:
        rows.add_row(f"{deployment.flow_name}/{deployment.name}", deployment.trigger_text, deployment.description)
    return rows
