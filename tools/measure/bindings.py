"""Where names are bound: every place in a syntax tree that gives something a name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.measure.glossary import RetiredWords

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A name that is given to something.

    ``kind``: variable, parameter, field (in a class body), function, class, import or module. ``scope``: the
    function or class it stands in, with dots; empty at the top of a module. ``beside``: names bound in the same
    scope by the same kind of binding. ``annotation``: of a parameter, as written.
    """

    path: Path
    line: int
    column: int
    name: str
    kind: str
    scope: str
    beside: frozenset[str] = frozenset()
    annotation: str = ""


def scan_bindings(path: Path, text: str | None = None) -> list[Binding]:
    """Every binding of a file, in the order of its lines, its own name (kind ``module``) first."""
    name = path.parent.name if path.stem == "__init__" else path.stem
    scan = _Scan(path)
    scan.bindings.append(Binding(path=path, line=1, column=0, name=name, kind="module", scope=""))
    scan.visit(ast.parse(path.read_text() if text is None else text))
    return sorted(scan.bindings, key=lambda binding: (binding.line, binding.column))


def find_retired(bindings: list[Binding], retired: RetiredWords) -> Iterator[Binding]:
    """Those of ``bindings`` whose name is a retired word, but for the uses that the glossary allows."""
    for binding in bindings:
        kind = "module" if binding.kind == "module" else "field" if binding.kind == "field" else "name"
        if (binding.name.lstrip("_"), kind) in retired and not _is_allowed(binding):
            yield binding


def _is_allowed(binding: Binding) -> bool:
    """``done`` of a progress callback, ``left`` beside ``right``, and a deployment's parameter, which is a contract."""
    if (binding.name, binding.scope) == ("most", "shortfall"):
        return binding.kind == "parameter"
    if binding.name == "done":
        return binding.kind == "parameter" and ("total" in binding.beside or binding.annotation == "int")
    return binding.name == "left" and "right" in binding.beside


class _Scan(ast.NodeVisitor):
    """Collects bindings; knows at each step in which function or class it stands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bindings: list[Binding] = []
        self._scope: list[str] = []
        self._in_class = False
        self._variables: frozenset[str] = frozenset()

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self._add(node, node.id, "field" if self._in_class else "variable", self._variables)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._add(node, node.name, "variable", self._variables)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name:
            self._add(node, node.name, "variable", self._variables)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self._add(node, node.name, "variable", self._variables)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self._add(node, node.rest, "variable", self._variables)
        self.generic_visit(node)

    def visit_alias(self, node: ast.alias) -> None:
        """An import counts where it gives a name of its own; else the definition is counted, once."""
        if node.asname:
            self._add(node, node.asname, "import", frozenset())

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._add(node, node.name, "class", frozenset())
        for part in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(part)
        self._enter(node.name, node.body, in_class=True, variables=frozenset())

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_function(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_arguments(node)
        self.visit(node.body)

    def _visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._add(node, node.name, "function", frozenset())
        for part in node.decorator_list:
            self.visit(part)
        outer, self._scope = self._scope, [*self._scope, node.name]
        self._visit_arguments(node)
        self._scope = outer
        self._enter(node.name, node.body, in_class=False, variables=frozenset(_stored_names(node)))

    def _visit_arguments(self, node: Function) -> None:
        parameters = parameters_of(node)
        names = frozenset(parameter.arg for parameter in parameters)
        for parameter in parameters:
            annotation = ast.unparse(parameter.annotation) if parameter.annotation else ""
            self._add(parameter, parameter.arg, "parameter", names, annotation)
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)

    def _enter(self, name: str, body: list[ast.stmt], *, in_class: bool, variables: frozenset[str]) -> None:
        outer = self._scope, self._in_class, self._variables
        self._scope, self._in_class, self._variables = [*self._scope, name], in_class, variables
        for statement in body:
            self.visit(statement)
        self._scope, self._in_class, self._variables = outer

    def _add(self, node: ast.AST, name: str, kind: str, beside: frozenset[str], annotation: str = "") -> None:
        self.bindings.append(
            Binding(
                path=self.path,
                line=getattr(node, "lineno", 1),
                column=getattr(node, "col_offset", 0),
                name=name,
                kind=kind,
                scope=".".join(self._scope),
                beside=beside,
                annotation=annotation,
            )
        )


def parameters_of(function: Function) -> list[ast.arg]:
    """Every parameter in order, ``*args`` and ``**kwargs`` included."""
    arguments = function.args
    variadic = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *variadic]


def _stored_names(function: ast.AST) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
