"""Which small changes to the engine's source a test must notice: cosmic-ray's operators and four of ours.

Left out of cosmic-ray's set, each because its mutants say nothing about compiled numeric code:

- bit operators in place of arithmetic, and ``is`` in place of a comparison: Numba refuses to compile them
  on floats, and plain Python raises or answers by identity. They would count as kills without a test.
- ``RemoveDecorator``: the mutants run without the JIT, where ``@compiled`` is the identity.
- ``ExceptionReplacer``, ``VariableReplacer``, ``VariableInserter``: the engine catches nothing, and the
  latter two draw at random, so a run could not be repeated.
- ``UAdd``, ``Invert`` in place of a sign: ``+x`` is deletion again, ``~`` is not defined on floats.

Added, because an engine made of assignments to records and of ``min`` and ``max`` has hardly a
comparison where it matters: a statement that has an effect is deleted, ``+=`` and ``-=`` change places,
``min`` and ``max`` change places, one of two operands joined by ``and`` or ``or`` is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from cosmic_ray.operators.operator import Operator
from cosmic_ray.operators.provider import OperatorProvider
from parso.python.tree import Keyword

Node = Any
Span = tuple[tuple[int, int], tuple[int, int]]

_ARITHMETIC = ("Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow")
_COMPARISONS = ("Eq", "NotEq", "Lt", "LtE", "Gt", "GtE")
_PLAIN = (
    "AddNot",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "NumberReplacer",
    "ZeroIterationForLoop",
    "ReplaceUnaryOperator_Delete_USub",
    "ReplaceUnaryOperator_Delete_Not",
)


class _OwnOperator(Operator):  # type: ignore[misc]
    """An operator that replaces a node's text; cosmic-ray's own examples are not needed."""

    @classmethod
    def examples(cls) -> tuple[()]:
        return ()


def _spanned(node: Node) -> Span:
    return (node.start_pos, node.end_pos)


class DeleteStatement(_OwnOperator):
    """``pass`` in place of a statement with an effect: a record's field, ``+=``, a call, a jump.

    The first binding of a local name is left: without it the function could not run at all.
    """

    def mutation_positions(self, node: Node) -> Iterator[Span]:
        if node.type == "simple_stmt" and self._has_effect(node.children[0]):
            yield _spanned(node.children[0])

    def mutate(self, node: Node, index: int) -> Node:
        node.children[0] = _keyword("pass", node.children[0])
        return node

    @staticmethod
    def _has_effect(statement: Node) -> bool:
        function = statement.search_ancestor("funcdef")
        if function is None:
            return False
        if statement.type in ("return_stmt", "atom_expr", "power"):
            # The last statement of a function that returns a value is what the function is.
            return statement.parent is not function.children[-1].children[-1]
        if statement.type == "keyword" and statement.value in ("continue", "break", "return"):
            return True
        if statement.type != "expr_stmt":
            return False
        if statement.children[1].type == "annassign":
            return False
        target = statement.children[0]
        if target.type != "name":
            return target.type == "atom_expr"  # a field; a tuple of new names is a first binding
        bound = [n for n in _names(function) if n.value == target.value and n.is_definition()]
        return min(n.start_pos for n in bound) < target.start_pos


def _keyword(word: str, instead_of: Node) -> Keyword:
    return Keyword(word, instead_of.start_pos, instead_of.get_first_leaf().prefix)


def _names(node: Node) -> Iterator[Node]:
    if node.type == "name":
        yield node
    for child in getattr(node, "children", ()):
        yield from _names(child)


class SwapAssignment(_OwnOperator):
    """``-=`` for ``+=`` and the other way round, ``/=`` for ``*=`` likewise."""

    _other: ClassVar = {"+=": "-=", "-=": "+=", "*=": "/=", "/=": "*="}

    def mutation_positions(self, node: Node) -> Iterator[Span]:
        if node.type == "operator" and node.value in self._other:
            yield _spanned(node)

    def mutate(self, node: Node, index: int) -> Node:
        node.value = self._other[node.value]
        return node


class SwapExtreme(_OwnOperator):
    """``max`` for ``min`` and the other way round, ``floor`` for ``ceil`` likewise."""

    _other: ClassVar = {"min": "max", "max": "min", "floor": "ceil", "ceil": "floor"}

    def mutation_positions(self, node: Node) -> Iterator[Span]:
        if node.type == "name" and node.value in self._other and not node.is_definition():
            yield _spanned(node)

    def mutate(self, node: Node, index: int) -> Node:
        node.value = self._other[node.value]
        return node


class DropOperand(_OwnOperator):
    """One operand of ``and`` or ``or`` is never asked."""

    def mutation_positions(self, node: Node) -> Iterator[Span]:
        if node.type in ("and_test", "or_test"):
            for operand in node.children[::2]:
                yield _spanned(operand)

    def mutate(self, node: Node, index: int) -> Node:
        neutral = "True" if node.type == "and_test" else "False"
        node.children[2 * index] = _keyword(neutral, node.children[2 * index])
        return node


OWN = (DeleteStatement, SwapAssignment, SwapExtreme, DropOperand)


def operators() -> dict[str, Operator]:
    """Every operator in use by name, in a fixed order."""
    names = [
        *_PLAIN,
        *(f"ReplaceBinaryOperator_{a}_{b}" for a in _ARITHMETIC for b in _ARITHMETIC if a != b),
        *(
            f"ReplaceComparisonOperator_{a}_{b}"
            for a in _COMPARISONS
            for b in _COMPARISONS
            if a != b
        ),
    ]
    provider = OperatorProvider()
    return {name: provider[name]() for name in names} | {o.__name__: o() for o in OWN}
