"""What the names and values of a trace search may be (vocabulary.py has those of all others)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final, NoReturn

from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.trace_keys import LINKED_PROMPTS_TAG, SOURCE_RUN, TRACE_NAME_TAG
from tracklog_projector.search.tree import Comparison, Items, Number, Quoted, Word
from tracklog_projector.search.vocabulary import (
    ATTRIBUTE,
    LIST_COMPARATORS,
    NULL_TESTS,
    NUMERIC_COMPARATORS,
    TAG,
    TEXT_COMPARATORS,
    Name,
    Vocabulary,
    bare,
    named,
)

METADATA: Final = "request_metadata"
SPAN: Final = "span"
FEEDBACK: Final = "feedback"
EXPECTATION: Final = "expectation"
ISSUE: Final = "issue"
ASSESSMENTS: Final = (FEEDBACK, EXPECTATION)
SPAN_ATTRIBUTE: Final = "attributes."
CONTENT: Final = "content"
REGEX_CHARS_MAX: Final = 1000

# The numbers of a trace, under each of their names.
NUMBERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        name + unit: sql
        for name, sql in {
            "timestamp": "t.timestamp_ms",
            "execution_time": "t.duration_ms",
            "end_time": "(t.timestamp_ms + coalesce(t.duration_ms, 0))",
        }.items()
        for unit in ("", "_ms")
    }
)
TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {"request_id": "t.trace_id", "status": "t.state", "client_request_id": "t.client_request_id"}
)
# Names of tags, of metadata and of what spans hold, wherever they stand.
_MEANT: Final[Mapping[str, Name]] = MappingProxyType(
    {
        "name": Name(TAG, TRACE_NAME_TAG),
        "prompt": Name(TAG, LINKED_PROMPTS_TAG),
        "run_id": Name(METADATA, SOURCE_RUN),
        "text": Name(SPAN, CONTENT),
    }
)
_OTHERS: Final = ("name", "run_id")

TRACES: Final = Vocabulary(
    entities={
        **dict.fromkeys(("attribute", "attributes", "trace"), ATTRIBUTE),
        **dict.fromkeys(("tag", "tags"), TAG),
        **dict.fromkeys(("metadata", "request_metadata"), METADATA),
        **{name: name for name in (SPAN, FEEDBACK, EXPECTATION, ISSUE)},
    },
    entities_hint="Valid values are {'tag', 'tags', 'attribute', 'attributes', 'trace', 'metadata', "
    "'request_metadata', 'span', 'feedback', 'expectation', 'issue'}",
    attributes=(*TEXTS, *NUMBERS, *_MEANT),
    order_attributes=("experiment_id", "request_id", "status", *NUMBERS, *_OTHERS),
    numeric=frozenset(NUMBERS),
    listable=frozenset(TEXTS),
    null_tests=frozenset({TAG, METADATA, *ASSESSMENTS}),
    null_tests_hint="Invalid comparison: {key} {comparator}. Expected a comparison with 3 tokens.",
)
_TEXT: Final = (*TEXT_COMPARATORS, "RLIKE")
_ORDERED: Final = (">", ">=", "<", "<=")


@dataclass(frozen=True)
class TraceCondition:
    """A comparison whose parts fit together: `value` is a Decimal for numbers, None for IS [NOT] NULL."""

    name: Name
    comparator: str
    value: Decimal | str | tuple[str, ...] | None


def trace_condition(comparison: Comparison) -> TraceCondition:
    """The comparison as a condition.

    Raises: Rejected, when a name is unknown or the value or comparator does not suit it.
    """
    left, comparator = comparison.left, comparison.comparator
    if not (isinstance(left, Word) or (isinstance(left, Quoted) and left.double)):
        _reject(f"Invalid comparison clause. Expected 'Identifier' found '{left.raw}'")
    name = trace_name(named(left.raw, TRACES, TRACES.attributes))
    _check_key(name)
    _check_comparator(name, comparator)
    value = None if comparison.right is None else _value(name, comparator, comparison)
    if name == _MEANT["prompt"]:
        _check_prompt(comparator, value)
    if comparator == "RLIKE":
        _check_regex(value)
    return TraceCondition(name, comparator, value)


def trace_name(name: Name) -> Name:
    """What a name means: MLflow's `name` and `run_id` are a tag and metadata, wherever they stand."""
    if name.entity in (ATTRIBUTE, TAG, METADATA):
        return _MEANT.get(name.key.lower(), name)
    if name.entity == SPAN and name.key.startswith(SPAN_ATTRIBUTE):
        return Name(SPAN, SPAN_ATTRIBUTE + bare(name.key.removeprefix(SPAN_ATTRIBUTE)))
    return name


