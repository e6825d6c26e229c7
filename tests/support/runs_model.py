"""Runs, and what a filter and an order mean for them, in plain Python: the reference for the SQL."""

import functools
import math
import operator
import random
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tracklog_projector.search.tree import (
    Both,
    Comparison,
    Either,
    Items,
    Negation,
    Node,
    Number,
    Quoted,
    Word,
)

STATUS = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "LIKE": lambda text, pattern: like(text, pattern, 0),
    "ILIKE": lambda text, pattern: like(text, pattern, re.IGNORECASE),
    "IN": lambda text, texts: text in texts,
    "NOT IN": lambda text, texts: text not in texts,
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One run as the views hold it."""

    run_id: uuid.UUID
    experiment_id: int
    name: str
    user_id: str
    artifact_uri: str
    status: int
    start_ms: int
    end_ms: int | None
    deleted: bool
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    datasets: tuple[tuple[str, str, dict[str, str]], ...] = ()

    def value(self, raw: str) -> Any:
        """What a name such as `params.p` or `start_time` stands for; None when there is nothing."""
        entity, dot, key = raw.partition(".")
        if not dot or entity == "attributes":
            return {
                "run_id": self.run_id.hex, "run_name": self.name, "user_id": self.user_id,
                "artifact_uri": self.artifact_uri, "status": STATUS[self.status],
                "start_time": self.start_ms, "created": self.start_ms, "end_time": self.end_ms,
            }[key or entity]  # fmt: skip
        values: dict[str, Any] = {"params": self.params, "tags": self.tags, "metrics": self.metrics}[entity]
        return values.get(key)

    def dataset_values(self, key: str) -> list[str]:
        """One value per dataset that has one."""
        of = {
            "name": lambda d: d[0],
            "digest": lambda d: d[1],
            "context": lambda d: d[2].get("mlflow.data.context"),
        }
        return [value for dataset in self.datasets if (value := of[key](dataset)) is not None]


def like(text: str, pattern: str, flags: int) -> bool:
    """SQL's LIKE without an escape character."""
    expression = "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in pattern)
    return re.fullmatch(expression, text, flags | re.DOTALL) is not None


def holds(node: Node | None, run: Run) -> bool:
    """Whether the run meets the filter."""
    if node is None:
        return True
    if isinstance(node, Both):
        return all(holds(term, run) for term in node.terms)
    if isinstance(node, Either):
        return any(holds(term, run) for term in node.terms)
    if isinstance(node, Negation):
        return not holds(node.term, run)
    name, literal = node.left.raw, _literal(node)
    if name.startswith("dataset."):
        values = run.dataset_values(name.removeprefix("dataset."))
        return any(COMPARE[node.comparator](value, literal) for value in values)
    value = run.value(name)
    if node.right is None:
        return (value is None) == (node.comparator == "IS NULL")
    return value is not None and COMPARE[node.comparator](value, literal)


def _literal(comparison: Comparison) -> Any:
    right = comparison.right
    if isinstance(right, Number):
        return float(right.raw) if comparison.left.raw.startswith("metrics.") else Decimal(right.raw)
    if isinstance(right, Items):
        return [item.text for item in right.items if isinstance(item, Quoted)]
    return right.text if isinstance(right, Quoted) else None


def in_order(runs: Sequence[Run], order_by: Sequence[str]) -> list[Run]:
    """The runs sorted: by the entries, then latest start first, then by run id."""
    keys = [(entry.split()[0], entry.upper().endswith(" DESC")) for entry in order_by]
    if not {"start_time", "created", "attributes.start_time"} & {name for name, _ in keys}:
        keys.append(("start_time", True))
    keys.append(("run_id", False))

    def compare(one: Run, other: Run) -> int:
        for name, descending in keys:
            a, b = _sortable(one.value(name)), _sortable(other.value(name))
            if a[0] != b[0]:
                return -1 if a[0] < b[0] else 1
            if a[1] != b[1]:
                return -1 if (a[1] < b[1]) != descending else 1
        return 0

    return sorted(runs, key=functools.cmp_to_key(compare))


def _sortable(value: Any) -> tuple[int, Any]:
    if value is None:
        return (2, 0)
    return (1, 0) if isinstance(value, float) and math.isnan(value) else (0, value)


TEXTS = (
    "",
    "a",
    "A",
    "ab",
    "aB",
    "a%",
    "a_b",
    "a\\b",
    "aéb",
    "AÉB",
    "it''s",
    "b",
    "z" * 128,
    "z" * 128 + "a",
    "z" * 128 + "b",
)
FLOATS = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, 1.5, -1.5, 0.1, 5e-324, 1.7e308)
TIMES = (0, 1, 2, 3, 10, 1700000000000, 2**63 - 1, -(2**63))
KEYS = ("p", "q", "a.b")


