"""How many retired words each package may still bind: a number that only falls, until the file can go."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

FILE = Path(__file__).parents[2] / "tests" / "glossary_allowance.txt"


def load_allowance(path: Path = FILE) -> Counter[str]:
    """Lines of ``package number``; nothing is allowed where there is no file."""
    lines = path.read_text().splitlines() if path.exists() else []
    return Counter({package: int(number) for package, number in (line.split() for line in lines)})


def lower_allowance(counts: Counter[str], path: Path = FILE) -> bool:
    """Write the numbers of today, if they are not more in sum than those before; False when they are.

    The sum is what may not rise, because files move between packages.
    """
    if counts.total() > load_allowance(path).total():
        return False
    path.write_text("".join(f"{package} {counts[package]}\n" for package in sorted(counts)))
    return True
