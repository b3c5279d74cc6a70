"""The keys of every JSON, the names of settings, commands, tasks, artifacts and tables are as they were recorded.

Where something is to change: say so in CHANGELOG.md, run record.py beside this file, and read what git shows.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from declared import collect
from observed import observe
from record import golden
from shapes import differences, shape_of

RUN = ("outputs", "summaries", "artifacts", "tables", "stored")


@pytest.fixture(scope="module")
def declared() -> dict[str, Any]:
    return collect()


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One parity run, all flows, all commands: about a minute of work."""
    return observe(tmp_path_factory.mktemp("contract"))


@pytest.mark.parametrize("name", ["settings", "commands", "deployments", "names"])
def test_what_is_declared_is_what_was_promised(declared: dict[str, Any], name: str) -> None:
    assert not differences(golden(name), declared[name])


@pytest.mark.flow_run
@pytest.mark.parametrize("name", RUN)
def test_what_comes_out_is_what_was_promised(observed: dict[str, Any], name: str) -> None:
    assert not differences(golden(name), observed[name])


def test_a_key_that_goes_comes_or_changes_its_type_is_named() -> None:
    before = shape_of({"fees": "1.5", "orders": [{"id": "a"}, {"id": "b", "price": None}]})
    after = shape_of({"fees": 1.5, "orders": [{"id": "a", "side": "BUY"}]})
    assert differences(before, after) == [
        "went: 'orders[].price' (was 'null')",
        "came: 'orders[].side' ('string')",
        "changed: fees > 'string' is now 'number'",
    ]
    assert differences(["a", "b"], ["b", "c"], "tags > ") == ["went: tags > 'a'", "came: tags > 'c'"]
    assert not differences(before, before)