def random_run(rng: random.Random) -> Run:
    """A run whose every part comes from a small stock, so that equals and near misses abound."""

    def some(stock: Sequence[Any]) -> dict[str, Any]:
        return {key: rng.choice(stock) for key in KEYS if rng.random() < 0.7}

    datasets = {
        (rng.choice(TEXTS[:4]), rng.choice(TEXTS[:4])): {"mlflow.data.context": rng.choice(TEXTS[:4])}
        if rng.random() < 0.7
        else {}
        for _ in range(rng.randrange(3))
    }
    return Run(
        uuid.UUID(int=rng.getrandbits(128)), rng.randrange(1, 4),
        rng.choice(TEXTS), rng.choice(TEXTS), rng.choice(TEXTS),
        rng.randrange(1, 6), rng.choice(TIMES), rng.choice([None, *TIMES]), rng.random() < 0.2,
        some(TEXTS), some(TEXTS), some(FLOATS), tuple((*key, tags) for key, tags in datasets.items()),
    )  # fmt: skip


def random_filter(rng: random.Random, runs: Sequence[Run], depth: int = 2) -> Node:
    """A valid filter; its literals come from the same stock as the runs."""
    if depth and rng.random() < 0.5:
        terms = [random_filter(rng, runs, depth - 1) for _ in range(rng.randrange(2, 4))]
        joint = rng.choice([Both, Both, Either])
        flat = [part for term in terms for part in (term.terms if isinstance(term, joint) else (term,))]
        return joint(tuple(flat))
    if depth and rng.random() < 0.3:
        term = random_filter(rng, runs, depth - 1)
        return term.term if isinstance(term, Negation) else Negation(term)
    return _random_comparison(rng, runs)


def _random_comparison(rng: random.Random, runs: Sequence[Run]) -> Comparison:
    def quoted(text: str) -> Quoted:
        return Quoted(text)

    kind = rng.choice(["metric", "metric", "keyed", "keyed", "text", "time", "run_id", "dataset"])
    numeric = rng.choice(["=", "!=", "<", "<=", ">", ">="])
    textual = rng.choice(["=", "=", "!=", "LIKE", "ILIKE"])
    text = quoted(rng.choice([*TEXTS, "%", "a%", "_", "%b", "a\\%", "a\\%", "A_B", "z%a", "nope"]))
    if kind == "metric":
        number = Number(rng.choice(["0", "1", "1.5", "-1.5", "0.1", "1e400", "-1e400", "5e-324"]))
        return Comparison(Word(f"metrics.{rng.choice(KEYS)}"), numeric, number)
    if kind == "keyed":
        name = Word(f"{rng.choice(['params', 'tags'])}.{rng.choice(KEYS)}")
        if rng.random() < 0.2:
            return Comparison(name, rng.choice(["IS NULL", "IS NOT NULL"]), None)
        return Comparison(name, textual, text)
    if kind == "text":
        if rng.random() < 0.4:
            return Comparison(
                Word("status"), textual, quoted(rng.choice(["FINISHED", "finished", "F%", "f%"]))
            )
        return Comparison(Word(rng.choice(["run_name", "user_id", "attributes.artifact_uri"])), textual, text)
    if kind == "time":
        number = Number(
            rng.choice([*map(str, TIMES), "1.5", "-1e30", "9223372036854775808", "1e999999999999999999"])
        )
        return Comparison(Word(rng.choice(["start_time", "end_time", "created"])), numeric, number)
    if kind == "run_id":
        ids = [quoted(run.run_id.hex) for run in rng.sample(runs, 3)] + [quoted("nope")]
        if rng.random() < 0.5:
            return Comparison(Word("run_id"), rng.choice(["IN", "NOT IN"]), Items(tuple(ids)))
        return Comparison(Word("run_id"), rng.choice(["=", "!="]), rng.choice(ids))
    name = Word(f"dataset.{rng.choice(['name', 'digest', 'context'])}")
    if rng.random() < 0.3:
        return Comparison(name, rng.choice(["IN", "NOT IN"]), Items((quoted("a"), quoted("A"))))
    return Comparison(name, textual, text)


def random_order(rng: random.Random, tree: Node | None) -> list[str]:
    """Up to three different order_by entries, often led by a name that the filter is about."""
    names = [f"{entity}.{key}" for entity in ("metrics", "metrics", "params", "tags") for key in KEYS]
    names += [
        "start_time",
        "end_time",
        "status",
        "status",
        "status",
        "run_name",
        "user_id",
        "artifact_uri",
        "run_id",
    ]
    about = [name for name in _names(tree) if name in names]
    led = [rng.choice(about)] if about and rng.random() < 0.5 else []
    chosen = dict.fromkeys(led + rng.sample(names, rng.randrange(4 - len(led))))
    return [name + rng.choice(["", " ASC", " DESC", " desc"]) for name in chosen]


def _names(node: Node | None) -> list[str]:
    if node is None:
        return []
    if isinstance(node, Comparison):
        return [node.left.raw]
    return (
        _names(node.term) if isinstance(node, Negation) else [n for term in node.terms for n in _names(term)]
    )
