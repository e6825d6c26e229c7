"""The schema, and how a field of it is found in MLflow's JSON."""

import math
import re
from importlib import resources
from typing import Any, Final

from graphql import (
    GraphQLFloat,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    GraphQLString,
    build_schema,
)

# JSON has no infinities: the greatest double stands for them, as in MLflow's SQL store.
_GREATEST: Final = math.nextafter(math.inf, 0)
_NOT_FINITE: Final = {"NaN": None, "Infinity": _GREATEST, "-Infinity": -_GREATEST}
_LATER_WORD: Final = re.compile(r"(?<=[a-z0-9])([A-Z])")


def load_schema() -> GraphQLSchema:
    """The schema of `schema.graphql`."""
    text = (resources.files("tracklog_projector.graphql") / "schema.graphql").read_text(encoding="utf-8")
    schema = build_schema(text)
    # A schema made from text knows its scalars by name only; this says what they are.
    vars(schema.type_map["LongString"])["serialize"] = str
    return schema


def resolve(source: Any, info: GraphQLResolveInfo) -> Any:
    """A field's value in `source`, a JSON object of MLflow's; what is absent there is protobuf's default."""
    kind = info.return_type.of_type if isinstance(info.return_type, GraphQLNonNull) else info.return_type
    name = _LATER_WORD.sub(r"_\1", info.field_name).lower()
    if name in source:
        value = source[name]
        return _NOT_FINITE[value] if kind is GraphQLFloat and isinstance(value, str) else value
    return None if name == "api_error" else _default(kind)


def _default(kind: Any) -> Any:
    if isinstance(kind, GraphQLList):
        return []
    if isinstance(kind, GraphQLObjectType):
        return {}
    if kind is GraphQLString:
        return ""
    return 0 if isinstance(kind, GraphQLNamedType) and kind.name == "LongString" else None
