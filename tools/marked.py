"""Parts of a page that a program writes: what stands between ``<!-- NAME -->`` and ``<!-- end of NAME -->``."""

from __future__ import annotations

from pathlib import Path


def read_marked(page: Path, name: str) -> str:
    """The part of that name. ValueError when the page does not have it."""
    return _split(page, name)[1]


def write_marked(page: Path, name: str, text: str) -> None:
    """Put ``text`` in place of the part of that name; all else of the page stays as it is."""
    before, _, after = _split(page, name)
    page.write_text(before + text + after)


def _split(page: Path, name: str) -> tuple[str, str, str]:
    opening, closing = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, begun, rest = page.read_text().partition(opening)
    part, ended, after = rest.partition(closing)
    if not begun or not ended:
        raise ValueError(f"{page} has no part between '{opening.strip()}' and '{closing.strip()}'")
    return before + opening, part, closing + after
