"""A HOME that commit 3bbaa44 left is taken over: its decisions, its champion, its orders in every unfinished state."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from homes import COMMIT, HERE, ROOT, Venue, answers, flows, old_tree, rows, run, running_venue, tidemill

pytestmark = pytest.mark.flow_run
SAMPLE = 10
CLOCK = {"now": "2013-02-13T00:01:45Z"}
ORDERS_HOME = """
mode = "replay"
universe = ["AAPL-USD.SAMPLE", "IBM-USD.SAMPLE", "MSFT-USD.SAMPLE", "GOOG-USD.SAMPLE"]
timeframe = "1d"
calendar = "as-recorded"
recording = "bundled"
strategy = "trend"

[venue]
name = "SAMPLE"
"""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The old code, which really is the one that runs."""
    tree, elsewhere = old_tree(tmp_path_factory.mktemp("old")), tmp_path_factory.mktemp("elsewhere")
    if tree is None:
        pytest.skip(f"this clone has no commit {COMMIT[:7]}, whose home is to be taken over (git fetch --unshallow)")
    for code in (tree, ROOT):
        said = run(code, elsewhere, "-c", "import tidemill, flows; print(tidemill.__file__, flows.__file__)")
        assert said.split() == [str(code / "src" / "tidemill" / "__init__.py"), str(code / "flows" / "__init__.py")]
    return tree


