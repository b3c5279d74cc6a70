"""The words of docs/glossary.md: what is retired is not bound again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.measure.allowance import load_allowance, lower_allowance
from tools.measure.bindings import find_retired, scan_bindings
from tools.measure.figures import count_retired, sort_by_excess
from tools.measure.glossary import load_retired_words
from tools.measure.source import Source

ROOT = Path(__file__).parents[1]


def retired_in(text: str) -> list[tuple[str, str]]:
    bindings = scan_bindings(Path("example.py"), text)
    return [(binding.name, binding.kind) for binding in find_retired(bindings, load_retired_words())]


def test_no_package_binds_a_retired_word() -> None:
    """More in sum than allowed fails; the packages that exceed their number are named with each place."""
    source = Source(root=ROOT, retired=load_retired_words())
    counts, allowance = count_retired(source), load_allowance()
    over = set(sort_by_excess(counts, allowance))
    places = [
        source.place(binding.path, binding.line, f"{binding.name}: write {instead(binding.name)}")
        for binding in source.retired_bindings
        if source.package_of(binding.path) in over
    ]
    assert counts.total() <= allowance.total(), "\n".join(["retired words are bound:", *places])


def instead(name: str) -> str:
    retired, word = load_retired_words(), name.lstrip("_")
    return next(retired[word, kind] for kind in ("name", "field", "module") if (word, kind) in retired)


@pytest.mark.parametrize(
    "text",
    [
        "found = 1",
        "found: int = 1",
        "found += 1",
        "for found in rows: pass",
        "rows = [found for found in rows]",
        "with open(path) as found: pass",
        "if (found := 1): pass",
        "def load(found): pass",
        "def load(*, found=None): pass",
        "def load(*found): pass",
        "load = lambda found: found",
        "try: pass\nexcept ValueError as found: pass",
        "import numpy as found",
        "from numpy import array as found",
        "first, (second, *found) = rows",
        "match row:\n    case [found, *_]: pass",
        "match row:\n    case {'a': 1, **found}: pass",
        "def found(): pass",
        "def _found(): pass",
        "class Rows:\n    def found(self): pass",
        "class Rows:\n    def load(self):\n        found = 1",
    ],
)
def test_every_way_to_bind_a_name_is_seen(text: str) -> None:
    assert [name.lstrip("_") for name, _ in retired_in(text)] == ["found"]


@pytest.mark.parametrize(
    "text",
    [
        "load(found=1)",
        "row.found = 1",
        "row = {'found': 1}",
        "print(found)",
        "from rows import found",
        "class Rows:\n    found: int = 0",
        "def advance(done: int): pass",
        "advance = lambda done, total: None",
        "def load():\n    left = 1\n    right = 2",
    ],
)
def test_what_binds_no_retired_name_is_let_be(text: str) -> None:
    assert retired_in(text) == []


def test_attributes_and_modules_are_judged_where_the_page_says_so() -> None:
    assert retired_in("class Event:\n    hole: Gap") == [("hole", "field")]
    assert retired_in("def load():\n    done = 1\n    left = 2") == [("done", "variable"), ("left", "variable")]
    helpers = scan_bindings(Path("helpers.py"), "")
    assert [binding.kind for binding in find_retired(helpers, load_retired_words())] == ["module"]


def test_a_page_with_an_unknown_kind_of_word_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "glossary.md"
    page.write_text("## Retired words\n\n| `found` | anywhere | `rows` |\n")
    with pytest.raises(ValueError, match="anywhere"):
        load_retired_words(page)
    page.write_text("nothing")
    with pytest.raises(ValueError, match="no table"):
        load_retired_words(page)


def test_the_allowance_only_falls(tmp_path: Path) -> None:
    from collections import Counter

    path = tmp_path / "allowance.txt"
    path.write_text("tidemill.risk 3\nflows 1\n")
    assert lower_allowance(Counter({"tidemill.sizing": 4}), path)
    assert load_allowance(path) == {"tidemill.sizing": 4}
    assert not lower_allowance(Counter({"tidemill.sizing": 5}), path)
    assert sort_by_excess(Counter({"a": 5, "b": 2, "c": 1}), {"a": 4, "b": 0, "c": 1}) == ["b", "a"]


def test_the_picture_of_words_in_use_does_not_use_a_retired_one_for_an_idea() -> None:
    page = (ROOT / "docs" / "glossary.md").read_text().partition("## Retired words")[0]
    words = {line.split("|")[1].strip().strip("`") for line in page.splitlines() if line.startswith("| ")}
    assert not words & {word for word, kind in load_retired_words() if kind == "name"}
