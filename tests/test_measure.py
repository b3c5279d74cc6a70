"""The measures, on a small checkout whose figures are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.marked import read_marked, write_marked
from tools.measure.figures import count_retired
from tools.measure.functions import find_any, is_shapeless, scan_functions
from tools.measure.glossary import load_retired_words
from tools.measure.source import Source
from tools.measure.table import BEFORE, MEASURES, list_missed, make_rows
from tools.measure.texts import count_lines, scan_docstrings

BARS = '''"""Bars."""

from typing import Any

Row = dict[str, Any]
Figure = Any


# why it is so
class Bars(Base):
    """Bars of one instrument.

    More is said here.
    """

    def load(self, name: str, *, start: int = 0, **more: Any) -> list[Row]:
        """Load them."""
        found = [one for one in name]  # and this too
        return found

    @property
    def length(self) -> Any:
        """Their length."""

    def close(self, figure: Figure) -> None:
        """Close."""


def _private(value: Any | None) -> dict[str, object]:
    def inside(more):
        pass
'''
BASE = '''class Base:
    """A base."""

    def close(self):
        """Close it, as said here."""
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in {
        "src/tidemill/quality/bars.py": BARS,
        "src/tidemill/quality/_base.py": BASE,
        "src/tidemill/adapters/__init__.py": "",
        "src/tidemill/bootstrap/__init__.py": "",
        "src/tidemill/bootstrap/services.py": "",
        "flows/trade.py": "def trade() -> dict[str, object]: ...\n",
        "tasks/data.py": "done = 1\n",
        "tests/test_bars.py": "def test_bars():\n\n    # nothing\n    pass\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def figures(root: Path) -> dict[str, str]:
    rows = make_rows(Source(root=root, retired=load_retired_words()))
    return {row["name"]: row["now"] for row in rows}


def test_every_measure_has_its_figure(root: Path) -> None:
    figure = figures(root)
    assert figure["retired"] == "3"
    assert (figure["adapters"], figure["bootstrap"]) == ("1", "2")
    assert figure["dictionaries"] == "1 (2 in all)"
    assert figure["any"] == "3 (0 in adapters, venue, doubles)"
    assert figure["parameters"] == "3 (Bars.load), of all 3"
    assert figure["longest"] == "4 (Bars.load)"
    assert figure["largest"] == "31 (bars.py)"
    assert figure["docstrings"].startswith("11 % of 9 (7 % of 14")


def test_the_places_behind_each_measure_can_be_listed(root: Path) -> None:
    source = Source(root=root, retired=load_retired_words())
    places = {measure.name: list(measure.places(source)) for measure in MEASURES}
    assert "src/tidemill/quality/bars.py:18 found (variable in Bars.load)" in places["retired"]
    assert places["dictionaries"] == ["src/tidemill/quality/bars.py:16 Bars.load list[dict[str, Any]]"]
    assert places["any"][:1] == ["src/tidemill/quality/bars.py:22"]
    assert places["parameters"] == []
    assert count_retired(source) == {"tidemill.quality": 2, "tasks": 1}


def test_lines_of_code_hold_something_besides_a_comment(root: Path) -> None:
    lines = count_lines(root / "src/tidemill/quality/bars.py")
    assert (lines.comments, lines.docstrings, lines.code, lines.total) == (2, 8, 21, 31)
    assert count_lines(root / "tests/test_bars.py").code == 2


def test_functions_are_public_unless_a_name_on_the_way_is_not(root: Path) -> None:
    functions = scan_functions(root / "src/tidemill/quality/bars.py")
    assert [(function.name, function.is_public) for function in functions] == [
        ("Bars.load", True),
        ("Bars.length", True),
        ("Bars.close", True),
        ("_private", False),
        ("_private.inside", False),
    ]
    assert [function.name for function in functions if is_shapeless(function)] == ["Bars.load", "_private"]
    assert find_any(root / "src/tidemill/quality/bars.py") == [22, 25, 29]


def test_docstrings_are_told_apart_by_what_they_stand_at(root: Path) -> None:
    paths = sorted((root / "src").rglob("*.py"))
    kinds = {it.name: (it.kind, it.lines) for it in scan_docstrings(paths, root=root) if "." in it.name}
    assert kinds == {
        "Base.close": ("function", 1),
        "Bars.load": ("function", 1),
        "Bars.length": ("property", 1),
        "Bars.close": ("override", 1),
    }


def test_a_goal_is_missed_in_its_own_direction() -> None:
    rows = [{"name": measure.name, "now": BEFORE[measure.name], "goal": measure.goal} for measure in MEASURES]
    missed = {line.partition(":")[0] for line in list_missed(rows)}
    assert missed == {
        *("retired", "adapters", "bootstrap", "dictionaries", "any", "parameters", "largest"),
        *("tests", "comments", "docstrings"),
    }
    assert not list_missed([{"name": "tests", "now": "0.71 (0.8)", "goal": "≥ 0.7"}])
    assert not list_missed([{"name": "any", "now": "60 (60 in adapters)", "goal": "≤ 60"}])


def test_a_part_of_a_page_is_written_in_its_place(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- part -->\nold\n<!-- end of part -->\nafter\n")
    write_marked(page, "part", "new\n")
    assert read_marked(page, "part") == "new\n"
    assert page.read_text() == "before\n<!-- part -->\nnew\n<!-- end of part -->\nafter\n"
    with pytest.raises(ValueError, match="no part"):
        write_marked(page, "other", "")
