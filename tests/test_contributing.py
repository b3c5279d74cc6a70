"""CONTRIBUTING, README and the manual say what is there: files, tests, commands, options, settings, deployments."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from pydantic import BaseModel

from tidemill.cli import app
from tidemill.settings import MarketSettings, Settings

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "docs/manual.md", "docs/strategies.md", "docs/operations.md", "docs/venues.md")
RECIPES = {
    *("venue", "market source", "text source", "feature", "market event kind"),
    *("strategy", "flow", "setting", "command", "migration"),
}
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MANUAL = (ROOT / "docs" / "manual.md").read_text(encoding="utf-8")
RECIPE = re.compile(r"^## Add an? ([^\n]+)\n(.*?)(?=^## )", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"`((?:src|tests|tasks|flows|docs|deployments|tools)/[\w./-]*|[\w.-]+\.(?:toml|yaml|md))`")
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([\w-]+))?\)")
COMMAND = re.compile(r"^(?:\$ )?(?:TIDEMILL_\w+=\S+ )?tidemill (.*?)(?:\s{2,}.*)?$", re.MULTILINE)
INLINE = re.compile(r"`tidemill ([^`\n]+)`")


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command of the app by its words."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


COMMANDS = dict(commands(typer.main.get_command(app)))


def options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts if option.startswith("--")}


def settings_by_group() -> Iterator[tuple[str, str]]:
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            yield from ((f"[{name}]", key) for key in type(default).model_fields)
        elif name == "markets":
            yield from (("[[markets]]", key) for key in MarketSettings.model_fields)
        else:
            yield "(top)", name


def slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def mistake(line: str) -> str:
    """What is wrong with a command line of a page; empty when it can be typed."""
    words = shlex.split(line.split("#", maxsplit=1)[0])
    if words[0].startswith("--") or words[0].isupper():
        return ""
    path = next((tuple(words[:count]) for count in (2, 1) if tuple(words[:count]) in COMMANDS), None)
    if path is None:
        groups = {name[0] for name in COMMANDS if len(name) > 1}
        return "" if len(words) == 1 and words[0] in groups else f"there is no command tidemill {line}"
    unknown = {word.split("=")[0] for word in words if word.startswith("--") and word != "--"}
    unknown -= options(COMMANDS[path]) | {"--help"}
    return f"tidemill {' '.join(path)} has no {', '.join(sorted(unknown))}" if unknown else ""


def test_every_recipe_is_there() -> None:
    assert {title for title, _ in RECIPE.findall(CONTRIBUTING)} == RECIPES


@pytest.mark.parametrize(("title", "body"), RECIPE.findall(CONTRIBUTING))
def test_a_recipe_names_files_and_the_test_that_tells(title: str, body: str) -> None:
    files, tests = body.split("\nTests: ")
    assert [path for path in PATH.findall(files) if not path.startswith("tests/")], title
    assert [path for path in PATH.findall(tests) if path.startswith("tests/") and path.endswith(".py")], title


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    paths = {path for path in PATH.findall(text) if "NAME" not in path and path != "tidemill.toml"}
    written = {"prefect-sandbox.yaml"}  # by tidemill init
    assert not {path for path in paths - written if not (ROOT / path).exists()}
    for target, anchor in LINK.findall(text):
        if target.startswith(("http:", "https:")):
            continue
        file = (ROOT / page).parent / target if target else ROOT / page
        assert file.exists(), target
        if anchor:
            assert anchor in {slug(title) for title in re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)}


@pytest.mark.parametrize("page", [*PAGES, "deployments/README.md"])
def test_commands_of_a_page_can_be_typed(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    lines = [line for line in (*COMMAND.findall(blocks), *INLINE.findall(text)) if line.strip()]
    assert not [wrong for wrong in map(mistake, lines) if wrong]


def test_control_a_wrong_command_is_named() -> None:
    assert mistake("backtest --sped fast") == "tidemill backtest has no --sped"
    assert mistake("date import FILE") == "there is no command tidemill date import FILE"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_a_section_with_its_options_and_an_example(words: tuple[str, ...]) -> None:
    name = f"tidemill {' '.join(words)}"
    section = re.search(rf"^### {name}\n(.*?)(?=^##)", MANUAL, re.MULTILINE | re.DOTALL)
    assert section, f"the manual has no section on {name}"
    assert re.search(rf"^(\$ )?{name}\b", section[1], re.MULTILINE), f"the manual has no example of {name}"
    missing = options(COMMANDS[words]) - set(re.findall(r"--[a-z-]+", section[1])) - {"--help"}
    assert not missing, f"the manual does not say of {name}: {', '.join(sorted(missing))}"


@pytest.mark.parametrize("group", sorted({group for group, _ in settings_by_group()}))
def test_every_setting_is_in_the_manual(group: str) -> None:
    rows = "\n".join(line for line in MANUAL.splitlines() if line.startswith("|") and group in line.split("|")[1])
    missing = [key for name, key in settings_by_group() if name == group and f"`{key}`" not in rows]
    assert not missing, f"the manual's table of settings lacks {missing} of {group}"


def test_every_deployment_is_in_the_manual() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    names = {f"{one['entrypoint'].rpartition('.')[2]}/{one['name']}" for one in deployments}
    assert names == set(re.findall(r"^\| `(\w+/\w+)` \|", MANUAL, re.MULTILINE))


def test_the_measure_and_the_glossary_are_named() -> None:
    assert "make measure" in CONTRIBUTING
    assert "docs/glossary.md" in CONTRIBUTING
