"""One value compared with a literal, as SQL: text, whole numbers, and metrics with their NaN."""

import math
import re
from decimal import Decimal
from typing import Final

from tracklog_contract.limits import INT64_MAX, INT64_MIN
from tracklog_projector.search.arguments import Arguments

# What the column `start` holds of each value (views.sql).
INDEXED_CHARS: Final = 128

_SQL_COMPARATORS: Final = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def text_matches(expression: str, comparator: str, value: str | tuple[str, ...], arguments: Arguments) -> str:
    """Whether a text compares so; LIKE has `%` and `_` and no escape character."""
    if isinstance(value, tuple):
        listed = arguments.bind(list(value), "text[]")
        return f"{expression} = any({listed})" if comparator == "IN" else f"{expression} <> all({listed})"
    if comparator in ("LIKE", "ILIKE"):
        pattern = arguments.bind(_pattern(value), "text")
        if comparator == "LIKE":
            return f"{expression} like {pattern}"
        # The columns are collated "C", which knows upper and lower case of ASCII only. (And not ILIKE, which
        # would fold the pattern anew for each row.)
        return f'lower({expression} collate "default") like lower({pattern} collate "default")'
    return f"{expression} {_SQL_COMPARATORS[comparator]} {arguments.bind(value, 'text')}"


def indexed_text_matches(row: str, comparator: str, value: str, arguments: Arguments) -> str:
    """As `text_matches`, of a row's `value`, with what lets the index on its `start` find it."""
    start = f"{row}.start"
    if comparator == "=" and len(value) < INDEXED_CHARS:
        # This says it all; saying it twice would make the planner expect fewer rows than there are.
        return f"{start} = {arguments.bind(value, 'text')}"
    exact = text_matches(f"{row}.value", comparator, value, arguments)
    if comparator == "=":
        return f"{start} = {arguments.bind(value[:INDEXED_CHARS], 'text')} and {exact}"
    prefix = _prefix(value)[:INDEXED_CHARS] if comparator == "LIKE" else ""
    if not prefix:
        return exact
    return f"{start} like {arguments.bind(_pattern(prefix) + '%', 'text')} and {exact}"


def has_prefix(pattern: str) -> bool:
    """Whether all that match a LIKE pattern begin alike, so that an index finds them."""
    return bool(_prefix(pattern))


def metric_matches(expression: str, comparator: str, value: float, arguments: Arguments) -> str:
    """Whether a metric compares so; NaN differs from every number and is not above or below any."""
    matches = f"{expression} {_SQL_COMPARATORS[comparator]} {arguments.bind(value, 'float8')}"
    # PostgreSQL sorts NaN above infinity.
    return f"{matches} and {expression} < 'NaN'::float8" if comparator in (">", ">=") else matches


def integer_matches(expression: str, comparator: str, value: Decimal, arguments: Arguments) -> str:
    """Whether an int64 compares so with a number of any size or fraction, exactly."""
    if not INT64_MIN <= value <= INT64_MAX:
        return _beyond_int64(expression, comparator, above=value > 0)
    whole = math.floor(value)
    if whole == value:
        return f"{expression} {_SQL_COMPARATORS[comparator]} {arguments.bind(whole, 'bigint')}"
    if comparator in ("=", "!="):
        return _never(expression) if comparator == "=" else _always(expression)
    # Between two integers: `< 1.5` and `<= 1.5` are `<= 1`, `> 1.5` and `>= 1.5` are `> 1`.
    return f"{expression} {'<=' if comparator[0] == '<' else '>'} {arguments.bind(whole, 'bigint')}"


def _beyond_int64(expression: str, comparator: str, *, above: bool) -> str:
    holds = comparator == "!=" or comparator[0] == ("<" if above else ">")
    return _always(expression) if holds else _never(expression)


def _always(expression: str) -> str:
    return f"{expression} is not null"


def _never(expression: str) -> str:
    return f"({expression} is null and {expression} is not null)"


def _pattern(value: str) -> str:
    # The backslash is PostgreSQL's default escape character: doubled, it is itself.
    return value.replace("\\", "\\\\")


def _prefix(pattern: str) -> str:
    """What every match of a LIKE pattern starts with."""
    return re.split("[%_]", pattern, maxsplit=1)[0]
