"""docs/performance.md: one section per part of the bench, each replaced by itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.timing import Row

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
HEAD = """# Performance

Written by `make bench`, a section by each of its parts (`make bench ARGS="--only NAME"` measures one anew). Medians of
several runs after a warm-up, each part in a process of its own, on shared and noisy machines: absolute figures do not
carry over to another machine, ratios of one run do. "Wanted" is at most, unless it says otherwise.
"""
SECTION = re.compile(r"<!-- part: (\w+) -->\n.*?<!-- end: \1 -->\n", re.DOTALL)


def section(part: str, title: str, made_on: str, rows: Iterable[Row]) -> str:
    """The text of one part's section, between its marks."""
    lines = [
        f"<!-- part: {part} -->",
        f"## {title}",
        "",
        made_on,
        "",
        "| what | measured | wanted |",
        "|---|---|---|",
        *(f"| {row.what} | {row.measured} | {row.wanted} |" for row in rows),
        f"<!-- end: {part} -->",
    ]
    return "\n".join(lines) + "\n"


def write_page(made: Mapping[str, str], order: Iterable[str]) -> None:
    """Put the sections ``made`` into the page in ``order``; those that were not made stay as they are."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    known = {found[1]: found[0] for found in SECTION.finditer(text)} | made
    PAGE.write_text("\n".join([HEAD, *(known[part] for part in order if part in known)]), encoding="utf-8")
