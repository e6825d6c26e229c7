"""What a run filter may say, and each of its comparisons as SQL on a row `r` of the view `run`."""

# ruff: noqa: S608  # composes statements of its own words only; every value is bound (arguments.py)

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from tracklog_contract.answers import RUN_STATUS
from tracklog_contract.ids import parse_run_id
from tracklog_projector.search.arguments import Arguments
from tracklog_projector.search.candidates import Findable
from tracklog_projector.search.matching import (
    has_prefix,
    indexed_text_matches,
    integer_matches,
    metric_matches,
    text_matches,
)
from tracklog_projector.search.vocabulary import (
    ATTRIBUTE,
    DATASET,
    METRIC,
    PARAM,
    TAG,
    Condition,
    Vocabulary,
)

_STATUS_NAMES: Final = ", ".join(
    f"'{name}'" for name, _ in sorted(RUN_STATUS.items(), key=lambda item: item[1])
)
STATUS_SQL: Final = f'((array[{_STATUS_NAMES}])[r.status] collate "C")'
RUN_ID_TEXT_SQL: Final = "replace(r.run_id::text, '-', '')"
_OF_RUN: Final = "f.partition = r.partition and f.run_id = r.run_id"
CONTEXT_SQL: Final = "(f.tags ->> 'mlflow.data.context')"

# Attribute -> column, for what compares as it is stored.
TEXT_COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {"run_name": "r.name", "user_id": "r.user_id", "artifact_uri": "r.artifact_uri", "status": STATUS_SQL}
)
TIME_COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {"start_time": "r.start_ms", "end_time": "r.end_ms"}
)
KEYED_TABLES: Final[Mapping[str, str]] = MappingProxyType({METRIC: "metric", PARAM: "param", TAG: "tag"})

_ALIASES: Final = {
    "created": "start_time",
    "Created": "start_time",
    "run name": "run_name",
    "Run name": "run_name",
    "Run Name": "run_name",
}

_ORDER_ATTRIBUTES: Final = (
    "run_id", "run_name", "status", "user_id", "artifact_uri", "start_time", "end_time", "created", "Created",
)  # fmt: skip

RUNS: Final = Vocabulary(
    entities={
        **dict.fromkeys(("metric", "metrics"), METRIC),
        **dict.fromkeys(("parameter", "parameters", "param", "params"), PARAM),
        **dict.fromkeys(("tag", "tags"), TAG),
        **dict.fromkeys(("attribute", "attributes", "attr", "run"), ATTRIBUTE),
        **dict.fromkeys(("dataset", "datasets"), DATASET),
    },
    entities_hint="Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']",
    attributes=(*_ORDER_ATTRIBUTES, "run name", "Run name", "Run Name"),
    order_attributes=_ORDER_ATTRIBUTES,
    numeric=frozenset({"start_time", "end_time", "created", "Created"}),
    listable=frozenset({"run_id"}),
    null_tests=frozenset({PARAM, TAG}),
    null_tests_hint="IS NULL / IS NOT NULL is only supported for tags and params, not for '{entity}' '{key}'",
)


@dataclass(frozen=True)
class Scope:
    """One experiment and one stage of its runs' life, as SQL."""

    experiment: str
    deleted: str

    @property
    def conditions(self) -> tuple[str, str]:
        """That run `r` is in it."""
        return f"r.experiment_id = {self.experiment}", f"r.deleted = {self.deleted}"


def attribute(key: str) -> str:
    """An attribute's own name, of one of its spellings."""
    return _ALIASES.get(key, key)


def run_matches(condition: Condition, experiment: str, arguments: Arguments) -> str:
    """Whether run `r` of the experiment meets the condition; never null."""
    if condition.name.entity == ATTRIBUTE:
        return _attribute_matches(condition, arguments)
    table, matches = _rows([condition], experiment, arguments)
    exists = _exists(table, matches)
    return f"not {exists}" if condition.comparator == "IS NULL" else exists


def is_findable(condition: Condition) -> bool:
    """Whether an index finds the runs that meet the condition."""
    if condition.name.entity == ATTRIBUTE:
        return condition.name.key == "run_id" and condition.comparator in ("=", "IN")
    return condition.comparator != "IS NULL"


def findable(conditions: Sequence[Condition], experiment: str, arguments: Arguments) -> Findable:
    """How an index finds the runs that meet the conditions.

    They are findable, and several only of one metric, param or tag: of which a run has one value.
    """
    name = conditions[0].name
    if name.entity == ATTRIBUTE:
        (by_id,) = conditions
        return _findable_by_id(by_id, arguments)
    table, matches = _rows(conditions, experiment, arguments)
    # A run may have several datasets that match.
    select = "select distinct" if name.entity == DATASET else "select"
    return Findable(
        runs=(f"{select} f.partition, f.run_id from {table} f where {matches}",),
        test=_exists(table, matches),
        reads_all=not any(map(_narrows, conditions)),
    )


