"""How large a query may be: MLflow's bounds, checked before anything of it runs."""

from collections.abc import Iterator
from typing import Final

from graphql import GraphQLError
from graphql.language import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

TOKENS_MAX: Final = 5000
COMMENTS_MAX: Final = 1000
DEPTH_MAX: Final = 10
SELECTIONS_MAX: Final = 1000
ROOT_FIELDS_MAX: Final = 10
ALIASES_MAX: Final = 10

Fragments = dict[str, FragmentDefinitionNode]


def check(document: DocumentNode) -> None:
    """Accept a parsed query.

    Raises: GraphQLError, when it is too deep, selects too much, or has too many root fields or aliases.
    """
    fragments = {
        node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
    }
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    level = [node.selection_set for node in operations]
    depth = selections = 0
    while level:
        depth += 1
        if depth > DEPTH_MAX:
            raise GraphQLError(f"Query exceeds maximum depth of {DEPTH_MAX}")
        fields: list[FieldNode] = []
        for selection_set in level:
            here = list(_fields(selection_set, fragments, set()))
            _at_most(ALIASES_MAX, sum(field.alias is not None for field in here), "aliases")
            fields += here
            if selections + len(fields) > SELECTIONS_MAX:
                raise GraphQLError(f"Query exceeds maximum total selections of {SELECTIONS_MAX}")
        if depth == 1:
            _at_most(ROOT_FIELDS_MAX, len(fields), "root fields")
        selections += len(fields)
        level = [field.selection_set for field in fields if field.selection_set is not None]


def _fields(selection_set: SelectionSetNode, fragments: Fragments, seen: set[str]) -> Iterator[FieldNode]:
    """The fields of one level, those in its fragments too; each fragment once, for they may be cyclic."""
    for selection in selection_set.selections:
        if isinstance(selection, FieldNode):
            yield selection
        elif isinstance(selection, InlineFragmentNode):
            yield from _fields(selection.selection_set, fragments, seen)
        elif isinstance(selection, FragmentSpreadNode):
            name = selection.name.value
            if name in fragments and name not in seen:
                seen.add(name)
                yield from _fields(fragments[name].selection_set, fragments, seen)


def _at_most(highest: int, count: int, what: str) -> None:
    if count > highest:
        raise GraphQLError(f"GraphQL queries should have at most {highest} {what}, got {count} {what}.")
