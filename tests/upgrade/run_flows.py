"""Run flows of this tree on a Prefect API of their own: run_flows.py CALLS, a JSON list of [name, parameters].

The last line on stdout is the list of what they returned.
"""

from __future__ import annotations

import importlib
import json
import sys

from prefect.testing.utilities import prefect_test_harness

if __name__ == "__main__":
    with prefect_test_harness(server_startup_timeout=120):
        returned = [
            getattr(importlib.import_module(f"flows.{name}"), name)(mode="replay", **parameters)
            for name, parameters in json.loads(sys.argv[1])
        ]
    print("\n" + json.dumps(returned, default=str))