def _check_key(name: Name) -> None:
    if name.entity == SPAN and name.key not in ("name", "type", "status", CONTENT):
        if not name.key.startswith(SPAN_ATTRIBUTE):
            _reject(
                f"Invalid span attribute '{name.key}'. Supported attributes: name, status, type, "
                "attributes.<attribute_name>."
            )
        if name.key == SPAN_ATTRIBUTE:
            _reject("Span attribute name cannot be empty after 'attributes.'")
    if name.entity == ISSUE and name.key != "id":
        _reject(f"Invalid issue attribute '{name.key}'. Supported attributes: id")
    if not name.key:
        _reject("A name cannot be empty.")


def _allowed(name: Name) -> tuple[str, ...]:
    if name.entity == ATTRIBUTE:
        return NUMERIC_COMPARATORS if name.key in NUMBERS else (*_TEXT, *LIST_COMPARATORS)
    if name.entity == SPAN:
        if name.key == CONTENT:
            return ("LIKE", "ILIKE")
        return _TEXT if name.key.startswith(SPAN_ATTRIBUTE) else (*_TEXT, *LIST_COMPARATORS)
    if name.entity == ISSUE:
        return ("=",)
    ordered = _ORDERED if name.entity in ASSESSMENTS else ()
    return (*_TEXT, *ordered, *NULL_TESTS)


def _check_comparator(name: Name, comparator: str) -> None:
    allowed = _allowed(name)
    if comparator not in allowed:
        listed = ", ".join(f"'{word}'" for word in allowed)
        _reject(f"Invalid comparator '{comparator}' not one of '{{{listed}}}'")


def _value(name: Name, comparator: str, comparison: Comparison) -> Decimal | str | tuple[str, ...]:
    operand = comparison.right
    numeric = comparator in _ORDERED if name.entity in ASSESSMENTS else name.key in NUMBERS
    if name.entity in (ATTRIBUTE, *ASSESSMENTS) and numeric:
        if not isinstance(operand, Number):
            _reject(f"Expected a numeric value for {name.entity}.{name.key}. Got value {comparison.left.raw}")
        return operand.exact
    if comparator in LIST_COMPARATORS:
        texts = (
            tuple(item.text for item in operand.items if isinstance(item, Quoted))
            if isinstance(operand, Items)
            else ()
        )
        if not isinstance(operand, Items) or not texts or len(texts) != len(operand.items):
            _reject("While parsing a list in the query, expected a non-empty list of string values.")
        return texts
    if not isinstance(operand, Quoted):
        _reject(f"Expected a quoted string value for {name.entity} (e.g. 'my-value'). Got another value.")
    return operand.text


def _check_prompt(comparator: str, value: Decimal | str | tuple[str, ...] | None) -> None:
    if comparator != "=":
        _reject(
            f"Invalid comparator '{comparator}' for prompts filter. Only '=' is supported with format: "
            'prompt = "name/version"'
        )
    if not isinstance(value, str) or value.count("/") != 1:
        _reject(f"Invalid prompts filter value '{value}'. Expected format: prompt = \"name/version\"")


def _check_regex(value: Decimal | str | tuple[str, ...] | None) -> None:
    assert isinstance(value, str)
    if len(value) > REGEX_CHARS_MAX:
        _reject(f"A regular expression can have at most {REGEX_CHARS_MAX} characters.")
    # What refers back to a match makes matching take exponential time; a leading *** would choose a dialect.
    if re.search(r"\\[1-9]", value) or value.startswith("***"):
        _reject("A regular expression cannot refer back to what it matched.")
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        _reject(f"Invalid regular expression: {error}")


def _reject(message: str) -> NoReturn:
    raise Rejected(INVALID, message)
