"""A glance at the first runs in a search's order: often enough for the page, and else a hint how to go on.

Most filters let through more than a few runs of a hundred, and then a page is found among the first thousand.
Only when it is not, something else is worth its cost; and how few were found tells how far a walk would go,
and so how much may be spent instead of it.
"""

# ruff: noqa: S608  # composes statements of its own words only; every value is bound (arguments.py)

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from tracklog_projector.search.arguments import Arguments
from tracklog_projector.search.keyset import SortKey, Value, order_by
from tracklog_projector.search.select import Branch, select

# So many runs are looked at, or more where a page is long.
RUNS_MIN: Final = 1_000
RUNS_PER_ROW: Final = 4
# Looking up so many runs takes some tens of milliseconds, and reading so long a set about as much.
WORTH_MIN: Final = 5_000
WORTH_MAX: Final = 200_000


@dataclass(frozen=True)
class Glance:
    """The common table expressions `name` and `name_found` of a glance, and the conditions that use them.

    `branch`: what an index reads in order; its keys are then columns of `r`. `tests`: conditions on run `r`.
    """

    name: str
    branch: Branch
    tests: tuple[str, ...]

    def tables(self, after: Sequence[Value] | None, limit: int, rows: str, arguments: Arguments) -> list[str]:
        """The WITH list, for a page that starts after the row with the key values `after`.

        `rows`: the placeholder of `limit`, which is how many rows the page has.
        """
        most = arguments.bind(max(RUNS_MIN, RUNS_PER_ROW * limit), "bigint")
        starts = [f"{key.start} as {key.column}_start" for key in self.branch.keys if key.start]
        first = select(self.branch, after, most, arguments, more=", ".join(["r.*", *starts]))
        keys = [_as_read(key) for key in self.branch.keys]
        columns = ", ".join(f"{key.sql} as {key.column}" for key in keys)
        tested = (
            f"select {columns} from ({first}) as r where {' and '.join(self.tests)}"
            f" order by {order_by(keys)} limit {rows}"
        )
        worth = f"least({WORTH_MAX}, greatest({WORTH_MIN}, {rows} * {most} / (1 + count(*))))"
        found = f"select count(*) = {rows} as enough, {worth} as worth from {self.name}"
        return [f"{self.name} as materialized ({tested})", f"{self.name}_found as materialized ({found})"]

    def rows(self, conditions: Sequence[str]) -> str:
        """A select of what was found, under conditions."""
        keys = [key.of(self.name) for key in self.branch.keys]
        columns = ", ".join(f"{key.sql} as {key.column}" for key in keys)
        found = f"select {columns} from {self.name} where {' and '.join(conditions)}"
        return f"{found} order by {order_by(keys)}"

    @property
    def is_enough(self) -> str:
        """Whether the page was found."""
        return f"(select enough from {self.name}_found)"

    @property
    def worth(self) -> str:
        """How many runs may be looked up instead of walking on."""
        return f"(select worth from {self.name}_found)"


def _as_read(key: SortKey) -> SortKey:
    """The key on a row read, sorting by exactly what the read sorted by: then no row waits for the others."""
    start = f"r.{key.column}_start" if key.start else None
    return replace(key.of("r"), constant=key.constant, start=start)
