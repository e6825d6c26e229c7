"""Filter text in, syntax tree out (`filter.lark` is the grammar)."""

import re
from importlib import resources
from typing import Any, Final

from lark import Lark, Token, Transformer, UnexpectedInput

from tracklog_contract.errors import INVALID, Rejected
from tracklog_projector.search.tree import (
    Both,
    Comparison,
    Either,
    Items,
    Negation,
    Node,
    Number,
    Operand,
    Quoted,
    Word,
)

COMPARISONS_MAX: Final = 100
FILTER_CHARS_MAX: Final = 100_000

_JOINT: Final = re.compile(r"(?<![\w$.])(?:and|or)(?![\w$.])", re.IGNORECASE)


def parse_filter(text: str) -> Node | None:
    """The tree of a filter; None for the empty one, which everything matches.

    Beyond MLflow's language it takes OR, NOT and parentheses.
    Raises: Rejected, naming the clause that cannot be read.
    """
    if not text:
        return None
    check_text(text, "filter")
    if text.isspace():
        raise Rejected(INVALID, f"Invalid filter '{text}'. Could not be parsed.")
    try:
        node: Node = _parser.parse(text)  # type: ignore[assignment]  # lark's stub does not know transformers
    except UnexpectedInput as error:
        clause = _clause_at(text, error)
        raise Rejected(INVALID, f"Invalid clause(s) in filter string: '{clause}'") from None
    if _comparisons(node) > COMPARISONS_MAX:
        raise Rejected(INVALID, f"A filter may hold at most {COMPARISONS_MAX} comparisons.")
    return node


def check_text(text: str, what: str) -> None:
    """Refuse text that PostgreSQL cannot hold, or that is too long to be meant.

    Raises: Rejected.
    """
    if len(text) > FILTER_CHARS_MAX:
        raise Rejected(INVALID, f"The {what} is longer than {FILTER_CHARS_MAX} characters.")
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise Rejected(INVALID, f"The {what} holds a NUL or half a surrogate pair.")


def _comparisons(node: Node) -> int:
    if isinstance(node, Comparison):
        return 1
    if isinstance(node, Negation):
        return _comparisons(node.term)
    return sum(_comparisons(term) for term in node.terms)


def _clause_at(text: str, error: UnexpectedInput) -> str:
    """The clause around an error: from the joint before it to the joint after it."""
    position = error.pos_in_stream
    if position is None or position < 0 or (isinstance(error, UnexpectedInput) and _is_end(error)):
        position = len(text)
    start, end = 0, len(text)
    for joint in _JOINT.finditer(text):
        if joint.end() <= position:
            start = joint.end()
        elif joint.start() > position:
            end = joint.start()
            break
    return text[start:end].strip() or text[:end].strip()


def _is_end(error: UnexpectedInput) -> bool:
    token = getattr(error, "token", None)
    return isinstance(token, Token) and token.type == "$END"


class _TreeBuilder(Transformer[Token, Any]):
    def start(self, children: list[Any]) -> Node:
        node: Node = children[0]
        return node

    def either(self, terms: list[Node]) -> Node:
        return _joined(terms, Either)

    def both(self, terms: list[Node]) -> Node:
        return _joined(terms, Both)

    def negation(self, children: list[Node]) -> Node:
        (term,) = children
        # NOT NOT is nothing; undoing it here bounds the depth of a tree by its comparisons.
        return term.term if isinstance(term, Negation) else Negation(term)

    def comparison(self, children: list[Any]) -> Node:
        left, comparator, right = children
        return Comparison(left, _canonical(comparator), right)

    def null_test(self, children: list[Any]) -> Node:
        left, comparator = children
        return Comparison(left, _canonical(comparator), None)

    def word(self, children: list[Token]) -> Operand:
        return Word(str(children[0]))

    def double_quoted(self, children: list[Token]) -> Operand:
        return Quoted(str(children[0])[1:-1], double=True)

    def single_quoted(self, children: list[Token]) -> Operand:
        return Quoted(str(children[0])[1:-1])

    def number(self, children: list[Token]) -> Operand:
        return Number(str(children[0]))

    def list(self, children: list[Any]) -> Operand:
        return Items(tuple(child for child in children if child is not None))


def _canonical(comparator: str) -> str:
    return " ".join(comparator.upper().split())


def _joined(terms: list[Node], joint: type[Both] | type[Either]) -> Node:
    flat = [part for term in terms for part in (term.terms if isinstance(term, joint) else (term,))]
    return joint(tuple(flat)) if len(flat) > 1 else flat[0]


_parser: Final = Lark(
    (resources.files(__package__ or "") / "filter.lark").read_text(encoding="utf-8"),
    parser="lalr",
    maybe_placeholders=False,
    transformer=_TreeBuilder(),
)
