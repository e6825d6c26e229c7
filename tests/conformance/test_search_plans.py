"""Searches over 20,000 runs, in rows and pages that PostgreSQL looks at: a machine's load changes neither."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import pytest

from tests.support.postgres import temporary_database
from tracklog_contract.sqlfiles import statements
from tracklog_projector.search import Query, compile_runs

SQL = statements("tracklog_projector")
RUNS: Final = 20_000
LIMIT: Final = 100

# Run number n, counted from 1 on: started at n seconds; every key is there as the text says.
FILL: Final = (
    """
    insert into run (partition, run_id, experiment_id, name, user_id, artifact_uri, status, start_ms)
    select 0, md5(n::text)::uuid, 1, 'run-' || n, 'ada', '', case when n % 8 = 0 then 4 else 3 end, n * 1000
    from generate_series(1, $1) as n
    """,
    # `all` has one of eight values, `two` one of two, and `own` another one in each run; only the last half
    # of the runs has `late`.
    """
    insert into param (partition, run_id, experiment_id, key, value)
    select 0, md5(n::text)::uuid, 1, p.key, p.value
    from generate_series(1, $1) as n
    cross join lateral (
        values ('all', (n % 8)::text), ('two', (n % 2)::text), ('own', n::text), ('late', n::text)
    ) as p (key, value)
    where p.key <> 'late' or n > $1 / 2
    """,
    # `same` follows from the param `all`.
    """
    insert into tag (partition, run_id, experiment_id, key, value)
    select 0, md5(n::text)::uuid, 1, 'same', 'as-' || n % 8 from generate_series(1, $1) as n
    """,
    """
    insert into metric (partition, run_id, experiment_id, key, value, "timestamp", step)
    select 0, md5(n::text)::uuid, 1, m.key, m.value, 0, 0
    from generate_series(1, $1) as n
    cross join lateral (values ('acc', (n * 7919 % $1)::float8 / $1), ('loss', n::float8)) as m (key, value)
    """,
)


@dataclass(frozen=True)
class Effort:
    """What a statement looked at: rows of tables and indexes, and pages of 8 KiB, counted each time."""

    rows: int
    pages: int


@pytest.fixture(scope="module")
def views(postgres_dsn: str) -> Iterator[str]:
    """The DSN of a database whose views hold the runs."""
    with asyncio.Runner() as runner:
        database = temporary_database(postgres_dsn)
        dsn = runner.run(database.__aenter__())
        try:
            runner.run(_fill(dsn))
            yield dsn
        finally:
            runner.run(database.__aexit__(None, None, None))


async def _fill(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(SQL["views"])
        await connection.execute(SQL["search_indexes"])
        for statement in FILL:
            await connection.execute(statement, RUNS)
        await connection.execute(SQL["vacuum_views"])
    finally:
        await connection.close()


async def explained(connection: Any, query: Query) -> Effort:
    """What it takes to find a page."""
    plan = await connection.fetchval(f"explain (analyze, buffers, format json) {query.sql}", *query.args)
    (top,) = json.loads(plan)
    pages = top["Plan"]["Shared Hit Blocks"] + top["Plan"]["Shared Read Blocks"]
    return Effort(sum(map(_rows_seen, _nodes(top["Plan"]))), pages)


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _rows_seen(node: Mapping[str, Any]) -> int:
    """Rows that a node read of a table or index; those of other nodes come from these."""
    if "Relation Name" not in node:
        return 0
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return round((node["Actual Rows"] + removed) * node["Actual Loops"])


async def page(dsn: str, number: int, **changes: Any) -> tuple[Effort, int]:
    """What page `number`, counted from 1 on, takes, and how many runs it has."""
    arguments = {"experiment_ids": [1], "filter": "", "order_by": [], "deleted": False} | changes
    connection = await asyncpg.connect(dsn, server_settings={"jit": "off"})
    try:
        token = ""
        if number > 1:
            before = compile_runs(**arguments, limit=(number - 1) * LIMIT, page_token="")
            _, token = before.page(await connection.fetch(before.sql, *before.args))
            assert token
        query = compile_runs(**arguments, limit=LIMIT, page_token=token)
        rows, _ = query.page(await connection.fetch(query.sql, *query.args))
        return await explained(connection, query), len(rows)
    finally:
        await connection.close()


@pytest.mark.parametrize("number", [1, 190])
@pytest.mark.parametrize(
    "order",
    ["start_time DESC", "start_time", "metrics.acc", "metrics.acc DESC", "params.own", "params.own DESC"],
)
async def test_a_page_in_order_costs_the_page(views: str, order: str, number: int) -> None:
    effort, found = await page(views, number, order_by=[order])
    assert found == LIMIT
    assert effort.rows < 4 * LIMIT
    assert effort.pages < 10 * LIMIT


# Filter, order, how many runs the first page has, and what it may cost in rows.
FILTERED: Final = {
    "many match": ("params.all = '3'", "metrics.acc DESC", LIMIT, 5_000),
    "many match, an attribute": ("attributes.status = 'FAILED'", "metrics.acc", LIMIT, 5_000),
    "one matches": ("params.own = '4711'", "metrics.acc", 1, 5_000),
    "one of two matches": ("params.own = '4711' OR params.own = 'none'", "start_time DESC", 1, 5_000),
    "a narrow range": ("metrics.loss >= 500 AND metrics.loss < 510", "metrics.acc", 10, 5_000),
    "one implies the other": ("params.all = '3' AND tags.same = 'as-3'", "metrics.acc DESC", LIMIT, 8_000),
    # Either set of 2,500 is read, and what is in one is not in the other.
    "one excludes the other": ("params.all = '3' AND tags.same = 'as-4'", "metrics.acc DESC", 0, 10_000),
    # All runs are read, and all that have it.
    "absent from none": ("params.own IS NULL", "metrics.acc", 0, 5 * RUNS),
}


@pytest.mark.parametrize("case", FILTERED)
async def test_a_filtered_page_costs_what_is_found(views: str, case: str) -> None:
    text, order, runs, rows = FILTERED[case]
    effort, found = await page(views, 1, filter=text, order_by=[order])
    assert found == runs
    assert effort.rows < rows
    # Looking each run up would take three pages and more a run.
    assert effort.pages < RUNS


@pytest.mark.parametrize("number", [1, 60, 190])
@pytest.mark.parametrize("order", ["params.two", "params.two DESC"])
async def test_runs_of_one_value_are_not_all_sorted_for_a_page(views: str, order: str, number: int) -> None:
    effort, found = await page(views, number, order_by=[order])
    assert found == LIMIT
    # It counts up to 5,000 of them, and tests two runs for one that has the value.
    assert effort.rows < 5_000 + 10 * LIMIT


async def test_the_thousandth_run_of_a_filter_costs_no_more_than_the_first(views: str) -> None:
    search = {"filter": "params.all = '3' OR tags.same = 'as-4'", "order_by": ["metrics.acc DESC"]}
    first, _ = await page(views, 1, **search)
    deep, _ = await page(views, 11, **search)
    assert deep.rows < 1.5 * first.rows
    assert deep.pages < 1.5 * first.pages


async def test_where_the_runs_without_the_key_begin_nothing_is_looked_up_run_by_run(views: str) -> None:
    # The latest runs all have it, so that those without it are far from where the order begins.
    effort, found = await page(views, RUNS // 2 // LIMIT + 1, order_by=["params.late"])
    assert found == LIMIT
    assert effort.rows < 3 * RUNS
    assert effort.pages < RUNS
    deeper, found = await page(views, RUNS // 2 // LIMIT + 20, order_by=["params.late"])
    assert found == LIMIT
    assert deeper.rows < 4 * LIMIT
    assert deeper.pages < 10 * LIMIT
