"""A checkout of the repository as the measures see it: every file is read once, when first asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tools.measure import functions, texts
from tools.measure.bindings import Binding, find_retired, scan_bindings
from tools.measure.functions import Function
from tools.measure.glossary import RetiredWords
from tools.measure.texts import Docstring, Lines

TREES = ("src", "flows", "tasks")
# Their functions speak the JSON of a vendor or of an exchange.
AT_THE_BORDER = {"tidemill.adapters", "tidemill.venue", "tidemill.doubles"}


@dataclass(frozen=True, kw_only=True)
class Source:
    """The Python files of a checkout. ``root``: its directory; ``retired``: the words that are not to be bound."""

    root: Path
    retired: RetiredWords = field(repr=False)

    @cached_property
    def files(self) -> list[Path]:
        """The code: src, flows and tasks."""
        return [path for tree in TREES for path in sorted((self.root / tree).rglob("*.py"))]

    @cached_property
    def retired_bindings(self) -> list[Binding]:
        """Places that bind a retired word."""
        return [binding for path in self.files for binding in find_retired(scan_bindings(path), self.retired)]

    @cached_property
    def functions(self) -> list[Function]:
        """Every function of the code."""
        return [function for path in self.files for function in functions.scan_functions(path)]

    @cached_property
    def dictionaries(self) -> list[Function]:
        """Public functions that give back a dictionary of anything."""
        return [it for it in self.functions if it.is_public and functions.is_shapeless(it)]

    @cached_property
    def shapeless(self) -> list[Function]:
        """Those of them that should give a value.

        Left out: adapters, venue and doubles, flows (a flow's result is JSON), ``to_json``.
        """
        return [
            function
            for function in self.dictionaries
            if self.package_of(function.path) not in AT_THE_BORDER | {"flows"}
            and function.name.rpartition(".")[2] != "to_json"
        ]

    @cached_property
    def any_annotations(self) -> list[tuple[Path, int]]:
        """File and line of every annotation in src that is ``Any``."""
        inside = [path for path in self.files if path.is_relative_to(self.root / "src")]
        return [(path, line) for path in inside for line in functions.find_any(path)]

    @cached_property
    def lines(self) -> dict[Path, Lines]:
        """Line counts by file of the code."""
        return {path: texts.count_lines(path) for path in self.files}

    @cached_property
    def test_lines(self) -> dict[Path, Lines]:
        """Line counts by file of the tests."""
        return {path: texts.count_lines(path) for path in sorted((self.root / "tests").rglob("*.py"))}

    @cached_property
    def docstrings(self) -> list[Docstring]:
        """Public definitions of the code with their docstrings."""
        return texts.scan_docstrings(self.files, root=self.root)

    def modules_in(self, package: str) -> list[Path]:
        """Modules directly in a package of tidemill, its ``__init__`` too."""
        return sorted((self.root / "src" / "tidemill" / package).glob("*.py"))

    def package_of(self, path: Path) -> str:
        """``tidemill.risk``, ``flows``, ...: the package of the first level that a file belongs to."""
        parts = path.relative_to(self.root).with_suffix("").parts
        return f"tidemill.{parts[2]}" if parts[0] == "src" else parts[0]

    def place(self, path: Path, line: int, what: str) -> str:
        """``file:line what``, the file from the root of the checkout on."""
        return f"{path.relative_to(self.root)}:{line} {what}".rstrip()
