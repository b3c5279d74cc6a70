"""Who may import whom, who may import what: the house as a test."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.marked import read_marked
from tools.measure.table import BEFORE, MEASURES
from tools.rings import PAGES, PART, draw_rings, load_rings

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "tidemill"
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
# The one table of rings, outermost first: a ring imports inner rings only; parts of one line are strangers.
TABLE = [tuple(line.split(" | ")) for line in next(one for one in CONTRACTS if "exhaustive" in one)["layers"]]
OUTER = ("cli", "replay", "operations")
RINGS: tuple[tuple[str, ...], ...] = (*((name,) for name in OUTER), ("flows",), ("tasks",), *TABLE[len(OUTER) :])
RANK = {name: rank for rank, names in enumerate(RINGS) for name in names}
EQUITIES = {"yfinance", "alpha_vantage", "exchange_calendars"}
VENDORS = {"ccxt", "tweepy", "praw", "newsapi", "influxdb_client", "sqlalchemy", "mlflow", "alembic"} | EQUITIES
STAGES = next(set(names) for names in RINGS if "features" in names)
INNER = {name for names in RINGS[RANK["research"] :] for name in names}


def files() -> list[Path]:
    return [*SOURCE.rglob("*.py"), *(ROOT / "flows").glob("*.py"), *(ROOT / "tasks").glob("*.py")]


def part_of(path: Path) -> str:
    relative = path.relative_to(ROOT)
    if relative.parts[0] in {"flows", "tasks"}:
        return relative.parts[0]
    return relative.parts[2].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module == "tidemill":
                yield from (f"tidemill.{alias.name}" for alias in node.names)


def top(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


def known_part(module: str) -> str | None:
    parts = module.split(".")
    if parts[0] in {"flows", "tasks"}:
        return parts[0]
    return parts[1] if parts[0] == "tidemill" and len(parts) > 1 else None


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_imports_upward(path: Path) -> None:
    here = part_of(path)
    if here in {"__init__", "__main__"}:
        return
    assert here in RANK, f"{here} has no layer; give it one"
    for module in imports(path):
        there = known_part(module)
        if there is None or there in {here, "__version__"}:
            continue
        assert RANK[there] >= RANK[here], f"{here} imports {there} above it"
        if RANK[there] == RANK[here]:
            raise AssertionError(f"{here} imports {there} beside it")


def test_the_domain_needs_the_standard_library_only() -> None:
    for path in (SOURCE / "domain").rglob("*.py"):
        for module in imports(path):
            assert top(module) in sys.stdlib_module_names | {"tidemill"}, f"{path.name} imports {module}"


def test_the_inner_rings_know_no_vendor() -> None:
    for path in files():
        if part_of(path) in INNER:
            assert not VENDORS & {top(module) for module in imports(path)}, path


def test_only_flows_tasks_and_the_command_line_know_prefect() -> None:
    for path in files():
        if part_of(path) not in {"flows", "tasks", *OUTER}:
            assert "prefect" not in {top(module) for module in imports(path)}, path


def test_the_outer_rings_import_prefect_lazily() -> None:
    for path in files():
        if part_of(path) in OUTER:
            body = ast.parse(path.read_text()).body
            for node in body:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom):
                    names = [node.module or ""]
                assert not {"prefect", "flows", "tasks"} & {top(name) for name in names}, path


def test_only_bootstrap_knows_which_adapter_is_real() -> None:
    """Doctor looks at the capability table, and the stand-alone venue at a store; neither trades."""
    lookers = {"doctor.py": {"venues"}, "venue.py": {"sql"}}
    for path in files():
        if part_of(path) in {"bootstrap", "adapters"}:
            continue
        wings = {module.split(".")[2] for module in imports(path) if module.startswith("tidemill.adapters.")}
        allowed = lookers.get(path.name, set()) if part_of(path) == "operations" else set()
        assert wings <= allowed, f"{path} imports {wings}"


def test_what_is_private_stays_in_its_wing() -> None:
    for path in (SOURCE / "adapters").rglob("*.py"):
        for module in imports(path):
            parts = module.split(".")
            if parts[:2] == ["tidemill", "adapters"] and any(part.startswith("_") for part in parts):
                assert path.is_relative_to(SOURCE / "adapters" / parts[2]), f"{path} imports {module}"


def test_no_clock_is_read_below_a_flow() -> None:
    """Times come from the clocks in Services; servers and screens of a replay have a wall clock of their own."""
    allowed = {"adapters/clocks.py", "venue", "doubles", *OUTER, "adapters/posts/_session.py", "bootstrap"}
    for path in SOURCE.rglob("*.py"):
        relative = path.relative_to(SOURCE).as_posix()
        if any(relative == one or relative.startswith(f"{one}/") for one in allowed):
            continue
        text = path.read_text()
        for call in ("datetime.now(", "time.time(", "utcnow(", "date.today("):
            assert call not in text, f"{relative} reads the clock with {call}"


def test_money_never_comes_from_a_float() -> None:
    for path in files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Decimal" and node.args:
                argument = node.args[0]
                is_float = isinstance(argument, ast.Constant) and isinstance(argument.value, float)
                calls_float = isinstance(argument, ast.Call) and getattr(argument.func, "id", "") == "float"
                assert not is_float, f"{path}:{node.lineno}"
                assert not calls_float, f"{path}:{node.lineno}"


def test_flows_are_stories_of_at_most_forty_lines() -> None:
    for path in (ROOT / "flows").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 45, f"{path.name}:{node.name}"


def test_no_test_or_flow_shadows_a_package() -> None:
    names = {path.stem for path in [*(ROOT / "flows").glob("*.py"), *(ROOT / "tests").rglob("*.py")]}
    assert not names & {"prefect", "ccxt", "mlflow", "tidemill", "pandas", "numpy", "sqlalchemy"}


def test_every_package_is_in_the_wheel() -> None:
    told = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    packages = {".".join(path.parent.relative_to(ROOT / "src").parts) for path in SOURCE.rglob("__init__.py")}
    assert told == packages | {"flows", "tasks"}


def test_nothing_private_is_in_the_repository() -> None:
    import subprocess

    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    for name in listed:
        assert not name.endswith((".db", ".sqlite", ".env")), name
        assert name not in {"uv.lock", "pylock.toml", "tidemill.toml"}, name


def test_the_import_contracts_hold() -> None:
    """The same picture, drawn by import-linter over the whole import graph."""
    import subprocess

    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_pictures_of_the_rings_are_drawn_from_the_table() -> None:
    drawn = draw_rings(load_rings())
    for page in PAGES:
        assert read_marked(page, PART) == drawn, f"{page.name} is out of date; run python -m tools.rings"


def test_every_package_is_described() -> None:
    table = (ROOT / "docs" / "architecture.md").read_text().partition("| package |")[2].partition("\n\n")[0]
    names = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")]
    described = {name for cell in names for name in re.findall(r"`(\w+)`", cell)}
    assert described == {name for names in RINGS for name in names}


def test_the_ways_through_the_house_name_files_and_functions_that_exist() -> None:
    for line in (ROOT / "docs" / "architecture.md").read_text().splitlines():
        for name, function in re.findall(r"`([\w/]+\.py)`(?: `(\w+)`)?", line):
            path = next((path for path in (SOURCE / name, ROOT / name) if path.is_file()), None)
            assert path, f"docs/architecture.md names {name}, which is not there"
            defined = {getattr(node, "name", "") for node in ast.walk(ast.parse(path.read_text()))}
            assert not function or function in defined, f"docs/architecture.md: {name} has no {function}"


def test_the_table_of_measures_has_every_measure() -> None:
    rows = read_marked(ROOT / "docs" / "architecture.md", "measures").splitlines()[2:]
    cells = [tuple(line.strip("| ").split(" | ")) for line in rows]
    assert [(title, before, goal) for title, before, _, goal in cells] == [
        (measure.title, BEFORE[measure.name], measure.goal) for measure in MEASURES
    ], "run make measure ARGS=--write"
