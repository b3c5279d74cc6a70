"""Run commands of tidemill one after another in one process: run_commands.py COMMANDS, a JSON list of argument lists.

The last line on stdout is the list of their exit codes.
"""

from __future__ import annotations

import json
import sys

from tidemill.cli import main


def run(command: list[str]) -> int:
    """The exit code of one command."""
    try:
        main(command)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


if __name__ == "__main__":
    codes = [run(command) for command in json.loads(sys.argv[1])]
    print("\n" + json.dumps(codes))
