"""Sets of runs that a filter's comparisons find by index, and what to do with them, decided by their sizes.

How many runs meet `params.p = 'x'` decides how a page is found best, and only the database knows. So the
statement finds out: it reads the runs of each such comparison, up to a bound. What meets all the sets that
are complete are the candidates. When they are few, they are looked up and sorted; otherwise the runs are
walked through in order until the page is full, testing against the candidates, and against what had too many
matches to be a set. The planner's estimates decide nothing here: they are wrong just when two keys of a run
depend on each other.
"""

# ruff: noqa: S608  # composes statements of its own words only; every value is bound (arguments.py)

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

# Where nothing tells how far a walk would go: a longer set costs more to read than it spares, and more
# candidates cost more to look up than a hundred thousand runs to test.
SET_MAX: Final = 20_000
FEW_MAX: Final = 5_000
# All runs that have a key are read only where a walk would test so many.
READ_ALL_FROM: Final = 20_000
# Each set is work before the first row; the comparisons after these are only tested.
SETS_MAX: Final = 8


@dataclass(frozen=True)
class Findable:
    """Comparisons that an index can find the runs of.

    `runs`: selects of (partition, run_id), none of which has a run twice; what any of them has is meant.
    `test`: whether run `r` is one of these. `reads_all`: all runs that have the key are read to find these.
    """

    runs: tuple[str, ...]
    test: str
    reads_all: bool = False

    def first(self, limit: str) -> str:
        """A select of `limit` of the runs, or of all when they are no more."""
        # A part that is cut off has `limit` runs, and so has the union then.
        return " union ".join(f"({select} limit {limit})" for select in self.runs)


@dataclass(frozen=True)
class Candidates:
    """The common table expressions of a filter's sets, and the conditions that use them.

    `worth`: as SQL, how many runs may be read as a set, and be looked up; None where nothing tells.
    """

    findable: Sequence[Findable]
    worth: str | None

    # Conditions of a whole branch of the statement, known before it reads a row.
    are_few: ClassVar[str] = "(select few from sizes)"
    are_many: ClassVar[str] = "not (select few from sizes)"

    def tables(self) -> list[str]:
        """The WITH list: set_1 …, which of them are complete, the candidates, and their sizes."""
        set_max, few_max = self.worth or SET_MAX, self.worth or FEW_MAX
        numbers = range(1, len(self.findable) + 1)
        names = [f"set_{number}" for number in numbers]
        sets, sizes = [], []
        for name, found in zip(names, self.findable, strict=True):
            runs, size = found.first(f"{set_max} + 1"), f"(select count(*) from {name}) <= {set_max}"
            if found.reads_all:
                gate = f"{set_max} >= {READ_ALL_FROM}"
                runs, size = f"select * from ({runs}) as all_read where {gate}", f"{gate} and {size}"
            sets.append(f"{name} as materialized ({runs})")
            sizes.append(f"{size} as {name}")
        complete = f"complete as materialized (select {', '.join(sizes)})"
        parts = " union all ".join(
            f"select partition, run_id from {name} where (select {name} from complete)" for name in names
        )
        how_many = " + ".join(f"{name}::integer" for name in names)
        candidate = (
            f"candidate as materialized (select partition, run_id from ({parts}) as of_set"
            f" group by partition, run_id having count(*) = (select {how_many} from complete))"
        )
        known = f"({' or '.join(names)})"
        few = f"{known} and (select count(*) from candidate) <= {few_max}"
        decision = f"sizes as materialized (select {known} as known, {few} as few from complete)"
        return [*sets, complete, candidate, decision]

    def tests(self) -> list[str]:
        """That run `r` meets what no complete set says."""
        return [
            f"((select set_{number} from complete) or {found.test})"
            for number, found in enumerate(self.findable, start=1)
        ]

    def walk_test(self) -> str:
        """That run `r` is a candidate, if there are any sets to say so."""
        return "(not (select known from sizes) or r.run_id in (select run_id from candidate))"
