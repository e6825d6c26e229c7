"""A parsed filter: comparisons joined by AND, OR and NOT, before anyone asked what its names mean."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TypeAlias


@dataclass(frozen=True)
class Word:
    """A name, raw: `metrics.acc`, with its quotes and backticks."""

    raw: str


@dataclass(frozen=True)
class Quoted:
    """A quoted value; `text` lies between the quotes, nothing unescaped. Double quotes may mean a name."""

    text: str
    double: bool = False

    @property
    def raw(self) -> str:
        """The value as it was written."""
        quote = '"' if self.double else "'"
        return f"{quote}{self.text}{quote}"


@dataclass(frozen=True)
class Number:
    """An unquoted number, as it was written."""

    raw: str

    @property
    def exact(self) -> Decimal:
        """Its value, without rounding; beyond what a Decimal holds, infinite or zero as a double would be."""
        try:
            return Decimal(self.raw)
        except InvalidOperation:
            return Decimal(float(self.raw))


@dataclass(frozen=True)
class Items:
    """A list in parentheses."""

    items: tuple["Operand", ...]

    @property
    def raw(self) -> str:
        """The list as it may have been written."""
        return f"({', '.join(item.raw for item in self.items)})"


Operand: TypeAlias = Word | Quoted | Number | Items


@dataclass(frozen=True)
class Comparison:
    """`left comparator right`; `comparator` in capitals, single-spaced; `right` None for IS [NOT] NULL."""

    left: Operand
    comparator: str
    right: Operand | None


@dataclass(frozen=True)
class Both:
    """All of the terms hold."""

    terms: tuple["Node", ...]


@dataclass(frozen=True)
class Either:
    """At least one of the terms holds."""

    terms: tuple["Node", ...]


@dataclass(frozen=True)
class Negation:
    """The term does not hold. Every comparison is true or false, so a missing key makes `NOT a = 1` true."""

    term: "Node"


Node: TypeAlias = Comparison | Both | Either | Negation


def comparisons(node: Node | None) -> Iterator[Comparison]:
    """Every comparison of a filter."""
    match node:
        case Comparison():
            yield node
        case Negation(term):
            yield from comparisons(term)
        case Both(terms) | Either(terms):
            for term in terms:
                yield from comparisons(term)


def conjuncts(node: Node | None) -> tuple[Node, ...]:
    """The terms that must all hold for `node`; none for an absent filter."""
    if node is None:
        return ()
    return node.terms if isinstance(node, Both) else (node,)
