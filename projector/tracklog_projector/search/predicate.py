"""A filter tree as one SQL condition."""

from collections.abc import Callable, Sequence

from tracklog_projector.search.tree import Both, Comparison, Either, Negation, Node


def predicate(node: Node, leaf: Callable[[Comparison], str]) -> str:
    """The tree as SQL; `leaf` gives that of a comparison, which must be true or false, never null."""
    if isinstance(node, Comparison):
        return leaf(node)
    if isinstance(node, Negation):
        return f"not ({predicate(node.term, leaf)})"
    joint = {Both: " and ", Either: " or "}[type(node)]
    return f"({joint.join(predicate(term, leaf) for term in node.terms)})"


def all_of(conditions: Sequence[str]) -> str:
    """The conditions joined by AND; true when there are none."""
    return " and ".join(conditions) or "true"
