"""How runs are sorted: the keys of an order_by, and the branches that give the rows in that order.

A metric, param or tag that leads an order is read in index order from its own table; the runs that have none
come after them, as a branch of their own that only the last pages reach.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from tracklog_contract.errors import INVALID, Rejected
from tracklog_projector.search.arguments import Arguments
from tracklog_projector.search.keyset import Kind, SortKey, Value
from tracklog_projector.search.run_filter import (
    KEYED_TABLES,
    RUNS,
    TEXT_COLUMNS,
    TIME_COLUMNS,
    Scope,
    attribute,
    value_matches,
)
from tracklog_projector.search.select import Branch
from tracklog_projector.search.ties import TEXT_COLUMN, Ties
from tracklog_projector.search.vocabulary import ATTRIBUTE, DATASET, METRIC, Condition, Name, order

ORDER_KEYS_MAX: Final = 20

# The classes a leading metric, param or tag puts runs in, in the order they are listed.
_PRESENT, _NAN, _MISSING = range(3)


@dataclass(frozen=True)
class OrderedBy:
    """One sort key of runs: a name, and its key as it is in general (maybe missing, maybe NaN)."""

    name: Name
    key: SortKey

    @property
    def keyed(self) -> bool:
        """Whether it is a metric, param or tag, which has a table of its own."""
        return self.name.entity != ATTRIBUTE


def run_order(entries: Sequence[str]) -> tuple[OrderedBy, ...]:
    """The keys of an order_by, and the ones that decide between equals: latest start first, then the run id.

    Raises: Rejected, for an unknown name, a name given twice, or more than ORDER_KEYS_MAX entries.
    """
    if len(entries) > ORDER_KEYS_MAX:
        raise Rejected(INVALID, f"`order_by` may hold at most {ORDER_KEYS_MAX} fields.")
    named: dict[Name, bool] = {}
    for entry in entries:
        name, descending = order(entry, RUNS)
        if name.entity == DATASET:
            raise Rejected(INVALID, f"Invalid identifier type '{name.entity}'")
        name = Name(name.entity, attribute(name.key)) if name.entity == ATTRIBUTE else name
        if name in named:
            raise Rejected(INVALID, f"`order_by` contains duplicate fields: {list(entries)}")
        named[name] = descending
    named.setdefault(Name(ATTRIBUTE, "start_time"), True)
    named.setdefault(Name(ATTRIBUTE, "run_id"), False)
    return tuple(
        OrderedBy(name, _key(number, name, descending=descending))
        for number, (name, descending) in enumerate(named.items())
    )


def _key(number: int, name: Name, *, descending: bool) -> SortKey:
    column = f"key_{number}"
    if name.entity != ATTRIBUTE:
        is_metric = name.entity == METRIC
        kind: Kind = "float8" if is_metric else "text"
        return SortKey(column, f"o{number}.value", kind, descending, nullable=True, may_be_nan=is_metric)
    if name.key == "run_id":
        return SortKey("run_id", "r.run_id", "uuid", descending)
    if name.key in TIME_COLUMNS:
        return SortKey(column, TIME_COLUMNS[name.key], "bigint", descending, nullable=name.key == "end_time")
    return SortKey(column, TEXT_COLUMNS[name.key], "text", descending)


@dataclass(frozen=True)
class Walk:
    """Runs `r` in order: a branch, and the row to start after.

    `indexed`: an index gives the order. `without`: where these are the runs that lack the leading key, a
    select that has no rows for such a run; this is not among the branch's conditions. `tied`: where many runs
    may share the first value, and are sorted by their start then, the walk through these alone.
    """

    branch: Branch
    after: Sequence[Value] | None
    indexed: bool = True
    without: str | None = None
    tied: "tuple[Ties, Walk] | None" = None


def run_walks(
    ordered: Sequence[OrderedBy],
    about_leading: Sequence[Condition],
    scope: Scope,
    after: Sequence[Value] | None,
    arguments: Arguments,
) -> list[Walk]:
    """The walks that lead, one after the other, through the runs of an experiment and stage.

    `about_leading`: conditions that must hold, all on the metric, param or tag that leads the order.
    """
    in_scope = scope.conditions
    keys = tuple(by.key for by in ordered)
    if not ordered[0].keyed:
        branch = Branch(f"run r{order_joins(ordered, arguments, start=1)}", in_scope, keys)
        return [Walk(branch, after, indexed=ordered[0].name.key == "start_time")]
    reached = _PRESENT if after is None else _class_of(after[0])
    leading = _Leading(ordered[0], about_leading, scope.experiment, arguments)
    classes = [number for number in leading.classes() if number >= reached]
    if not classes:
        # The conditions contradict each other: a branch without rows keeps the columns and all arguments.
        source = f"run r{order_joins(ordered, arguments, start=0)}"
        return [Walk(Branch(source, (*in_scope, "false"), keys), None, indexed=False)]
    joins = order_joins(ordered, arguments, start=1)
    walks = [
        leading.walk(number, keys[1:], in_scope, joins, after if number == reached else None)
        for number in classes
    ]
    if classes[0] == _PRESENT and ordered[1].name.key == "start_time" and not ordered[1].keyed:
        tied = leading.tied(keys[1:], in_scope, joins, after)
        walks[0] = replace(walks[0], tied=tied)
    return walks


def order_joins(ordered: Sequence[OrderedBy], arguments: Arguments, *, start: int) -> str:
    """What joins the values of the sort keys, from number `start` on, to a run `r`."""
    return "".join(
        f" left join {KEYED_TABLES[by.name.entity]} o{number} on o{number}.partition = r.partition"
        f" and o{number}.run_id = r.run_id and o{number}.key = {arguments.bind(by.name.key, 'text')}"
        for number, by in enumerate(ordered)
        if by.keyed and number >= start
    )


def _class_of(value: Value) -> int:
    if value is None:
        return _MISSING
    return _NAN if isinstance(value, float) and math.isnan(value) else _PRESENT


@dataclass(frozen=True)
class _Leading:
    by: OrderedBy
    about: Sequence[Condition]
    experiment: str
    arguments: Arguments

    def classes(self) -> list[int]:
        """The classes that can hold a run that meets the conditions on this key."""
        comparators = {condition.comparator for condition in self.about}
        classes = []
        if "IS NULL" not in comparators:
            classes.append(_PRESENT)
            # NaN differs from every number, and compares with none otherwise.
            if self.by.key.may_be_nan and comparators <= {"!="}:
                classes.append(_NAN)
        if comparators <= {"IS NULL"}:
            classes.append(_MISSING)
        return classes

    def walk(
        self,
        number: int,
        rest: Sequence[SortKey],
        in_scope: Sequence[str],
        joins: str,
        after: Sequence[Value] | None,
    ) -> Walk:
        """The walk through one class."""
        table = KEYED_TABLES[self.by.name.entity]
        has_key = f"o0.experiment_id = {self.experiment} and o0.key = {self._bound_key()}"
        same_run = "r.partition = o0.partition and r.run_id = o0.run_id"
        if number == _MISSING:
            rows = f"select from {table} o0 where {same_run} and {has_key}"
            branch = Branch(f"run r{joins}", tuple(in_scope), (self._constant("null"), *rest))
            return Walk(branch, after, without=rows)
        source = f"{table} o0 join run r on {same_run}{joins}"
        if number == _NAN:
            is_nan = "o0.value = 'NaN'::float8"
            return Walk(Branch(source, (*in_scope, has_key, is_nan), (self._constant("'NaN'"), *rest)), after)
        conditions = (*in_scope, has_key, *self._matches("o0"))
        return Walk(Branch(source, conditions, (self._present(), *rest)), after)

    def tied(
        self, rest: Sequence[SortKey], in_scope: Sequence[str], joins: str, after: Sequence[Value] | None
    ) -> tuple[Ties, Walk]:
        """The walk, by what else they are sorted by, through the runs whose value comes first."""
        ties = Ties(
            table=KEYED_TABLES[self.by.name.entity],
            column=TEXT_COLUMN if self.by.key.kind == "text" else "f.value",
            descending=self.by.key.descending,
            having=f"f.experiment_id = {self.experiment} and f.key = {self._bound_key()}",
            value_conditions=self._matches("f") if after is None else (),
            first=None if after is None else self.arguments.bind(after[0], self.by.key.kind),
        )
        conditions = (*in_scope, ties.are_many)
        return ties, Walk(Branch(f"run r{joins}", conditions, (self._constant(ties.value), *rest)), after)

    def _matches(self, row: str) -> list[str]:
        """What must hold of the value of a row, which is there and no NaN."""
        matches = [
            value_matches(row, condition, self.arguments)
            for condition in self.about
            if condition.value is not None
        ]
        return [*matches, f"{row}.value < 'NaN'::float8"] if self.by.key.may_be_nan else matches

    def _bound_key(self) -> str:
        return self.arguments.bind(self.by.name.key, "text")

    def _constant(self, literal: str) -> SortKey:
        return replace(self.by.key, sql=f"{literal}::{self.by.key.kind}", constant=True)

    def _present(self) -> SortKey:
        start = "o0.start" if self.by.key.kind == "text" else None
        return replace(self.by.key, nullable=False, may_be_nan=False, start=start)
