"""SELECT statements of one page: sorted, limited, and starting after a given row."""

# ruff: noqa: S608  # composes statements of its own words only; every value is bound (arguments.py)

from collections.abc import Sequence
from dataclasses import dataclass

from tracklog_projector.search.arguments import Arguments
from tracklog_projector.search.keyset import SortKey, Value, order_by, rows_after


@dataclass(frozen=True)
class Branch:
    """Rows of one source, under conditions, sorted by keys; a search's branches have the same columns."""

    source: str
    conditions: tuple[str, ...]
    keys: tuple[SortKey, ...]


def select(
    branch: Branch, after: Sequence[Value] | None, limit: str, arguments: Arguments, *, more: str = ""
) -> str:
    """The first `limit` rows of a branch that come after the row with the key values `after`.

    `more`: what to select beside the keys, such as `r.*`, which has the keys that are columns of `r` already.
    """
    conditions = list(branch.conditions)
    if after is not None:
        conditions.append(rows_after(branch.keys, after, arguments))
    columns = [f"{key.sql} as {key.column}" for key in branch.keys if not (more and key.column == "run_id")]
    return (
        f"select {', '.join([*columns, more] if more else columns)}"
        f" from {branch.source} where {' and '.join(conditions)}"
        f" order by {order_by(branch.keys)} limit {limit}"
    )


def select_in_turn(selects: Sequence[str], limit: str) -> str:
    """The rows of several selects, one select after the other, until `limit` is reached.

    PostgreSQL runs the parts of a UNION ALL in the order written and stops at the limit, so a part that the
    page does not reach costs nothing. (Parts with a LIMIT are never handed to parallel workers, which would
    mix them.)
    """
    if len(selects) == 1:
        return selects[0]
    parts = " union all ".join(f"({part})" for part in selects)
    return f"{parts} limit {limit}"


def select_per_scope(scopes: str, select: str, keys: Sequence[SortKey], limit: str) -> str:
    """The first `limit` rows over all scopes, of a select that is in order within each scope."""
    outer = [key.of("page") for key in keys]
    return (
        f"select page.* from {scopes} cross join lateral ({select}) as page"
        f" order by {order_by(outer)} limit {limit}"
    )


def ids_of(experiments: Sequence[int] | None, arguments: Arguments) -> str:
    """The FROM item whose one column lists these experiments; None for all there are."""
    if experiments is None:
        return "(select experiment_id from experiment)"
    return f"unnest({arguments.bind(experiments, 'bigint[]')})"
