"""A page of runs as one statement: ways to find it, each of which is taken when those before fell short."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tracklog_projector.search.arguments import Arguments
from tracklog_projector.search.candidates import Candidates, Findable
from tracklog_projector.search.glance import Glance
from tracklog_projector.search.keyset import Value
from tracklog_projector.search.run_filter import Scope, lacking
from tracklog_projector.search.run_order import OrderedBy, Walk, order_joins
from tracklog_projector.search.select import Branch, select, select_in_turn

_CANDIDATES = "candidate c join run r on r.partition = c.partition and r.run_id = c.run_id"


@dataclass
class RunPage:
    """The page of `limit` runs of one scope, under composition.

    `gates`: conditions, known before a row is read, under which the ways added next are taken.
    """

    scope: Scope
    limit: int
    arguments: Arguments
    tables: list[str] = field(default_factory=list)
    selects: list[str] = field(default_factory=list)
    gates: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rows = self.arguments.bind(self.limit, "bigint")
        self._glance: Glance | None = None
        self._glanced_at: Walk | None = None

    def glance(self, walk: Walk, tests: Sequence[str]) -> None:
        """First test the first runs of a walk, if an index makes that cheap; without tests it is the page.

        Where many share the value that comes first, those are tested before, by themselves.
        """
        if walk.tied is not None:
            ties, tied = walk.tied
            self.tables += ties.tables()
            glance = self._glance_at("tied", tied, [ties.test(), *tests])
            self.selects.append(glance.rows([glance.is_enough]))
            self.gates.append(f"not {glance.is_enough}")
        if walk.indexed and (tests or walk.without):
            self._glance, self._glanced_at = self._glance_at("glance", walk, tests), walk
            self.selects.append(self._glance.rows([*self.gates, self._glance.is_enough]))
            self.gates.append(f"not {self._glance.is_enough}")

    def look_up(
        self,
        ordered: Sequence[OrderedBy],
        findable: Sequence[Findable],
        about_leading: Sequence[str],
        tests: Sequence[str],
        after: Sequence[Value] | None,
    ) -> list[str]:
        """Then find the runs by index, and look them up if they are few; the tests of the walks to come."""
        candidates = Candidates(findable, self._glance.worth if self._glance else None)
        self.tables += candidates.tables()
        tests = [*tests, *candidates.tests()]
        few = Branch(
            _CANDIDATES + order_joins(ordered, self.arguments, start=0),
            (candidates.are_few, *self.scope.conditions, *about_leading),
            tuple(by.key for by in ordered),
        )
        self._select(Walk(few, after), tests)
        self.gates.append(candidates.are_many)
        return [candidates.walk_test(), *tests]

    def walk(self, walk: Walk, tests: Sequence[str]) -> None:
        """Then go through all runs of a walk."""
        if walk.without is not None:
            self._walk_absent(walk, walk.without, tests)
            return
        self._select(walk, tests)

    def _walk_absent(self, walk: Walk, rows: str, tests: Sequence[str]) -> None:
        """Where many runs lack the key the first of them do; otherwise it is quicker to find all that do."""
        gates = []
        if walk is not self._glanced_at:
            tail = self._glance_at("tail", walk, tests)
            self.selects.append(tail.rows([*self.gates, tail.is_enough]))
            gates.append(f"not {tail.is_enough}")
        self.tables.append(f"absent as materialized ({lacking(rows, self.scope)})")
        is_absent = "(r.partition, r.run_id) in (select partition, run_id from absent)"
        self._select(walk, [*gates, is_absent, *tests])

    def _glance_at(self, name: str, walk: Walk, tests: Sequence[str]) -> Glance:
        tests = [*([f"not exists ({walk.without} offset 0)"] if walk.without else []), *tests]
        glance = Glance(name, walk.branch, tuple(tests))
        self.tables += glance.tables(walk.after, self.limit, self._rows, self.arguments)
        return glance

    def _select(self, walk: Walk, tests: Sequence[str]) -> None:
        conditions = (*self.gates, *walk.branch.conditions, *tests)
        branch = replace(walk.branch, conditions=conditions)
        self.selects.append(select(branch, walk.after, self._rows, self.arguments))

    def sql(self) -> str:
        """The statement."""
        with_tables = f"with {', '.join(self.tables)} " if self.tables else ""
        return f"{with_tables}{select_in_turn(self.selects, self._rows)}"
