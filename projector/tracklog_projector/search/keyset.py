"""Sort keys: the order they make, and the rows that come after a given one in it."""

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from tracklog_contract.limits import INT64_MAX, INT64_MIN
from tracklog_projector.search.arguments import Arguments
from tracklog_projector.search.matching import INDEXED_CHARS

Kind: TypeAlias = Literal["bigint", "float8", "text", "uuid"]
Value: TypeAlias = int | float | str | uuid.UUID | None

_NAN: Final = "'NaN'::float8"


@dataclass(frozen=True)
class SortKey:
    """One column that rows are sorted by.

    Missing values (NULL) come last in both directions, and NaN just before them.
    `constant`: every row at hand has the same value, so that it neither orders nor is compared.
    `start`: an indexed column that holds the first INDEXED_CHARS characters of the text.
    """

    column: str
    sql: str
    kind: Kind
    descending: bool = False
    nullable: bool = False
    may_be_nan: bool = False
    constant: bool = False
    start: str | None = None

    def towards(self, *, descending: bool) -> "SortKey":
        """The key in one of its two directions."""
        return replace(self, descending=descending)

    def of(self, alias: str) -> "SortKey":
        """The key as read from the output of a subquery."""
        return replace(self, sql=f"{alias}.{self.column}", constant=False, start=None)

    def ordering(self) -> list[str]:
        """The items of ORDER BY that it takes."""
        if self.constant:
            return []
        direction = " desc" if self.descending else ""
        nulls = " nulls last" if self.nullable else ""
        items = [f"{self.start}{direction}"] if self.start else []
        if self.may_be_nan and self.descending:
            items.append(f"{self.sql} = {_NAN}")
        return [*items, f"{self.sql}{direction}{nulls}"]

    def after(self, value: Value, arguments: Arguments) -> str:
        """Whether a row's key comes strictly after `value`."""
        if value is None:
            return "false"
        later = [f"{self.sql} is null"] if self.nullable else []
        if not _is_nan(value):
            later.insert(
                0, f"{self.sql} {'<' if self.descending else '>'} {arguments.bind(value, self.kind)}"
            )
            if self.may_be_nan and self.descending:
                later.append(f"{self.sql} = {_NAN}")
        return _any_of(later)

    def same(self, value: Value, arguments: Arguments) -> str:
        """Whether a row's key is `value`."""
        if value is None:
            return f"{self.sql} is null"
        return f"{self.sql} = {arguments.bind(value, self.kind)}"

    def bound(self, value: Value, arguments: Arguments) -> str | None:
        """A plain range of `value` and all later ones, for an index to start at; None if there is none."""
        if self.nullable or (self.may_be_nan and self.descending):
            return None
        at = arguments.bind(value, self.kind)
        column, at = (self.start, f"left({at}, {INDEXED_CHARS})") if self.start else (self.sql, at)
        return f"{column} {'<=' if self.descending else '>='} {at}"

    def differs(self, value: Value, arguments: Arguments) -> str:
        """Whether a row's key, or the start of it, is not that of `value`."""
        at = arguments.bind(value, self.kind)
        return f"{self.start} <> left({at}, {INDEXED_CHARS})" if self.start else f"{self.sql} <> {at}"

    def holds(self, value: Any) -> bool:
        """Whether `value`, out of a page token, can be one of this key's."""
        if value is None:
            return self.nullable
        if self.kind == "bigint":
            return type(value) is int and INT64_MIN <= value <= INT64_MAX
        if self.kind == "float8":
            return type(value) is float and (self.may_be_nan or not math.isnan(value))
        return isinstance(value, uuid.UUID if self.kind == "uuid" else str)


def order_by(keys: Sequence[SortKey]) -> str:
    """The ORDER BY list of `keys`."""
    return ", ".join(item for key in keys for item in key.ordering())


def rows_after(keys: Sequence[SortKey], values: Sequence[Value], arguments: Arguments) -> str:
    """Whether a row comes after the one with these key values, in the order of `keys`."""
    compared = [(key, value) for key, value in zip(keys, values, strict=True) if not key.constant]
    leading, leading_value = compared[0]
    bound = leading.bound(leading_value, arguments)
    if bound is None:
        return _after(compared, arguments)
    # Given the bound this says all, and it does not look to the planner as if it let only some rows through.
    later = leading.differs(leading_value, arguments)
    if leading.start or len(compared) == 1:
        return f"{bound} and ({later} or {_after(compared, arguments)})"
    return f"{bound} and ({later} or {_after(compared[1:], arguments)})"


def _after(compared: Sequence[tuple[SortKey, Value]], arguments: Arguments) -> str:
    key, value = compared[0]
    later = key.after(value, arguments)
    if len(compared) == 1:
        return later
    same = key.same(value, arguments)
    return f"({later} or ({same} and {_after(compared[1:], arguments)}))"


def _any_of(terms: list[str]) -> str:
    return f"({' or '.join(terms)})" if terms else "false"


def _is_nan(value: Value) -> bool:
    return isinstance(value, float) and math.isnan(value)
