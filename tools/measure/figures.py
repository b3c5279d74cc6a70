"""The figures of the table, and the places behind each of them."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from tools.measure import functions
from tools.measure.functions import Function
from tools.measure.source import AT_THE_BORDER, Source
from tools.measure.texts import Docstring, Lines


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


def list_modules(package: str) -> Callable[[Source], list[str]]:
    """The modules directly in a package."""
    return lambda source: [str(path.relative_to(source.root)) for path in source.modules_in(package)]


def list_functions(source: Source, listed: Iterable[Function], figure: Callable[[Function], object]) -> list[str]:
    """The functions, each with a figure of it."""
    return [source.place(function.path, function.line, f"{function.name} {figure(function)}") for function in listed]


def most_parameters(source: Source) -> str:
    """The most parameters of a public function, and of any."""
    top = max((function for function in source.functions if function.is_public), key=lambda it: it.parameters)
    return f"{top.parameters} ({top.name}), of all {max(function.parameters for function in source.functions)}"


def list_parameters(source: Source) -> list[str]:
    """Functions with more than eight parameters, the most first."""
    long = sorted((it for it in source.functions if it.parameters > 8), key=lambda it: -it.parameters)
    return list_functions(source, long, lambda it: f"{it.parameters}{'' if it.is_public else ' (private)'}")


def function_lengths(source: Source) -> str:
    """Median and 90th percentile of the lines of a function."""
    lengths = sorted(function.lines for function in source.functions)
    return f"{statistics.median(lengths):.0f} / {lengths[int(0.9 * len(lengths))]}"


def _outside_migrations(source: Source) -> list[Function]:
    return [function for function in source.functions if "migrations" not in function.path.parts]


def longest_function(source: Source) -> str:
    """The lines of the longest function, migrations apart."""
    longest = max(_outside_migrations(source), key=lambda function: function.lines)
    return f"{longest.lines} ({longest.name})"


def list_long(source: Source) -> list[str]:
    """Functions of more than 25 lines, the longest first."""
    long = sorted((it for it in _outside_migrations(source) if it.lines > 25), key=lambda it: -it.lines)
    return list_functions(source, long, lambda it: it.lines)


def largest_file(source: Source) -> str:
    """The lines of the largest file."""
    path = max(source.lines, key=lambda path: source.lines[path].total)
    return f"{source.lines[path].total} ({path.name})"


def list_large(source: Source) -> list[str]:
    """The largest files."""
    sizes = sorted(source.lines.items(), key=lambda item: -item[1].total)
    return [f"{path.relative_to(source.root)} {lines.total}" for path, lines in sizes[:25]]


def _sum_lines(lines: dict[Path, Lines]) -> tuple[int, int]:
    return sum(it.code for it in lines.values()), sum(it.code - it.docstrings for it in lines.values())


def tests_to_code(source: Source) -> str:
    """Lines of tests per line of code."""
    (tests, bare_tests), (code, bare_code) = _sum_lines(source.test_lines), _sum_lines(source.lines)
    return f"{tests / code:.2f} ({bare_tests / bare_code:.2f} without docstrings)"


def list_tests(source: Source) -> list[str]:
    """The two numbers of lines."""
    (tests, bare_tests), (code, bare_code) = _sum_lines(source.test_lines), _sum_lines(source.lines)
    return [f"tests {tests} ({bare_tests} without docstrings)", f"code {code} ({bare_code} without docstrings)"]


def comment_share(source: Source) -> str:
    """Comments per line of code, in per cent."""
    comments = sum(lines.comments for lines in source.lines.values())
    code, bare = _sum_lines(source.lines)
    return f"{100 * comments / code:.2f} % ({100 * comments / bare:.2f} % without docstrings)"


def list_comments(source: Source) -> list[str]:
    """The share by package, the fewest first."""
    comments, code = Counter[str](), Counter[str]()
    for path, lines in source.lines.items():
        comments[source.package_of(path)] += lines.comments
        code[source.package_of(path)] += lines.code
    shares = {package: 100 * comments[package] / max(lines, 1) for package, lines in code.items()}
    return [
        f"{package} {shares[package]:.2f} % of {code[package]} lines"
        for package in sorted(shares, key=shares.__getitem__)
    ]


def _counted_docstrings(source: Source) -> list[Docstring]:
    return [it for it in source.docstrings if it.kind in {"module", "class", "function"} and not it.in_private_module]


def docstring_share(source: Source) -> str:
    """The share of public docstrings that are longer than a line."""
    counted = [it.lines for it in _counted_docstrings(source)]
    return f"{_share_of_long(counted)} ({_share_of_long([it.lines for it in source.docstrings])} with the rest)"


def _share_of_long(lengths: list[int]) -> str:
    return f"{100 * sum(length > 1 for length in lengths) / max(len(lengths), 1):.0f} % of {len(lengths)}"


def list_docstrings(source: Source) -> list[str]:
    """Public docstrings of a line, or of none."""
    short = [it for it in _counted_docstrings(source) if it.lines <= 1]
    return [source.place(it.path, it.line, f"{it.name} ({it.kind}, {it.lines})") for it in short]


def list_any(source: Source) -> list[str]:
    """Annotations that are ``Any``, then their number by package."""
    packages = Counter(source.package_of(path) for path, _ in source.any_annotations)
    inside = sum(functions.count_any_inside(path) for path in {path for path, _ in source.any_annotations})
    return [
        *(source.place(path, line, "") for path, line in source.any_annotations),
        *(f"{package} {count}" for package, count in packages.most_common()),
        f"inside other annotations of these files too: {inside}",
    ]


def count_any(source: Source) -> str:
    """The number of annotations that are ``Any``, and how many of them are at the border."""
    border = sum(source.package_of(path) in AT_THE_BORDER for path, _ in source.any_annotations)
    return f"{len(source.any_annotations)} ({border} in adapters, venue, doubles)"
