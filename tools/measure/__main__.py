"""``make measure``: print the table of measures, or the places behind one of them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tools.marked import write_marked
from tools.measure.allowance import lower_allowance
from tools.measure.figures import count_retired
from tools.measure.glossary import load_retired_words
from tools.measure.source import Source
from tools.measure.table import MEASURES, list_missed, make_rows, write_markdown

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
PART = "measures"


def main() -> int:
    """Print what the arguments ask for; 0, or 1 where a goal is missed or the allowance would rise."""
    arguments = _parse()
    source = Source(root=arguments.root.resolve(), retired=load_retired_words())
    if arguments.lower_allowance:
        return 0 if lower_allowance(count_retired(source)) else 1
    if arguments.list:
        measure = next(measure for measure in MEASURES if measure.name == arguments.list)
        print(*measure.places(source), sep="\n")
        return 0
    rows = make_rows(source)
    if arguments.check:
        missed = list_missed(rows)
        print(*missed, sep="\n")
        return 1 if missed else 0
    if arguments.write:
        write_marked(PAGE, PART, write_markdown(rows))
    print(json.dumps(rows, indent=2, ensure_ascii=False) if arguments.json else write_markdown(rows).rstrip())
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.measure", description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT, help="another checkout to measure")
    parser.add_argument("--list", choices=[measure.name for measure in MEASURES], help="print the places behind a row")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.relative_to(ROOT)} too")
    parser.add_argument("--check", action="store_true", help="print the goals that are missed; 1 when there are any")
    parser.add_argument(
        "--lower-allowance", action="store_true", help="write the retired words of today as the most that is allowed"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
