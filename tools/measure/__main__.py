"""``make measure``: print the table of measures, or the places behind one of them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tools.measure.allowance import lower_allowance
from tools.measure.glossary import load_retired_words
from tools.measure.source import Source
from tools.measure.table import MEASURES, count_retired, make_rows, write_markdown


def main() -> int:
    """Print what the arguments ask for; 0, or 1 where the allowance would rise."""
    arguments = _parse()
    source = Source(root=arguments.root.resolve(), retired=load_retired_words())
    if arguments.lower_allowance:
        return 0 if lower_allowance(count_retired(source)) else 1
    if arguments.list:
        measure = next(measure for measure in MEASURES if measure.name == arguments.list)
        print(*measure.places(source), sep="\n")
    elif arguments.json:
        print(json.dumps(make_rows(source), indent=2, ensure_ascii=False))
    else:
        print(write_markdown(make_rows(source)), end="")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.measure", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[2], help="another checkout to measure")
    parser.add_argument("--list", choices=[measure.name for measure in MEASURES], help="print the places behind a row")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument(
        "--lower-allowance", action="store_true", help="write the retired words of today as the most that is allowed"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
