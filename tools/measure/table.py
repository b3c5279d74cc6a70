"""The table of measures: what each is, what it was, what it is now, what it is to be."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tools.measure import functions
from tools.measure.functions import Function
from tools.measure.source import AT_THE_BORDER, Source
from tools.measure.texts import Lines

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
    "docstrings": "17 % of 2050 (properties and overrides: 0 % of 154)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A row of the table.

    ``title``: what is measured, as exactly as a line allows. ``value``: the figure as printed. ``places``: what
    ``--list`` prints, one line a place.
    """

    name: str
    title: str
    goal: str
    value: Callable[[Source], str]
    places: Callable[[Source], Iterable[str]]


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


def write_markdown(rows: list[dict[str, str]]) -> str:
    """The table in Markdown."""
    columns = ("measure", COMPARED, "now", "goal")
    lines = [columns, ("---",) * len(columns), *(tuple(row[column] for column in columns) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def count_retired(source: Source) -> Counter[str]:
    """Retired bindings by package, the most first."""
    return Counter(dict(Counter(source.package_of(binding.path) for binding in source.retired_bindings).most_common()))


def sort_by_excess(counts: Counter[str], allowance: dict[str, int]) -> list[str]:
    """Packages that bind more retired words than they are allowed, the worst first."""
    over = {package: count - allowance.get(package, 0) for package, count in counts.items()}
    return sorted((package for package, excess in over.items() if excess > 0), key=lambda package: -over[package])


def list_retired(source: Source) -> list[str]:
    """Every retired binding: ``file:line name (kind, scope)``."""
    return [
        source.place(
            binding.path, binding.line, f"{binding.name} ({binding.kind}{binding.scope and f' in {binding.scope}'})"
        )
        for binding in source.retired_bindings
    ]


def _list_modules(package: str) -> Callable[[Source], list[str]]:
    return lambda source: [str(path.relative_to(source.root)) for path in source.modules_in(package)]


def _list_functions(source: Source, chosen: Iterable[Function], figure: Callable[[Function], object]) -> list[str]:
    return [source.place(function.path, function.line, f"{function.name} {figure(function)}") for function in chosen]


def _most_parameters(source: Source) -> str:
    top = max((function for function in source.functions if function.is_public), key=lambda it: it.parameters)
    return f"{top.parameters} ({top.name}), of all {max(function.parameters for function in source.functions)}"


def _list_parameters(source: Source) -> list[str]:
    long = sorted((it for it in source.functions if it.parameters > 8), key=lambda it: -it.parameters)
    return _list_functions(source, long, lambda it: f"{it.parameters}{'' if it.is_public else ' (private)'}")


def _function_lengths(source: Source) -> str:
    lengths = sorted(function.lines for function in source.functions)
    return f"{statistics.median(lengths):.0f} / {lengths[int(0.9 * len(lengths))]}"


def _outside_migrations(source: Source) -> list[Function]:
    return [function for function in source.functions if "migrations" not in function.path.parts]


def _longest_function(source: Source) -> str:
    longest = max(_outside_migrations(source), key=lambda function: function.lines)
    return f"{longest.lines} ({longest.name})"


def _list_long(source: Source) -> list[str]:
    long = sorted((it for it in _outside_migrations(source) if it.lines > 25), key=lambda it: -it.lines)
    return _list_functions(source, long, lambda it: it.lines)


def _largest_file(source: Source) -> str:
    path = max(source.lines, key=lambda path: source.lines[path].total)
    return f"{source.lines[path].total} ({path.name})"


def _list_large(source: Source) -> list[str]:
    sizes = sorted(source.lines.items(), key=lambda item: -item[1].total)
    return [f"{path.relative_to(source.root)} {lines.total}" for path, lines in sizes[:25]]


def _sum_lines(lines: dict[Path, Lines]) -> tuple[int, int]:
    return sum(it.code for it in lines.values()), sum(it.code - it.docstrings for it in lines.values())


def _tests_to_code(source: Source) -> str:
    (tests, bare_tests), (code, bare_code) = _sum_lines(source.test_lines), _sum_lines(source.lines)
    return f"{tests / code:.2f} ({bare_tests / bare_code:.2f} without docstrings)"


def _list_tests(source: Source) -> list[str]:
    (tests, bare_tests), (code, bare_code) = _sum_lines(source.test_lines), _sum_lines(source.lines)
    return [f"tests {tests} ({bare_tests} without docstrings)", f"code {code} ({bare_code} without docstrings)"]


def _comments(source: Source) -> str:
    comments = sum(lines.comments for lines in source.lines.values())
    code, bare = _sum_lines(source.lines)
    return f"{100 * comments / code:.2f} % ({100 * comments / bare:.2f} % without docstrings)"


def _list_comments(source: Source) -> list[str]:
    comments, code = Counter[str](), Counter[str]()
    for path, lines in source.lines.items():
        comments[source.package_of(path)] += lines.comments
        code[source.package_of(path)] += lines.code
    shares = sorted(code, key=lambda package: comments[package] / code[package])
    return [f"{package} {100 * comments[package] / code[package]:.2f} % of {code[package]} lines" for package in shares]


def _docstring_share(source: Source) -> str:
    owners = [it.lines for it in source.docstrings if it.kind in {"module", "class", "function"}]
    others = [it.lines for it in source.docstrings if it.kind in {"property", "override"}]
    return f"{_share_of_long(owners)} (properties and overrides: {_share_of_long(others)})"


def _share_of_long(lengths: list[int]) -> str:
    return f"{100 * sum(length > 1 for length in lengths) / max(len(lengths), 1):.0f} % of {len(lengths)}"


def _list_docstrings(source: Source) -> list[str]:
    short = [it for it in source.docstrings if it.lines <= 1 and it.kind in {"module", "class", "function"}]
    return [source.place(it.path, it.line, f"{it.name} ({it.kind}, {it.lines})") for it in short]


def _list_any(source: Source) -> list[str]:
    packages = Counter(source.package_of(path) for path, _ in source.any_annotations)
    inside = sum(functions.count_any_inside(path) for path in {path for path, _ in source.any_annotations})
    return [
        *(source.place(path, line, "") for path, line in source.any_annotations),
        *(f"{package} {count}" for package, count in packages.most_common()),
        f"inside other annotations of these files too: {inside}",
    ]


def _any_by_package(source: Source) -> str:
    border = sum(source.package_of(path) in AT_THE_BORDER for path, _ in source.any_annotations)
    return f"{len(source.any_annotations)} ({border} in adapters, venue, doubles)"


MEASURES = (
    Measure(
        name="retired",
        title="retired words bound (docs/glossary.md) in src, flows, tasks",
        goal="0",
        value=lambda source: str(len(source.retired_bindings)),
        places=list_retired,
    ),
    Measure(
        name="adapters",
        title="modules directly in adapters/, `__init__` too",
        goal="≤ 4",
        value=lambda source: str(len(source.modules_in("adapters"))),
        places=_list_modules("adapters"),
    ),
    Measure(
        name="bootstrap",
        title="modules directly in bootstrap/, `__init__` too",
        goal="≤ 6",
        value=lambda source: str(len(source.modules_in("bootstrap"))),
        places=_list_modules("bootstrap"),
    ),
    Measure(
        name="dictionaries",
        title="public functions that return `dict[str, Any]`, outside adapters, venue, doubles, flows and `to_json`",
        goal="0",
        value=lambda source: f"{len(source.shapeless)} ({len(source.dictionaries)} in all)",
        places=lambda source: _list_functions(source, source.shapeless, lambda it: it.returns),
    ),
    Measure(
        name="any",
        title="annotations in src that are `Any`, variadic parameters apart",
        goal="≤ 60, at a vendor's border",
        value=_any_by_package,
        places=_list_any,
    ),
    Measure(
        name="parameters",
        title="most parameters of a public function, self apart",
        goal="8",
        value=_most_parameters,
        places=_list_parameters,
    ),
    Measure(
        name="lengths",
        title="lines of a function, median / p90",
        goal="as before",
        value=_function_lengths,
        places=_list_long,
    ),
    Measure(
        name="longest",
        title="longest function, migrations apart",
        goal="≤ 25",
        value=_longest_function,
        places=_list_long,
    ),
    Measure(name="largest", title="lines of the largest file", goal="≤ 250", value=_largest_file, places=_list_large),
    Measure(
        name="tests",
        title="lines of tests per line of code, blank lines and comments apart",
        goal="≥ 0.7",
        value=_tests_to_code,
        places=_list_tests,
    ),
    Measure(
        name="comments",
        title="comments per line of code",
        goal="≥ 1.5 %",
        value=_comments,
        places=_list_comments,
    ),
    Measure(
        name="docstrings",
        title="public docstrings longer than a line: modules, classes, functions",
        goal="≥ 50 %",
        value=_docstring_share,
        places=_list_docstrings,
    ),
)
