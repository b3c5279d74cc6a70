"""Functions and annotations of the source: how long, how many parameters, what they give back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.measure.bindings import parameters_of

SHAPELESS = re.compile(r"\b(dict|Mapping|MutableMapping)\[str, (Any|object)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function or method as the source has it.

    ``name``: with its classes, dotted. ``lines``: from ``def`` to the end, decorators apart. ``parameters``: without
    self and cls; ``*args`` and ``**kwargs`` count one each. ``is_public``: no part of the name begins with an
    underscore, and it stands in no other function. ``returns``: the annotation as written, type aliases of its
    module put in.
    """

    path: Path
    line: int
    name: str
    lines: int
    parameters: int
    is_public: bool
    returns: str


def scan_functions(path: Path) -> list[Function]:
    """Every function of a file, methods and functions inside functions too."""
    tree = ast.parse(path.read_text())
    return list(_walk(path, tree, (), False, False, _load_aliases(tree)))


def is_shapeless(function: Function) -> bool:
    """Whether it gives back a dictionary of anything: ``dict[str, Any]``, or a ``Mapping`` or ``object`` of it."""
    return SHAPELESS.search(function.returns) is not None


def find_any(path: Path) -> list[int]:
    """Lines of the annotations that are ``Any`` or ``Any | None``, ``*args`` and ``**kwargs`` apart."""
    tree = ast.parse(path.read_text())
    aliases = _load_aliases(tree)
    texts = [(node, _resolve(node, aliases)) for node in _annotations(tree)]
    return sorted(node.lineno for node, text in texts if text in {"Any", "Any | None"})


def count_any_inside(path: Path) -> int:
    """How often ``Any`` stands in annotations, inside brackets too."""
    return sum(
        isinstance(part, ast.Name) and part.id == "Any"
        for annotation in _annotations(ast.parse(path.read_text()), variadic=True)
        for part in ast.walk(annotation)
    )


def _annotations(tree: ast.AST, *, variadic: bool = False) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign):
            yield node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            left_out = () if variadic else (node.args.vararg, node.args.kwarg)
            yield from (
                parameter.annotation
                for parameter in parameters_of(node)
                if parameter.annotation is not None and parameter not in left_out
            )
            if node.returns is not None:
                yield node.returns


def _load_aliases(tree: ast.Module) -> dict[str, str]:
    """Names that the module gives to ``Any`` and to dictionaries of anything, with what they stand for."""
    aliases = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            text = ast.unparse(node.value)
            if text == "Any" or SHAPELESS.fullmatch(text):
                aliases[node.targets[0].id] = text
    return aliases


def _resolve(annotation: ast.expr | None, aliases: dict[str, str]) -> str:
    text = "" if annotation is None else ast.unparse(annotation)
    for name, meaning in aliases.items():
        text = re.sub(rf"\b{name}\b", meaning, text)
    return text


def _walk(
    path: Path, node: ast.AST, scope: tuple[str, ...], in_class: bool, in_function: bool, aliases: dict[str, str]
) -> Iterator[Function]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            names = (*scope, child.name)
            yield Function(
                path=path,
                line=child.lineno,
                name=".".join(names),
                lines=(child.end_lineno or child.lineno) - child.lineno + 1,
                parameters=_count_parameters(child, in_class),
                is_public=not in_function and not any(name.startswith("_") for name in names),
                returns=_resolve(child.returns, aliases),
            )
            yield from _walk(path, child, names, False, True, aliases)
        elif isinstance(child, ast.ClassDef):
            yield from _walk(path, child, (*scope, child.name), True, in_function, aliases)
        else:
            yield from _walk(path, child, scope, in_class, in_function, aliases)


def _count_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef, in_class: bool) -> int:
    names = [parameter.arg for parameter in parameters_of(function)]
    return len(names) - (in_class and names[:1] in (["self"], ["cls"]))
