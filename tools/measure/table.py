"""The table of measures: what each is, what it was, what it is now, what it is to be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tools.measure import figures
from tools.measure.source import Source

NUMBER = re.compile(r"\d+(\.\d+)?")
COMPARED = "3bbaa44"
# What `python -m tools.measure --root DIR --json` gave as "now" for a checkout DIR of commit 3bbaa44. Where the
# definition of a measure or the list of retired words changes, run that again and write the new figures here.
BEFORE = {
    "retired": "1659",
    "adapters": "86",
    "bootstrap": "24",
    "dictionaries": "50 (135 in all)",
    "any": "195 (142 in adapters, venue, doubles)",
    "parameters": "15 (serve_venue), of all 15",
    "lengths": "6 / 18",
    "longest": "81 (venue)",
    "largest": "266 (_sql.py)",
    "tests": "0.60 (0.67 without docstrings)",
    "comments": "0.70 % (0.81 % without docstrings)",
    "docstrings": "17 % of 2050 (15 % of 2570 with the rest)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A row of the table.

    ``title``: what is measured, as exactly as a line allows. ``value``: the figure as printed; it begins with the
    number that ``goal`` speaks of. ``places``: what ``--list`` prints, one line a place. ``is_soft``: the goal is a
    budget that some places may exceed.
    """

    name: str
    title: str
    goal: str
    value: Callable[[Source], str]
    places: Callable[[Source], Iterable[str]]
    is_soft: bool = False

    def is_met(self, value: str) -> bool:
        """Whether a figure reaches the goal; a soft one, or one without a number, is reached by any."""
        goal = NUMBER.search(self.goal)
        figure = NUMBER.match(value)
        if self.is_soft or goal is None or figure is None:
            return True
        if self.goal.startswith("≥"):
            return float(figure[0]) >= float(goal[0])
        return float(figure[0]) <= float(goal[0])


def make_rows(source: Source) -> list[dict[str, str]]:
    """The table, JSON-ready: name, measure, the figure at the commit compared with, now, goal."""
    return [
        {
            "name": measure.name,
            "measure": measure.title,
            COMPARED: BEFORE.get(measure.name, ""),
            "now": measure.value(source),
            "goal": measure.goal,
        }
        for measure in MEASURES
    ]


def list_missed(rows: list[dict[str, str]]) -> list[str]:
    """The rows of :func:`make_rows` whose figure does not reach its goal, as sentences."""
    measures = {measure.name: measure for measure in MEASURES}
    missed = [row for row in rows if not measures[row["name"]].is_met(row["now"])]
    return [f"{row['name']}: {row['now']}, goal {row['goal']}" for row in missed]


def write_markdown(rows: list[dict[str, str]]) -> str:
    """The table in Markdown."""
    columns = ("measure", COMPARED, "now", "goal")
    lines = [columns, ("---",) * len(columns), *(tuple(row[column] for column in columns) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


MEASURES = (
    Measure(
        name="retired",
        title="retired words bound (docs/glossary.md) in src, flows, tasks",
        goal="0",
        value=lambda source: str(len(source.retired_bindings)),
        places=figures.list_retired,
    ),
    Measure(
        name="adapters",
        title="modules directly in adapters/, `__init__` too",
        goal="≤ 4",
        value=lambda source: str(len(source.modules_in("adapters"))),
        places=figures.list_modules("adapters"),
    ),
    Measure(
        name="bootstrap",
        title="modules directly in bootstrap/, `__init__` too",
        goal="≤ 6",
        value=lambda source: str(len(source.modules_in("bootstrap"))),
        places=figures.list_modules("bootstrap"),
    ),
    Measure(
        name="dictionaries",
        title="public functions that return `dict[str, Any]`, outside adapters, venue, doubles, flows and `to_json`",
        goal="0",
        value=lambda source: f"{len(source.shapeless)} ({len(source.dictionaries)} in all)",
        places=lambda source: figures.list_functions(source, source.shapeless, lambda it: it.returns),
    ),
    Measure(
        name="any",
        title="annotations in src that are `Any`, variadic parameters apart",
        goal="≤ 60, at a vendor's border",
        value=figures.count_any,
        places=figures.list_any,
    ),
    Measure(
        name="parameters",
        title="most parameters of a public function, self apart",
        goal="8",
        value=figures.most_parameters,
        places=figures.list_parameters,
    ),
    Measure(
        name="lengths",
        title="lines of a function, median / p90",
        goal="as before",
        value=figures.function_lengths,
        places=figures.list_long,
    ),
    Measure(
        name="longest",
        title="longest function, migrations apart",
        goal="about 25",
        is_soft=True,
        value=figures.longest_function,
        places=figures.list_long,
    ),
    Measure(
        name="largest",
        title="lines of the largest file",
        goal="≤ 250",
        value=figures.largest_file,
        places=figures.list_large,
    ),
    Measure(
        name="tests",
        title="lines of tests per line of code, blank lines and comments apart",
        goal="≥ 0.7",
        value=figures.tests_to_code,
        places=figures.list_tests,
    ),
    Measure(
        name="comments",
        title="comments per line of code",
        goal="≥ 1.5 %",
        value=figures.comment_share,
        places=figures.list_comments,
    ),
    Measure(
        name="docstrings",
        title="public docstrings longer than a line; the rest: properties, overrides, private modules",
        goal="≥ 50 %",
        value=figures.docstring_share,
        places=figures.list_docstrings,
    ),
)
