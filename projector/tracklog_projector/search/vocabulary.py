"""What the names and values in a filter or an order may be, and MLflow's words for those that may not."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NoReturn

from tracklog_contract.errors import INVALID, Rejected
from tracklog_projector.search.grammar import check_text
from tracklog_projector.search.tree import Comparison, Items, Number, Operand, Quoted, Word

METRIC: Final = "metric"
PARAM: Final = "parameter"
TAG: Final = "tag"
ATTRIBUTE: Final = "attribute"
DATASET: Final = "dataset"

NULL_TESTS: Final = ("IS NULL", "IS NOT NULL")
NUMERIC_COMPARATORS: Final = ("=", "!=", ">", ">=", "<", "<=")
TEXT_COMPARATORS: Final = ("=", "!=", "LIKE", "ILIKE")
LIST_COMPARATORS: Final = ("IN", "NOT IN")
DATASET_KEYS: Final = ("name", "digest", "context")

_PART: Final = r'(?:[\w$]+|`[^`]*`|"[^"]*")'
_ORDER: Final = re.compile(rf"\s*({_PART}(?:\.{_PART})*)(?:\s+(\w+))?\s*")


@dataclass(frozen=True)
class Vocabulary:
    """The names one kind of search knows.

    `entities` maps every spelling of an entity to its own word. `listable`: the text attributes that compare
    with a list. `null_tests`: the entities that IS [NOT] NULL asks about.
    """

    entities: Mapping[str, str]
    entities_hint: str
    attributes: tuple[str, ...]
    order_attributes: tuple[str, ...]
    numeric: frozenset[str]
    listable: frozenset[str]
    null_tests: frozenset[str]
    null_tests_hint: str


@dataclass(frozen=True)
class Name:
    """A resolved name: which entity, and which key of it."""

    entity: str
    key: str


@dataclass(frozen=True)
class Condition:
    """A comparison whose parts fit together.

    `value`: float for a metric, Decimal for a numeric attribute, text or several texts for the rest, None for
    IS [NOT] NULL.
    """

    name: Name
    comparator: str
    value: float | Decimal | str | tuple[str, ...] | None


def condition(comparison: Comparison, vocabulary: Vocabulary) -> Condition:
    """The comparison as a condition.

    Raises: Rejected, when a name is unknown or the value or comparator does not suit it.
    """
    left, comparator, right = comparison.left, comparison.comparator, comparison.right
    if not (isinstance(left, Word) or (isinstance(left, Quoted) and left.double)):
        _reject(f"Invalid comparison clause. Expected 'Identifier' found '{left.raw}'")
    name = named(left.raw, vocabulary, vocabulary.attributes)
    if right is None:
        if name.entity not in vocabulary.null_tests:
            _reject(
                vocabulary.null_tests_hint.format(entity=name.entity, key=name.key, comparator=comparator)
            )
        return Condition(name, comparator, None)
    value = _value(name, right, vocabulary)
    _check_comparator(name, comparator, value, vocabulary)
    return Condition(name, comparator, value)


def order(text: str, vocabulary: Vocabulary) -> tuple[Name, bool]:
    """The name in an order_by entry such as `metrics.acc DESC`, and whether it descends.

    Raises: Rejected, when it cannot be read or the name is unknown.
    """
    check_text(text, "order_by clause")
    found = _ORDER.fullmatch(text)
    if found is None:
        _reject(f"Invalid order_by clause '{text}'. Could not be parsed.")
    identifier, direction = found.groups()
    if direction is not None and direction.upper() not in ("ASC", "DESC"):
        _reject(f"Invalid ordering key in order_by clause '{text}'.")
    name = named(identifier, vocabulary, vocabulary.order_attributes)
    return name, direction is not None and direction.upper() == "DESC"


def named(raw: str, vocabulary: Vocabulary, attributes: tuple[str, ...]) -> Name:
    """The name that `raw` spells, with its quotes and backticks.

    Raises: Rejected, when it is unknown.
    """
    before, dot, after = raw.partition(".")
    if not dot:
        entity, key = ATTRIBUTE, bare(raw)
    else:
        spelling, key = bare(before, "`"), bare(after)
        if spelling not in vocabulary.entities:
            _reject(f"Invalid entity type '{spelling}'. {vocabulary.entities_hint}")
        entity = vocabulary.entities[spelling]
    if entity == ATTRIBUTE and key not in attributes:
        _reject(f"Invalid attribute key '{key}' specified. Valid keys are '{_listed(attributes)}'")
    if entity == DATASET and key not in DATASET_KEYS:
        _reject(f"Invalid dataset key '{key}' specified. Valid keys are '{_listed(DATASET_KEYS)}'")
    return Name(entity, key)


def bare(text: str, quotes: str = "'\"`") -> str:
    """The text without the quotes around it."""
    if len(text) >= 2 and text[0] == text[-1] and text[0] in quotes:
        return text[1:-1]
    return text


def _value(name: Name, operand: Operand, vocabulary: Vocabulary) -> float | Decimal | str | tuple[str, ...]:
    if name.entity == METRIC:
        if not isinstance(operand, Number):
            _reject(f"Expected numeric value type for metric. Found {operand.raw}")
        return float(operand.raw)
    if name.entity == ATTRIBUTE and name.key in vocabulary.numeric:
        if not isinstance(operand, Number):
            _reject(f"Expected numeric value type for numeric attribute: {name.key}. Found {operand.raw}")
        return operand.exact
    if isinstance(operand, Quoted):
        return operand.text
    if isinstance(operand, Word):
        _reject(
            "Parameter value is either not quoted or unidentified quote types used for string value "
            f"{operand.raw}. Use either single or double quotes."
        )
    return _texts(name, operand, vocabulary)


def _texts(name: Name, operand: Number | Items, vocabulary: Vocabulary) -> tuple[str, ...]:
    if name.entity in (PARAM, TAG):
        _reject(
            f"Expected a quoted string value for {name.entity} (e.g. 'my-value'). Got value {operand.raw}"
        )
    if isinstance(operand, Number):
        kind = "dataset attributes" if name.entity == DATASET else "attributes"
        _reject(f"Expected a quoted string value for {kind}. Got value {operand.raw}")
    if name.entity == ATTRIBUTE and name.key not in vocabulary.listable:
        _reject(
            f"Only {sorted(vocabulary.listable)} attributes support comparison with a list of quoted "
            "string values."
        )
    texts = tuple(item.text for item in operand.items if isinstance(item, Quoted))
    if not operand.items:
        _reject(
            "While parsing a list in the query, expected a non-empty list of string values, "
            "but got empty list"
        )
    if len(texts) != len(operand.items):
        _reject(
            "While parsing a list in the query, expected string value, punctuation, or whitespace, "
            f"but got different type in list: {operand.raw}"
        )
    return texts


def _check_comparator(
    name: Name, comparator: str, value: float | Decimal | str | tuple[str, ...], vocabulary: Vocabulary
) -> None:
    if isinstance(value, float | Decimal):
        allowed: tuple[str, ...] = NUMERIC_COMPARATORS
    elif isinstance(value, tuple):
        allowed = LIST_COMPARATORS
    elif name.entity in vocabulary.null_tests:
        allowed = (*TEXT_COMPARATORS, *NULL_TESTS)
    else:
        allowed = TEXT_COMPARATORS
    if comparator not in allowed:
        _reject(f"Invalid comparator '{comparator}' not one of '{_listed(allowed)}'")


def _listed(words: tuple[str, ...]) -> str:
    return "{" + ", ".join(f"'{word}'" for word in words) + "}"


def _reject(message: str) -> NoReturn:
    raise Rejected(INVALID, message)
