"""Filter trees as the text that reads back to them."""

from tracklog_projector.search.tree import Both, Comparison, Either, Negation, Node


def render(node: Node, *, loud: bool = True) -> str:
    """The filter text of a tree; keywords in capitals when `loud`."""
    word = str.upper if loud else str.lower
    if isinstance(node, Comparison):
        parts = [node.left.raw, word(node.comparator)] + ([] if node.right is None else [node.right.raw])
        return " ".join(parts)
    if isinstance(node, Negation):
        return f"{word('NOT')} {_part(node.term, (Comparison,), loud)}"
    if isinstance(node, Both):
        return f" {word('AND')} ".join(_part(term, (Comparison, Negation), loud) for term in node.terms)
    assert isinstance(node, Either)
    return f" {word('OR')} ".join(_part(term, (Comparison, Negation, Both), loud) for term in node.terms)


def _part(node: Node, bare: tuple[type[Node], ...], loud: bool) -> str:
    text = render(node, loud=loud)
    return text if isinstance(node, bare) else f"({text})"
