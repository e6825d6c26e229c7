"""Runs that share the value an order begins with: where they are many, their first without sorting them all.

An index on values has the runs of one value in no useful order, so that a page needs all of them sorted. But
there is one of all runs by their start too, where the first few of many runs are soon met.
"""

# ruff: noqa: S608  # composes statements of its own words only; every value is bound (arguments.py)

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from tracklog_projector.search.matching import INDEXED_CHARS

# Fewer are sorted sooner than a glance is taken.
MANY_MIN: Final = 5_000
TEXT_COLUMN: Final = "f.start"


@dataclass(frozen=True)
class Ties:
    """The common table expression `tie`: which value comes first, and whether many rows of a table have it.

    `column`: what an index has of the value, in a row `f`. `having`: that `f` is of the experiment and the
    name in question; `value_conditions`: what must hold of its value. `first`: the value where a page token
    tells it.
    """

    table: str
    column: str
    descending: bool
    having: str
    value_conditions: Sequence[str]
    first: str | None

    value: ClassVar[str] = "(select value from tie)"
    are_many: ClassVar[str] = "(select many from tie)"

    def tables(self) -> list[str]:
        """The WITH list."""
        found = " and ".join([self.having, *self.value_conditions])
        direction = " desc" if self.descending else ""
        in_order = f"select {self.column} from {self.table} f where {found}"
        first = self.first or f"({in_order} order by {self.column}{direction} limit 1)"
        tied = f"select from {self.table} f where {self.having} and {self.column} = tie_value.value"
        many = f"(select count(*) from ({tied} limit {MANY_MIN}) as tied) >= {MANY_MIN}"
        if self.column == TEXT_COLUMN:
            # Only what is shorter than the index has room for is a whole value.
            many = f"length(tie_value.value) < {INDEXED_CHARS} and {many}"
        return [
            f"tie_value as materialized (select {first} as value)",
            f"tie as materialized (select value, {many} as many from tie_value)",
        ]

    def test(self) -> str:
        """That run `r` has the value."""
        has_value = f"{self.having} and {self.column} = {self.value}"
        of_run = "f.partition = r.partition and f.run_id = r.run_id"
        return f"exists (select from {self.table} f where {of_run} and {has_value} offset 0)"
