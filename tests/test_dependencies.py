"""pyproject, lock and document agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKED_GROUPS = {"used", "demo", "equities", "scale", "dev"}


def name_of(requirement: str) -> str:
    return re.split(r"[\[<>=!~ ;]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def declared() -> dict[str, str]:
    found = dict.fromkeys(map(name_of, PROJECT["project"]["dependencies"]), "used")
    for extra, wanted in PROJECT["project"]["optional-dependencies"].items():
        found |= dict.fromkeys(map(name_of, wanted), extra)
    return found | dict.fromkeys(map(name_of, PROJECT["dependency-groups"]["dev"]), "dev")


def locked() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if match := re.match(r"([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==([^ ;\\]+)", line):
            found.setdefault(name_of(match[1]), set()).add(match[2])
    return found


def documented() -> dict[str, list[tuple[str, str, str]]]:
    rows: dict[str, list[tuple[str, str, str]]] = {}
    for line in (ROOT / "docs" / "dependencies.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 4 and cells[0] != "package":
            rows.setdefault(cells[0], []).append((cells[1], cells[2], cells[3]))
    return rows


def test_every_declared_package_has_a_row_with_its_verdict() -> None:
    rows = documented()
    for name, verdict in declared().items():
        assert verdict in {row[1] for row in rows.get(name, [])}, name


def test_no_row_claims_what_pyproject_does_not_declare() -> None:
    known = declared()
    for name, rows in documented().items():
        for _, verdict, _ in rows:
            if verdict in LOCKED_GROUPS:
                assert known.get(name) == verdict, name


def test_the_document_names_the_locked_version() -> None:
    versions = locked()
    for name, rows in documented().items():
        for version, verdict, _ in rows:
            if verdict in LOCKED_GROUPS:
                assert version in versions[name], f"{name}: {version} is not in {versions[name]}"


def test_every_row_has_a_reason() -> None:
    assert len(documented()) > 100
    assert all(reason for rows in documented().values() for _, _, reason in rows)


def test_dropped_and_optional_packages_are_not_declared() -> None:
    known = declared()
    for name, rows in documented().items():
        if all(verdict in {"dropped", "replaced", "optional"} for _, verdict, _ in rows):
            assert name not in known


def test_the_lock_names_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert "--index" not in text