def _narrows(condition: Condition) -> bool:
    """Whether an index finds the runs without reading all that have the key, or nearly all that are meant."""
    if condition.comparator in ("LIKE", "ILIKE"):
        assert isinstance(condition.value, str)
        return condition.comparator == "LIKE" and has_prefix(condition.value)
    return True


def findable_any(conditions: Sequence[Condition], experiment: str, arguments: Arguments) -> Findable:
    """How an index finds the runs that meet at least one of the conditions, all of them findable."""
    each = [findable([condition], experiment, arguments) for condition in conditions]
    return Findable(
        runs=tuple(select for found in each for select in found.runs),
        test=f"({' or '.join(found.test for found in each)})",
        reads_all=any(found.reads_all for found in each),
    )


def findable_absent(condition: Condition, scope: Scope, arguments: Arguments) -> Findable:
    """How to find the runs that an IS NULL means: by reading all that have the key."""
    table, has_key = _rows([condition], scope.experiment, arguments)
    rows = f"select from {table} f where {_OF_RUN} and {has_key}"
    return Findable(runs=(f"({lacking(rows, scope)})",), test=f"not {_exists(table, has_key)}")


def lacking(rows: str, scope: Scope) -> str:
    """A select of the runs `r` of a scope for which the select `rows` has none.

    Materialized, since a limit outside would make the planner look for the rows of each run in turn.
    """
    absent = f"not exists ({rows})"
    runs = f"select r.partition, r.run_id from run r where {' and '.join([*scope.conditions, absent])}"
    return f"with lacking as materialized ({runs}) select partition, run_id from lacking"


def _exists(table: str, matches: str) -> str:
    # OFFSET keeps the planner from reading all such rows at once: for few runs that would be far too many.
    return f"exists (select from {table} f where {_OF_RUN} and {matches} offset 0)"


def value_matches(row: str, condition: Condition, arguments: Arguments) -> str:
    """Whether a row of a metric, param or tag meets the condition on its value."""
    if isinstance(condition.value, float):
        return metric_matches(f"{row}.value", condition.comparator, condition.value, arguments)
    assert isinstance(condition.value, str)
    return indexed_text_matches(row, condition.comparator, condition.value, arguments)


def _rows(conditions: Sequence[Condition], experiment: str, arguments: Arguments) -> tuple[str, str]:
    """The table of keyed or dataset conditions, and which of its rows `f` meet them (for IS NULL: do not)."""
    name = conditions[0].name
    matches = [f"f.experiment_id = {experiment}"]
    if name.entity == DATASET:
        matches += [_dataset_matches(condition, arguments) for condition in conditions]
        return "run_dataset", " and ".join(matches)
    matches.append(f"f.key = {arguments.bind(name.key, 'text')}")
    matches += [
        value_matches("f", condition, arguments) for condition in conditions if condition.value is not None
    ]
    return KEYED_TABLES[name.entity], " and ".join(matches)


def _dataset_matches(condition: Condition, arguments: Arguments) -> str:
    column = CONTEXT_SQL if condition.name.key == "context" else f"f.{condition.name.key}"
    assert isinstance(condition.value, str | tuple)
    return text_matches(column, condition.comparator, condition.value, arguments)


def _attribute_matches(condition: Condition, arguments: Arguments) -> str:
    key, comparator, value = attribute(condition.name.key), condition.comparator, condition.value
    if isinstance(value, Decimal):
        matches = integer_matches(TIME_COLUMNS[key], comparator, value, arguments)
        return f"({matches}) is true" if key == "end_time" else f"({matches})"
    assert isinstance(value, str | tuple)
    if key == "run_id":
        return _run_id_matches(comparator, value, arguments)
    return text_matches(TEXT_COLUMNS[key], comparator, value, arguments)


def _run_id_matches(comparator: str, value: str | tuple[str, ...], arguments: Arguments) -> str:
    if comparator in ("LIKE", "ILIKE"):
        return text_matches(RUN_ID_TEXT_SQL, comparator, value, arguments)
    operator = "= any" if comparator in ("=", "IN") else "<> all"
    return f"r.run_id {operator}({arguments.bind(_run_ids(value), 'uuid[]')})"


def _findable_by_id(condition: Condition, arguments: Arguments) -> Findable:
    value = condition.value
    assert isinstance(value, str | tuple)
    listed = arguments.bind(_run_ids(value), "uuid[]")
    return Findable(
        # The primary key starts with the partition, which an id does not tell for sure: all are tried.
        runs=(f"select c.partition, l.run_id from checkpoint c cross join unnest({listed}) as l(run_id)",),
        test=f"r.run_id = any({listed})",
    )


def _run_ids(value: str | tuple[str, ...]) -> list[uuid.UUID]:
    texts = (value,) if isinstance(value, str) else value
    return list({run_id for text in texts if (run_id := _run_id(text)) is not None})


def _run_id(text: str) -> uuid.UUID | None:
    run_id = parse_run_id(text)
    return run_id if run_id is not None and run_id.hex == text else None