@pytest.fixture(scope="module")
def home(old: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The home of an old demo of the model strategy, with what the old code said of it."""
    folder = tmp_path_factory.mktemp("demo")
    (summary,) = answers(old, folder, ("demo", "--strategy", "model", "--from", "2013-02-26T00:00:00Z"))
    path = Path(summary["folder"])
    recorded = decisions(path)
    order = summary["lineage"]["orders"][0]["order"]["intent_id"]
    explained, rerun = answers(old, path, ("explain", order), ("rerun", recorded[-1]))
    return {
        "path": path,
        "champion": summary["model"],
        "order": order,
        "decisions": recorded,
        "explained": explained,
        "rerun": rerun,
        "version": versions(path),
    }


def decisions(home: Path) -> list[str]:
    decided = "SELECT decision_id FROM decisions WHERE outcome = 'decided' ORDER BY as_of"
    return [row[0] for row in rows(home / "ops.db", decided)]


def versions(home: Path) -> list[str]:
    return [rows(home / f"{name}.db", "SELECT version_num FROM alembic_version")[0][0] for name in ("ops", "market")]


def test_the_newer_code_opens_the_old_stores(home: dict[str, Any]) -> None:
    screen = tidemill(ROOT, home["path"], "status")
    assert all(decision in screen for decision in home["decisions"])
    assert versions(home["path"]) >= home["version"]


def test_every_old_decision_comes_out_the_same_bit_for_bit(home: dict[str, Any]) -> None:
    recorded = home["decisions"]
    assert len(recorded) == 3
    sample = random.Random(3).sample(recorded, min(SAMPLE, len(recorded)))
    reruns = answers(ROOT, home["path"], *(("rerun", decision) for decision in sample))
    assert [(again["same"], again["promise"], again["differences"]) for again in reruns] == [
        (True, "bit for bit", []) for _ in sample
    ]
    assert all(again["features"] > 100 for again in reruns)
    assert home["rerun"] in reruns


def test_an_old_order_explains_itself_as_before(home: dict[str, Any]) -> None:
    (explained,) = answers(ROOT, home["path"], ("explain", home["order"]))
    assert explained == home["explained"]
    assert explained["orders"][0]["fills"]
    assert explained["orders"][0]["model"]["version"] == home["champion"]["version"]


def test_the_champion_is_the_one_of_before(home: dict[str, Any]) -> None:
    """Asked for by the flow that would train another when it is due."""
    with running_venue(ROOT, home["path"]) as venue:
        venue.admin("clock", {"now": "2013-02-28T00:02:00Z"})
        (returned,) = flows(ROOT, home["path"], ("retrain", {}), **venue.settings("old"))
    assert returned["trained"] is False
    assert home["champion"]["version"] in returned["champion"]
    assert home["champion"]["name"] in returned["champion"]


def test_control_one_changed_number_is_found(home: dict[str, Any], tmp_path: Path) -> None:
    """A feature of one decision and a forecast of another, each changed in its twelfth digit."""
    copy = tmp_path / "home"
    shutil.copytree(home["path"], copy, ignore=shutil.ignore_patterns("prefect*"))
    settings = (copy / "tidemill.toml").read_text(encoding="utf-8").replace(str(home["path"]), str(copy))
    (copy / "tidemill.toml").write_text(settings, encoding="utf-8")
    *_, one, other = home["decisions"]
    with closing(sqlite3.connect(copy / "ops.db")) as connection, connection:
        for decision, part in ((one, "features"), (other, "forecasts")):
            (text,) = connection.execute("SELECT record FROM decisions WHERE decision_id = ?", (decision,)).fetchone()
            record = json.loads(text)
            if part == "features":
                record["features"]["MSFT-USD.SAMPLE"]["close"] *= 1 + 1e-12
            else:
                record["forecasts"][0]["strength"] *= 1 + 1e-12
            connection.execute("UPDATE decisions SET record = ? WHERE decision_id = ?", (json.dumps(record), decision))
    reruns = answers(ROOT, copy, ("rerun", one), ("rerun", other), code=1)
    for again, word in zip(reruns, ("close", "strength"), strict=True):
        assert again["same"] is False
        assert any(word in sentence for sentence in again["differences"]), again["differences"]


# -- orders


@pytest.fixture(scope="module")
def unfinished(old: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the ledger and the venue's database as the old code left them, killed in mid-work."""
    folder = tmp_path_factory.mktemp("orders")
    (folder / "tidemill.toml").write_text(ORDERS_HOME, encoding="utf-8")
    with running_venue(old, folder) as venue:
        venue.admin("accounts", {"key": "old", "secret": "secret old", "balances": {"USD": "100000"}})
        venue.admin("clock", CLOCK)
        tidemill(old, folder, "account", "open", "--cash", "USD=100000", **venue.settings("old"))
        said = run(old, folder, str(HERE / "old_orders.py"), **venue.settings("old"))
        assert said.strip() == str(old / "src" / "tidemill" / "__init__.py")
        assert at_venue(venue) == {"old-open": "NEW", "old-unknown": "FILLED", "old-submitting": "FILLED"}
    return folder


def at_venue(venue: Venue) -> dict[str, str]:
    """Every order at the venue with its state; an id may come once only."""
    listed = [(order["clientOrderId"], order["status"]) for order in venue.admin("truth?key=old")["orders"]]
    assert len(listed) == len(dict(listed)), listed
    return dict(listed)


def in_ledger(folder: Path) -> dict[str, str]:
    return dict(rows(folder / ".tidemill" / "ops.db", "SELECT intent_id, state FROM intents"))


def test_orders_in_every_state_are_resolved_kept_and_cancelled(unfinished: Path) -> None:
    """By this tree's flows, at this tree's venue on the old one's database."""
    before = {"old-open": "open", "old-unknown": "unknown", "old-submitting": "submitting", "old-unsent": "submitting"}
    assert in_ledger(unfinished) == before
    with running_venue(ROOT, unfinished) as venue:
        venue.admin("clock", CLOCK)
        first, halted, last = flows(
            ROOT,
            unfinished,
            ("reconcile", {}),
            ("halt", {"because": "the old order is to be cancelled"}),
            ("reconcile", {}),
            **venue.settings("old"),
        )
        orders, truth = at_venue(venue), venue.admin("truth?key=old")
    assert first == last == {"differences": [], "doubtful": 0, "frozen": 0}
    # the open order, and no other, rested until the halt
    assert (halted["stopped"], halted["cancelled"]) == (True, 1)
    filled = {f"old-{name}": "filled" for name in ("unknown", "submitting", "unsent")}
    assert in_ledger(unfinished) == {"old-open": "cancelled", **filled}
    # as at Binance, a cancel takes the order's name away
    (cancelled,) = orders.keys() - filled.keys()
    assert orders == {cancelled: "CANCELED", **dict.fromkeys(filled, "FILLED")}
    assert len(truth["trades"]) == len(filled)
    events = rows(unfinished / ".tidemill" / "ops.db", "SELECT intent_id, state FROM order_events ORDER BY sequence")
    assert [state for name, state in events if name == "old-open"] == ["planned", "submitting", "open", "cancelled"]
    assert [state for name, state in events if name == "old-unsent"].count("submitting") == 2, "absent, so sent again"
