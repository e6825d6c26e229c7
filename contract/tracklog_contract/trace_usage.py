"""Tokens and costs of traces: as texts in their metadata, and summed over trees of spans."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from tracklog_contract import bounded_json
from tracklog_contract.limits import INT64_MAX, INT64_MIN
from tracklog_contract.trace_keys import COST, COST_KEYS, TOKEN_USAGE, USAGE_KEYS

Amounts: TypeAlias = Mapping[str, float]


def count_of(value: Any) -> int | None:
    """A count of tokens; None for what is no whole number of 64 bits."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = int(value) if isinstance(value, int) else float(value)
        whole = int(number)
    except (ValueError, OverflowError):
        return None
    return whole if whole == number and INT64_MIN <= whole <= INT64_MAX else None


def cost_of(value: Any) -> float | None:
    """A cost; None for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


_READERS: Final[Mapping[str, tuple[Sequence[str], Callable[[Any], float | None]]]] = {
    TOKEN_USAGE: (USAGE_KEYS, count_of),
    COST: (COST_KEYS, cost_of),
}


def amounts(value: Any, metadata_key: str) -> Amounts | None:
    """The tokens or costs, `metadata_key` says which, that a JSON value or text states; None for none."""
    if isinstance(value, str):
        try:
            value = bounded_json.loads(value)
        except ValueError:
            return None
    if not isinstance(value, dict):
        return None
    keys, read = _READERS[metadata_key]
    found = {key: amount for key in keys if (amount := read(value.get(key))) is not None}
    return found or None


def canonical(metadata: Mapping[str, str]) -> dict[str, str]:
    """Metadata with its tokens and costs as MLflow writes them; without those that state none."""
    kept = dict(metadata)
    for key in _READERS:
        if key in kept:
            stated = amounts(kept.pop(key), key)
            if stated:
                kept[key] = json.dumps(stated)
    return kept


def merged(known: str | None, new: Amounts, metadata_key: str) -> str:
    """The text of what was known and what is new: the new counts."""
    keys, _ = _READERS[metadata_key]
    both = {**(amounts(known, metadata_key) or {}), **new}
    return json.dumps({key: both[key] for key in keys if key in both})


@dataclass(frozen=True)
class Node:
    """A span of a tree, and what it states."""

    span_id: str
    parent_id: str | None
    amounts: Amounts | None


def total(nodes: Iterable[Node], metadata_key: str) -> Amounts | None:
    """The sum over a tree, where what a span states includes what those below it do; None for nothing."""
    keys, read = _READERS[metadata_key]
    by_id = {node.span_id: node for node in nodes}
    children: dict[str | None, list[Node]] = {}
    for node in by_id.values():
        above = node.parent_id if node.parent_id in by_id and node.parent_id != node.span_id else None
        children.setdefault(above, []).append(node)
    sums: dict[str, float] = {}
    waiting = children.get(None, [])
    while waiting:
        node = waiting.pop()
        if node.amounts is None:
            waiting.extend(children.get(node.span_id, ()))
        else:
            for key, number in node.amounts.items():
                sums[key] = sums.get(key, 0) + number
    if not sums:
        return None
    shown = [key for key in keys if key in sums or key in keys[:3]]
    return {key: amount for key in shown if (amount := read(sums.get(key, 0))) is not None}
