"""Every mutant of a source file: where it is, what it changes, the changed source.

Not mutated, because no behaviour hangs on it: docstrings (no operator touches text), annotations (never
evaluated: ``from __future__ import annotations``), decorators, imports, and the values inside f-strings.
A mutant that is not Python, or the same syntax tree as the original or as an earlier mutant, is no mutant.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import parso
from cosmic_ray.operators.operator import Operator
from mutation_operators import OWN, operators

Node = Any
_OPERATORS = operators()
_OWN_NAMES = frozenset(o.__name__ for o in OWN)
_UNTOUCHED = frozenset({"decorator", "decorators", "import_name", "import_from", "fstring"})


@dataclass(frozen=True)
class Mutant:
    """One change of one file. ``function`` is the qualified name of the function whose *body* it changes,
    or empty where the change is one of a module, a class or a signature: made at import, not at a call.
    """

    file: str  # relative to the package's source folder
    line: int
    operator: str
    function: str
    before: str  # the module's source in three parts: this,
    original: str  # this top-level statement
    mutated: str  # (or this one in its place)
    after: str  # and this

    @cached_property
    def key(self) -> str:
        text = "\0".join((self.file, str(self.line), self.original, self.mutated))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def source(self) -> str:
        return self.before + self.mutated + self.after

    @property
    def module(self) -> str:
        return self.file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")

    @property
    def is_own(self) -> bool:
        return self.operator in _OWN_NAMES

    def diff(self) -> list[str]:
        """The changed lines, ``-`` before and ``+`` after."""
        old, new = self.original.splitlines(), self.mutated.splitlines()
        lines = list(difflib.unified_diff(old, new, lineterm="", n=0))[2:]
        return [text[0] + " " + text[1:].strip() for text in lines if not text.startswith("@@")]


def mutants_of(root: Path, path: Path) -> list[Mutant]:
    """All mutants of the file at ``path``, in the order of its lines; ``root`` is the source folder."""
    file, source = path.relative_to(root).as_posix(), path.read_text()
    before, found = "", []
    for statement in parso.parse(source).children:
        text = statement.get_code()
        after = source[len(before) + len(text) :]
        found += _of_statement(file, before, text, after)
        before += text
    return sorted(found, key=lambda m: m.line)


def _of_statement(file: str, before: str, text: str, after: str) -> list[Mutant]:
    seen = {_shape(text)}
    found = []
    for node in _walk(parso.parse(text)):
        for name, operator in _OPERATORS.items():
            for index, (start, _) in enumerate(list(operator.mutation_positions(node))):
                mutated = _mutated(node, operator, index)
                shape = _shape(mutated)
                if shape is None or shape in seen:
                    continue
                seen.add(shape)
                line, function = before.count("\n") + start[0], _function_around(node)
                found.append(Mutant(file, line, name, function, before, text, mutated, after))
    return found


def _walk(node: Node) -> Iterator[Node]:
    """Every node that may be mutated."""
    yield node
    for child in getattr(node, "children", ()):
        if child.type not in _UNTOUCHED and not _is_annotation(child):
            yield from _walk(child)


def _mutated(node: Node, operator: Operator, index: int) -> str:
    """The whole tree's text with ``node`` mutated; the tree is left as it was.

    An operator changes the node's own value or children, or its children's values, or returns another.
    """
    parts = [node, *getattr(node, "children", ())]
    values = [(part, part.value) for part in parts if hasattr(part, "value")]
    children, siblings = (
        list(getattr(node, "children", ())),
        list(node.parent.children) if node.parent else [],
    )
    other = operator.mutate(node, index)
    if node.parent is not None:
        node.parent.children = [other if n is node else n for n in siblings]
    text = str(node.get_root_node().get_code() if node.parent is not None else other.get_code())
    for part, value in values:
        part.value = value
    if children:
        node.children = children
    if node.parent is not None:
        node.parent.children = siblings
    return text


def _is_annotation(node: Node) -> bool:
    parent, siblings = node.parent, node.parent.children
    if parent.type == "tfpdef":
        return node is not siblings[0]
    if parent.type == "annassign":
        return node is siblings[1]
    return parent.type == "funcdef" and bool(parent.annotation is node)


def _shape(text: str) -> str | None:
    try:
        return ast.dump(ast.parse(text))
    except (SyntaxError, ValueError):
        return None


def _function_around(node: Node) -> str:
    """Qualified name of the outermost function whose body holds ``node``; empty outside of any."""
    names, inside = [], False
    while node.parent is not None:
        parent = node.parent
        if parent.type == "funcdef":
            inside = node is parent.children[-1]
            names = [parent.name.value]
        elif parent.type == "classdef":
            names = [parent.name.value, *names]
        node = parent
    return ".".join(names) if inside else ""
