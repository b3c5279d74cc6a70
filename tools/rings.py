"""The picture of the rings, drawn from the one table of them, which stands in pyproject.toml.

``python -m tools.rings`` writes it into docs/architecture.md and CONTRIBUTING.md; tests/test_architecture.py compares.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from tools.marked import write_marked

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "docs" / "architecture.md", ROOT / "CONTRIBUTING.md")
PART = "rings"
WIDTH = 92
Ring = tuple[str, ...]


def load_rings(project: Path = ROOT / "pyproject.toml") -> list[Ring]:
    """The rings, outermost first, each with its packages; ``flows`` and ``tasks`` where their own contract has them."""
    contracts = tomllib.loads(project.read_text())["tool"]["importlinter"]["contracts"]
    layers = [contract for contract in contracts if contract["type"] == "layers"]
    table = next(contract["layers"] for contract in layers if contract.get("exhaustive"))
    beside = next(contract["layers"] for contract in layers if not contract.get("exhaustive"))
    rings = [tuple(line.split(" | ")) for line in table]
    inner = beside[beside.index("tasks") + 1].removeprefix("tidemill.")
    at = next(number for number, ring in enumerate(rings) if inner in ring)
    return [*rings[:at], ("flows",), ("tasks",), *rings[at:]]


def draw_rings(rings: list[Ring]) -> str:
    """A block of text with a line a ring; what stands side by side in a line are strangers to one another."""
    lines = [f"| {line:<{WIDTH}} |" for ring in rings for line in _wrap(ring)]
    top, bottom = f"{'outermost':-^{WIDTH + 4}}", f"{'innermost':-^{WIDTH + 4}}"
    return "\n".join(["```text", top, *lines, bottom, "```", ""])


def _wrap(ring: Ring) -> list[str]:
    """The packages of a ring side by side, in as many lines as they need; all but the first are indented."""
    lines = [""]
    for package in ring:
        longer = f"{lines[-1]}   {package}" if lines[-1].strip() else f"{lines[-1]}{package}"
        if len(longer) > WIDTH:
            lines.append(f"   {package}")
        else:
            lines[-1] = longer
    return lines


if __name__ == "__main__":
    for page in PAGES:
        write_marked(page, PART, draw_rings(load_rings()))
