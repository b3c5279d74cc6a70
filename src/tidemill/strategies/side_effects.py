"""What a strategy touches while it decides: clocks, chance, files, the network."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Modules whose functions give another answer each time, or come from outside; and calls that do by name.
IMPURE_MODULES = frozenset(
    {
        "time",
        "random",
        "secrets",
        "uuid",
        "os",
        "socket",
        "requests",
        "urllib",
        "http",
        "subprocess",
        "sqlite3",
        "pathlib",
    }
)
IMPURE_CALLS = frozenset(
    {"now", "utcnow", "today", "open", "input", "read_parquet", "read_csv", "default_rng", "RandomState"}
)
CLOCKS = frozenset({"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"})


def read_suspects(source: str) -> list[str]:
    """Names in ``source`` that lead to a clock, to chance, to a file or to the network, each with its line.

    What is only named is suspect as well: a call that did not happen this time may happen the next.
    """
    nodes = list(ast.walk(ast.parse(source)))
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    calls = [node for node in nodes if isinstance(node, ast.Call) and _called(node.func) in IMPURE_CALLS]
    return [
        *(f"line {node.lineno} imports {name}" for node in imports for name in _imported(node) if _is_impure(name)),
        *(f"line {node.lineno} calls {_called(node.func)}()" for node in calls),
    ]


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]


def _is_impure(module: str) -> bool:
    return module.partition(".")[0] in IMPURE_MODULES


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


@contextmanager
def watch_calls(file: str) -> Iterator[list[str]]:
    """Gather what code of ``file`` calls of clocks, files and chance while the block runs, by any name it gave them.

    Only calls of builtins from that file itself are looked at; it slows the block down several times.
    """
    calls: list[str] = []

    def look(frame: FrameType, event: str, called: object) -> None:
        if event == "c_call" and frame.f_code.co_filename == file and (name := _impure(called)):
            calls.append(f"line {frame.f_lineno} calls {name}")

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def _impure(called: object) -> str:
    """A builtin's name when it reads a clock, a file or chance, else empty."""
    name = str(getattr(called, "__name__", ""))
    owner = getattr(called, "__self__", None)
    module = str(getattr(called, "__module__", "") or getattr(owner, "__name__", ""))
    if name in CLOCKS and module == "time":
        return f"time.{name}()"
    if name in {"now", "utcnow", "today"} and isinstance(owner, type):
        return f"{owner.__name__}.{name}()"
    if name == "open" and module in {"io", "_io"}:
        return "open()"
    return f"random.{name}()" if module in {"random", "_random"} or type(owner).__module__ == "random" else ""
