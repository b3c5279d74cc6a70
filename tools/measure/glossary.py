"""The retired words, read from docs/glossary.md, the one place where they are listed."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "glossary.md"
HEADING = "## Retired words"
KINDS = {"name": ("name",), "name, field": ("name", "field"), "module": ("module",)}
# (word, kind of binding: name, field or module) -> what to write instead, as the page says it
RetiredWords = dict[tuple[str, str], str]


def load_retired_words(page: Path = PAGE) -> RetiredWords:
    """The table "Retired words". ValueError when the page has no such table, or a row names an unknown kind."""
    _, _, section = page.read_text().partition(HEADING)
    retired = {key: instead for line in section.splitlines() for key, instead in _parse_row(line).items()}
    if not retired:
        raise ValueError(f"{page} has no table under '{HEADING}'")
    return retired


def _parse_row(line: str) -> RetiredWords:
    cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
    if len(cells) != 3 or not cells[0].startswith("`"):
        return {}
    if cells[1] not in KINDS:
        raise ValueError(f"'{cells[1]}' is none of {', '.join(KINDS)}: {line}")
    return {(word, kind): cells[2] for word in re.findall(r"`([^`]+)`", cells[0]) for kind in KINDS[cells[1]]}
