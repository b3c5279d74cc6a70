"""Lines, comments and docstrings of a file."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

LAYOUT = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER, tokenize.COMMENT}
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Lines of a file.

    ``total``: all. ``code``: those that hold a token other than a comment, docstrings included. ``docstrings``: those
    of them that are docstrings. ``comments``: comment tokens.
    """

    total: int
    code: int
    docstrings: int
    comments: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Docstring:
    """A public definition and its docstring.

    ``kind``: module, class, function, property, or override (a method that a base class of the same source tree
    documents). ``lines``: of the docstring, 0 where there is none. ``in_private_module``: a part of the path begins
    with an underscore.
    """

    path: Path
    line: int
    name: str
    kind: str
    lines: int
    in_private_module: bool = False


def count_lines(path: Path) -> Lines:
    """Count the lines and comment tokens of a file."""
    text = path.read_text()
    code: set[int] = set()
    comments = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        comments += token.type == tokenize.COMMENT
        if token.type not in LAYOUT:
            code.update(range(token.start[0], token.end[0] + 1))
    docstrings = sum(_docstring_length(node) for node in ast.walk(ast.parse(text)) if isinstance(node, Documented))
    return Lines(total=len(text.splitlines()), code=len(code), docstrings=docstrings, comments=comments)


def scan_docstrings(paths: list[Path], *, root: Path) -> list[Docstring]:
    """Modules, and the classes, functions and methods of which no part of the name begins with an underscore.

    Functions inside functions are not public. Whether a module is private is seen below ``root``. A method counts as an
    override when a class that is named among the bases of its class, anywhere in ``paths``, has a method of that name.
    """
    trees = {path: ast.parse(path.read_text()) for path in paths}
    methods = _load_methods(list(trees.values()))
    return [
        replace(docstring, in_private_module=_is_private(path.relative_to(root)))
        for path in paths
        for docstring in _scan_file(path, trees[path], methods)
    ]


def _scan_file(path: Path, tree: ast.Module, methods: dict[str, set[str]]) -> Iterator[Docstring]:
    yield _describe(path, tree, path.parent.name if path.stem == "__init__" else path.stem, "module")
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield _describe(path, node, node.name, "class" if isinstance(node, ast.ClassDef) else "function")
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _scan_class(path, node, methods)


def _scan_class(path: Path, node: ast.ClassDef, methods: dict[str, set[str]]) -> Iterator[Docstring]:
    inherited: set[str] = set().union(*(methods.get(name, set()) for name in _base_names(node)))
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not child.name.startswith("_"):
            kind = "override" if child.name in inherited else "property" if _is_property(child) else "function"
            yield _describe(path, child, f"{node.name}.{child.name}", kind)


def _load_methods(trees: list[ast.Module]) -> dict[str, set[str]]:
    """Methods that each class has, its bases' included as far as they are classes of ``trees``."""
    classes = {node.name: node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    methods: dict[str, set[str]] = {}
    for name in classes:
        names, todo = set[str](), [name]
        while todo:
            names.add(current := todo.pop())
            todo += [base for base in _base_names(classes[current]) if base in classes and base not in names]
        bodies = [classes[ancestor].body for ancestor in names]
        methods[name] = {child.name for body in bodies for child in body if isinstance(child, ast.FunctionDef)}
    return methods


def _base_names(node: ast.ClassDef) -> list[str]:
    bases = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
    return [base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in bases]


def _is_private(path: Path) -> bool:
    return any(part.startswith("_") and not part.startswith("__") for part in path.parts)


def _is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("property" in ast.unparse(decorator) for decorator in node.decorator_list)


def _describe(path: Path, node: Documented, name: str, kind: str) -> Docstring:
    text = ast.get_docstring(node)
    lines = 0 if text is None else len(text.strip().splitlines())
    return Docstring(path=path, line=getattr(node, "lineno", 1), name=name, kind=kind, lines=lines)


def _docstring_length(node: Documented) -> int:
    if ast.get_docstring(node, clean=False) is None:
        return 0
    return (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
