"""What is promised by declaration: settings, commands, deployments, tasks, flows, words, venue rows."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import click
import prefect
import typer
import yaml
from pydantic import BaseModel

ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").exists())
EVENT = re.compile(r"(bars|tidemill)\.[a-z.]+")


def settings() -> dict[str, str]:
    """Every setting by its dotted name, with its default as JSON text; a list of groups is ``name[]``."""
    from tidemill.settings import Settings

    return dict(sorted(_fields(Settings, "")))


def _fields(group: type[BaseModel], prefix: str) -> Iterator[tuple[str, str]]:
    for name, field in group.model_fields.items():
        inner = _group_within(field.annotation)
        if inner is None:
            yield (
                prefix + name,
                "required" if field.is_required() else str(field.get_default(call_default_factory=True)),
            )
        else:
            listed = get_origin(field.annotation) is tuple
            yield from _fields(inner, f"{prefix}{name}{'[]' if listed else ''}.")


def _group_within(annotation: Any) -> type[BaseModel] | None:
    candidates = (annotation, *get_args(annotation))
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)), None)


def commands() -> dict[str, dict[str, str]]:
    """Every command with its options and arguments, and what each is when it is not named."""
    from tidemill.cli import app

    return dict(sorted(_commands(typer.main.get_command(app), ())))


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    inner: Mapping[str, Any] = getattr(command, "commands", {})
    if not inner or not path:
        parameters = {_spelling(parameter): _default(parameter) for parameter in command.params}
        yield " ".join(path) or "tidemill", dict(sorted(parameters.items()))
    for name, child in inner.items():
        yield from _commands(child, (*path, name))


def _spelling(parameter: click.Parameter) -> str:
    names = [*parameter.opts, *parameter.secondary_opts]
    return " ".join(names) if parameter.param_type_name == "option" else f"<{parameter.metavar or parameter.name}>"


def _default(parameter: click.Parameter) -> str:
    return "required" if parameter.required else str(parameter.default)


def deployments() -> dict[str, Any]:
    """Every deployment of prefect.yaml by flow and name, without its description."""
    return {
        f"{entry['entrypoint']}/{entry['name']}": {name: entry[name] for name in sorted(entry) if name != "description"}
        for entry in sorted(_deployments(), key=lambda entry: entry["entrypoint"])
    }


def _deployments() -> list[dict[str, Any]]:
    return list(yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"])


def tasks() -> dict[str, dict[str, Any]]:
    """Every task by its name, with run name, tags and retries."""
    found = {}
    for entry in _members("tasks", prefect.Task):
        tags = sorted(entry.tags)
        found[entry.name] = {"run_name": _run_name(entry.task_run_name), "tags": tags, "retries": entry.retries}
    return dict(sorted(found.items()))


def flows() -> dict[str, dict[str, Any]]:
    """Every flow by its name, with its run name and, of one that is deployed, its form without what explains it."""
    deployed = {entry["entrypoint"].rpartition(".")[2] for entry in _deployments()}
    found = {}
    for entry in _members("flows", prefect.Flow):
        form = {name: _field(schema) for name, schema in entry.parameters.properties.items()}
        run_name = _run_name(str(entry.flow_run_name))
        found[entry.name] = {"run_name": run_name, "form": form if entry.name in deployed else "not deployed"}
    return dict(sorted(found.items()))


def _run_name(template: str | None) -> str | None:
    """The template as it shows: ``{strategy}`` too where the parameter is a value that has the strategy."""
    return template and re.sub(r"\{[\w.]*?(\w+)\}", r"{\1}", template)


UNSAID = {"description", "title", "$ref", "position"}


def _field(schema: Any) -> Any:
    """What a parameter takes, without what explains it and without the names of classes."""
    if isinstance(schema, Mapping):
        return {key: _field(value) for key, value in sorted(schema.items()) if key not in UNSAID}
    return [_field(part) for part in schema] if isinstance(schema, list) else schema


def _members(package: str, kind: type) -> list[Any]:
    modules = [
        importlib.import_module(f"{package}.{module.name}") for module in pkgutil.iter_modules([str(ROOT / package)])
    ]
    return [member for module in modules for member in vars(module).values() if isinstance(member, kind)]


def event_words() -> list[str]:
    """The names of events and of what they carry, wherever the code writes them."""
    texts = (text for folder in ("flows", "tasks") for tree in _trees(folder) for text in _strings(tree))
    return sorted({text for text in texts if EVENT.fullmatch(text)})


def stored_words() -> list[list[str]]:
    """The values of every enumeration of strings in the domain, each sorted: they lie in databases."""
    found = []
    for tree in _trees("src/tidemill/domain"):
        for part in ast.walk(tree):
            if isinstance(part, ast.ClassDef) and any(ast.unparse(base) == "StrEnum" for base in part.bases):
                values = [line.value.value for line in part.body if isinstance(line, ast.Assign)]  # type: ignore[attr-defined]
                found.append(sorted(values))
    return sorted(found)


def venue_rows() -> list[str]:
    """The exchanges that have a row in the capability table."""
    rows = set()
    for tree in _trees("src/tidemill/adapters"):
        text_of_row = any(isinstance(part, ast.Name) and part.id == "VenueCapability" for part in ast.walk(tree))
        for call in ast.walk(tree) if text_of_row else ():
            if isinstance(call, ast.Call):
                rows |= {word.value.value for word in call.keywords if word.arg == "exchange" and _is_text(word.value)}  # type: ignore[attr-defined]
    return sorted(rows)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _strings(tree: ast.AST) -> Iterator[str]:
    for part in ast.walk(tree):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def _trees(folder: str) -> Iterator[ast.Module]:
    for path in sorted((ROOT / folder).rglob("*.py")):
        yield ast.parse(path.read_text(encoding="utf-8"))


def collect() -> dict[str, Any]:
    """All of it, by the name of its golden file."""
    return {
        "settings": settings(),
        "commands": commands(),
        "deployments": deployments(),
        "names": {
            "tasks": tasks(),
            "flows": flows(),
            "events": event_words(),
            "stored": stored_words(),
            "venues": venue_rows(),
        },
    }
