"""Run commands of tidemill in this process and write what the flows in it returned: watch.py OUT < COMMANDS.

COMMANDS is a JSON list of argument lists. OUT gets ``{"exits": [...], "flows": {name: [what it returned, ...]}}``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import prefect

returned: dict[str, list[Any]] = {}
call_flow = prefect.Flow.__call__


def call_and_note(flow: Any, *positional: Any, **parameters: Any) -> Any:
    """Call the flow; note what it returns."""
    result = call_flow(flow, *positional, **parameters)
    returned.setdefault(flow.name, []).append(result)
    return result


def run(command: list[str]) -> int:
    """The exit code of one command."""
    from tidemill.cli import main

    try:
        main(command)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def watch() -> None:
    """Note from now on what flows return."""
    prefect.Flow.__call__ = call_and_note  # type: ignore[method-assign]


if __name__ == "__main__":
    watch()
    exits = [run(command) for command in json.load(sys.stdin)]
    Path(sys.argv[1]).write_text(json.dumps({"exits": exits, "flows": returned}, default=str), encoding="utf-8")
