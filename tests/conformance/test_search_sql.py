"""Search on a real PostgreSQL: the SQL finds, sorts and pages what the protocol says."""

import json
import random
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import asyncpg
import pytest

from tests.support.filters import render
from tests.support.postgres import SYSTEM_BIN, temporary_cluster, temporary_database
from tests.support.runs_model import Run, holds, in_order, random_filter, random_order, random_run
from tracklog_contract.errors import Rejected
from tracklog_contract.sqlfiles import statements
from tracklog_projector.search import (
    ModelDataset,
    ModelOrder,
    Query,
    candidates,
    compile_experiments,
    compile_models,
    compile_runs,
    glance,
    ties,
)

SQL = statements("tracklog_projector")
Connection = Any


@pytest.fixture(scope="session")
def system_dsn() -> Iterator[str]:
    """A cluster of Debian's PostgreSQL 15."""
    if not SYSTEM_BIN.exists():
        pytest.skip("no PostgreSQL 15 on this machine")
    with temporary_cluster(SYSTEM_BIN) as dsn:
        yield dsn


@pytest.fixture(params=["postgres_dsn", "system_dsn"])
async def views(request: pytest.FixtureRequest) -> AsyncIterator[Connection]:
    """A connection to empty views, on each version of PostgreSQL."""
    async with temporary_database(request.getfixturevalue(request.param)) as dsn:
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(SQL["views"])
            await connection.execute(SQL["search_indexes"])
            yield connection
        finally:
            await connection.close()


async def fill_experiment(views: Connection, experiment_id: int) -> None:
    await views.execute(
        "insert into experiment values ($1 % 2, $1, 'w', $1::text, '', false, 0, 0)", experiment_id
    )


async def fill(views: Connection, runs: Sequence[Run]) -> None:
    for experiment_id in {r.experiment_id for r in runs}:
        await fill_experiment(views, experiment_id)
    for r in runs:
        partition = r.experiment_id % 2
        await views.execute(
            "insert into run (partition, run_id, experiment_id, name, user_id, artifact_uri, status,"
            " start_ms, end_ms, deleted) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            partition, r.run_id, r.experiment_id, r.name, r.user_id, r.artifact_uri, r.status,
            r.start_ms, r.end_ms, r.deleted,
        )  # fmt: skip
        for table, values in (("param", r.params), ("tag", r.tags)):
            await views.executemany(
                f"insert into {table} values ($1, $2, $3, $4, $5)",
                [(partition, r.run_id, r.experiment_id, key, value) for key, value in values.items()],
            )
        await views.executemany(
            "insert into metric values ($1, $2, $3, $4, $5, 0, 0)",
            [(partition, r.run_id, r.experiment_id, key, value) for key, value in r.metrics.items()],
        )
        await views.executemany(
            "insert into run_dataset values ($1, $2, $3, $4, $5, 0, $6)",
            [
                (partition, r.run_id, r.experiment_id, name, digest, json.dumps(tags))
                for name, digest, tags in r.datasets
            ],
        )
    await views.execute("insert into checkpoint (partition, position) values (1, 0)")
    await views.execute("analyze")


async def pages(views: Connection, search: Any, sizes: Sequence[int]) -> list[list[Any]]:
    """All pages of a search; `search(limit, token)` gives each page's query, page sizes taken in turn."""
    found, token = [], ""
    while True:
        query: Query = search(sizes[len(found) % len(sizes)], token)
        rows, token = query.page(await views.fetch(query.sql, *query.args))
        found.append(list(rows))
        if not token:
            return found


# Small limits make a few dozen runs take the ways that a hundred thousand take.
MANY_RUNS: dict[str, dict[str, int]] = {
    "as they are": {},
    "a short glance, much worth": {"RUNS_MIN": 3, "RUNS_PER_ROW": 1, "MANY_MIN": 1},
    "a short glance, little worth": {
        "RUNS_MIN": 2,
        "RUNS_PER_ROW": 1,
        "WORTH_MIN": 6,
        "WORTH_MAX": 12,
        "MANY_MIN": 3,
        "READ_ALL_FROM": 0,
    },
    "a long glance at ties": {"MANY_MIN": 1, "RUNS_MIN": 1000},
    "nothing worth its cost": {"RUNS_MIN": 1, "RUNS_PER_ROW": 1, "WORTH_MAX": 0, "SET_MAX": 0, "FEW_MAX": 0},
}


@pytest.mark.parametrize(("limits", "seed"), [(limits, seed) for seed, limits in enumerate(MANY_RUNS)])
async def test_random_searches_equal_the_plain_evaluation(
    views: Connection, monkeypatch: pytest.MonkeyPatch, limits: str, seed: int
) -> None:
    for name, limit in MANY_RUNS[limits].items():
        (module,) = (module for module in (candidates, glance, ties) if hasattr(module, name))
        monkeypatch.setattr(module, name, limit)
    rng = random.Random(seed)
    runs = [random_run(rng) for _ in range(80)]
    await fill(views, runs)
    for _ in range(150):
        tree = random_filter(rng, runs) if rng.random() < 0.85 else None
        text, order_by = "" if tree is None else render(tree), random_order(rng, tree)
        experiments, deleted = (
            rng.choice([[1], [1], [3, 1], [1, 2, 3, 9], None]),
            rng.choice([False, False, True, None]),
        )

        def search(limit: int, token: str) -> Query:
            return compile_runs(
                experiment_ids=experiments,  # noqa: B023  # used within the iteration only
                filter=text,  # noqa: B023
                order_by=order_by,  # noqa: B023
                deleted=deleted,  # noqa: B023
                limit=limit,
                page_token=token,
            )

        sizes = [rng.randrange(1, 20) for _ in range(5)]
        matching = [
            run
            for run in runs
            if (experiments is None or run.experiment_id in experiments)
            and deleted in (None, run.deleted)
            and holds(tree, run)
        ]
        expected = [run.run_id for run in in_order(matching, order_by)]
        found = [row["run_id"] for page in await pages(views, search, sizes) for row in page]
        assert found == expected, (seed, text, order_by, experiments, deleted)


NAN = float("nan")
A, B, C = (uuid.UUID(int=number) for number in (1, 2, 3))
DATASET = (("d", "x", {"mlflow.data.context": "train"}),)
GOLDEN_RUNS = [
    Run(
        A,
        1,
        "A",
        "",
        "u/1",
        1,
        10,
        None,
        False,
        {"p": "aBc"},
        {"t": "Foo", "mlflow.runName": "A"},
        {"m": 1.0},
        DATASET,
    ),
    Run(B, 1, "B", "", "u/2", 1, 20, None, False, {"p": "zzz"}, {"mlflow.runName": "B"}, {"m": NAN}),
    Run(C, 1, "C", "", "u/3", 1, 30, None, False, {}, {"mlflow.runName": "C"}),
]
GOLDEN_FILTERS = {
    "metrics.m = 1": "A",
    "metrics.m != 1": "B",
    "metrics.m > 0": "A",
    "metrics.m != 5": "BA",
    "metrics.`m` >= 1": "A",
    "params.p != 'x'": "BA",
    'params.p = "aBc"': "A",
    "params.p LIKE 'ab%'": "",
    "params.p LIKE 'aB%'": "A",
    "params.p ILIKE 'ab%'": "A",
    "params.p IS NULL": "C",
    "params.p IS NOT NULL": "BA",
    "tags.t != 'x'": "A",
    "tags.t IS NULL": "CB",
    "attributes.status = 'RUNNING'": "CBA",
    "attributes.status = 'running'": "",
    f"run_id IN ('{A.hex}')": "A",
    f"run_id NOT IN ('{A.hex}')": "CB",
    "run_name = 'A'": "A",
    "run_name LIKE 'a%'": "",
    "`Run Name` = 'A'": "A",
    "start_time > 10": "CB",
    "attributes.created >= 20": "CB",
    "user_id = ''": "CBA",
    "artifact_uri LIKE '%'": "CBA",
    "metrics.m = 1 and params.p = 'aBc'": "A",
    "metrics.m = 1 AND": "A",
    "dataset.name = 'x'": "",
    "": "CBA",
    "tags.mlflow.runName = 'A'": "A",
    "tags.\"mlflow.runName\" = 'A'": "A",
    "metrics.m > -1": "A",
    "metrics.m > 1e-3": "A",
    "run.status = 'RUNNING'": "CBA",
    "attr.status = 'RUNNING'": "CBA",
    "parameter.p = 'aBc'": "A",
    "tag.t='Foo'": "A",
    "dataset.name = 'd'": "A",
    "datasets.digest LIKE 'x'": "A",
    "dataset.context = 'train'": "A",
    "dataset.name IN ('d','q')": "A",
    "dataset.name != 'zz'": "A",
    "dataset.context NOT IN ('q')": "A",
    # Beyond MLflow.
    "metrics.m = 1 OR params.p = 'zzz'": "BA",
    "NOT metrics.m = 1": "CB",
    "NOT (metrics.m = 1 OR start_time = 30)": "B",
}
GOLDEN_ORDERS = {
    ("metrics.m",): "ABC",
    ("metrics.m DESC",): "ABC",
    ("params.p",): "ABC",
    ("params.p DESC",): "BAC",
    ("tags.t",): "ACB",
    ("start_time",): "ABC",
    ("start_time DESC", "metrics.m"): "CBA",
    ("run_name",): "ABC",
    ("attributes.status desc",): "CBA",
    ("run_id",): "ABC",
    ("end_time",): "CBA",
    ("attribute.start_time",): "ABC",
    ("user_id",): "CBA",
    ("artifact_uri",): "ABC",
}


async def test_mlflows_own_answers(views: Connection) -> None:
    await fill(views, GOLDEN_RUNS)
    cases: list[tuple[str, tuple[str, ...], str]] = [
        (text, (), names) for text, names in GOLDEN_FILTERS.items()
    ]
    cases += [("", order_by, names) for order_by, names in GOLDEN_ORDERS.items()]
    for text, order_by, names in cases:
        query = compile_runs(
            experiment_ids=[1], filter=text, order_by=order_by, deleted=False, limit=9, page_token=""
        )
        rows, token = query.page(await views.fetch(query.sql, *query.args))
        assert ("".join("?ABC"[row["run_id"].int] for row in rows), token) == (names, ""), (text, order_by)


async def test_there_is_a_token_only_if_there_are_more_rows(views: Connection) -> None:
    await fill(views, GOLDEN_RUNS)

    def search(limit: int, token: str) -> Query:
        return compile_runs(
            experiment_ids=[1], filter="", order_by=[], deleted=False, limit=limit, page_token=token
        )

    assert [len(page) for page in await pages(views, search, [2])] == [2, 1]
    assert [len(page) for page in await pages(views, search, [3])] == [3]
    assert [len(page) for page in await pages(views, search, [1])] == [1, 1, 1]


@pytest.mark.parametrize(
    "text", ["params.p IS NULL AND params.p = 'aBc'", "params.p IS NULL AND params.p IS NOT NULL"]
)
async def test_a_contradiction_finds_nothing(views: Connection, text: str) -> None:
    await fill(views, GOLDEN_RUNS)
    query = compile_runs(
        experiment_ids=[1], filter=text, order_by=["params.p"], deleted=False, limit=9, page_token=""
    )
    assert await views.fetch(query.sql, *query.args) == []


async def test_a_hundred_comparisons_are_answered(views: Connection) -> None:
    await fill(views, GOLDEN_RUNS)
    text = " AND ".join(["metrics.m >= 1", "params.p = 'aBc'", "tags.t = 'Foo'", "NOT run_name = 'B'"] * 25)
    query = compile_runs(
        experiment_ids=[1], filter=text, order_by=["metrics.m"], deleted=None, limit=9, page_token=""
    )
    assert [row["run_id"] for row in await views.fetch(query.sql, *query.args)] == [A]


async def test_no_experiments_give_no_runs(views: Connection) -> None:
    await fill(views, GOLDEN_RUNS)
    query = compile_runs(experiment_ids=[], filter="", order_by=[], deleted=None, limit=9, page_token="")
    assert await views.fetch(query.sql, *query.args) == []


async def test_a_page_of_all_experiments_reads_no_more_than_a_page_of_each(views: Connection) -> None:
    experiments, runs, limit = 40, 250, 10
    for number in range(1, experiments + 1):
        await fill_experiment(views, number)
    await views.execute(
        "insert into run (partition, run_id, experiment_id, name, user_id, artifact_uri, status, start_ms,"
        " deleted) select e % 2, gen_random_uuid(), e, '', '', '', 1, r, false"
        f" from generate_series(1, {experiments}) e cross join generate_series(1, {runs}) r"
    )
    await views.execute("analyze")
    token, first, last = "", 0, 0
    for page in range(100):
        query = compile_runs(
            experiment_ids=None, filter="", order_by=[], deleted=False, limit=limit, page_token=token
        )
        if page in (0, 99):
            explain = f"explain (analyze, format json) {query.sql}"
            (plan,) = json.loads(await views.fetchval(explain, *query.args))
            first, last = first or rows_read(plan["Plan"], "run"), rows_read(plan["Plan"], "run")
        rows, token = query.page(await views.fetch(query.sql, *query.args))
        assert len(rows) == limit
    assert 0 < first <= experiments * (limit + 1)
    # And the one whose start is that of the last run of the page before.
    assert 0 < last <= experiments * (limit + 2)


def rows_read(plan: dict[str, Any], table: str) -> int:
    """How many rows of a table a plan has read, thrown away ones included."""
    read = 0
    if plan.get("Relation Name") == table:
        of_a_loop = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
        read = round(of_a_loop * plan["Actual Loops"])
    return read + sum(rows_read(part, table) for part in plan.get("Plans", ()))


EXPERIMENT_FILTERS = {
    "name = 'two'": [2],
    "name LIKE 'T%'": [],
    "name ILIKE 'T%'": [2, 3],
    "experiment_id = '3'": [3],
    "experiment_id != '3'": [1, 2],
    "experiment_id IN ('3', '1')": [1, 3],
    "experiment_id NOT IN ('3', '1')": [2],
    "creation_time > 5": [1],
    "last_update_time <= 20": [1, 2],
    "tags.x = 'y'": [2],
    "tags.x != 'z'": [2],
    "tags.x IS NULL": [1, 3],
    "tag.x IS NOT NULL AND attribute.name = 'two'": [2],
    "name = 'one' OR NOT tags.x IS NULL": [1, 2],
}
EXPERIMENT_ORDERS = {
    (): [1, 2, 3],
    ("name",): [1, 3, 2],
    ("name DESC",): [2, 3, 1],
    ("creation_time",): [3, 2, 1],
    ("experiment_id",): [1, 2, 3],
    ("last_update_time DESC", "creation_time"): [3, 2, 1],
}


async def fill_experiments(views: Connection) -> None:
    rows = [
        (1, "w", "one", 9, 10),
        (2, "w", "two", 5, 20),
        (3, "w", "three", 5, 30),
        (4, "other", "one", 1, 1),
    ]
    for number, workspace, name, created_ms, updated_ms in rows:
        await views.execute(
            "insert into experiment values (0, $1, $2, $3, '', $4, $5, $6)",
            number, workspace, name, False, created_ms, updated_ms,
        )  # fmt: skip
    await views.execute("insert into experiment values (0, 5, 'w', 'gone', '', true, 0, 0)")
    await views.execute("insert into experiment_tag values (0, 2, 'x', 'y')")


async def experiment_ids(views: Connection, size: int, **changes: Any) -> list[int]:
    def search(limit: int, token: str) -> Query:
        arguments = {"workspace": "w", "filter": "", "order_by": (), "deleted": False} | changes
        return compile_experiments(**arguments, limit=limit, page_token=token)

    return [row["experiment_id"] for page in await pages(views, search, [size]) for row in page]


async def test_experiments(views: Connection) -> None:
    await fill_experiments(views)
    for text, found in EXPERIMENT_FILTERS.items():
        assert sorted(await experiment_ids(views, 9, filter=text)) == found, text
    for order_by, found in EXPERIMENT_ORDERS.items():
        for size in (1, 2, 9):
            assert await experiment_ids(views, size, order_by=order_by) == found, order_by
    assert await experiment_ids(views, 9, deleted=True) == [5]
    assert await experiment_ids(views, 9, deleted=None) == [1, 2, 3, 5]


MODEL_FILTERS = {
    "name = 'alpha'": "20",
    "name != 'alpha'": "1",
    "name LIKE 'al%'": "20",
    "name IN ('alpha')": "20",
    "model_type = 't1'": "0",
    "model_id = 'm-0'": "0",
    "model_id NOT IN ('m-0')": "21",
    "status = 'READY'": "1",
    "status = 'LOGGED_MODEL_READY'": "1",
    "status != 'READY'": "20",
    "status IN ('PENDING', 'FAILED')": "20",
    "source_run_id = 'r'": "210",
    "creation_timestamp > 1": "2",
    "creation_time >= 1": "21",
    "last_updated_timestamp < 2": "10",
    "metrics.acc > 0.6": "0",
    "metrics.acc = 0.5": "1",
    "params.p = '1'": "1",
    "params.p != '1'": "20",
    "tags.tg ILIKE 'ALPHA'": "20",
    "attributes.name = 'beta'": "1",
    "metrics.acc > 0 AND params.p = '0'": "0",
    "experiment_id = '12'": "210",
    "experiment_id != '12'": "",
    "name = 'beta' OR NOT params.p = '2'": "10",
}
ACC = ModelOrder("metrics.acc")
MODEL_ORDERS: dict[tuple[ModelOrder, ...], str] = {
    (): "210",
    (ACC,): "102",
    (ModelOrder("metrics.acc", ascending=False),): "012",
    (ModelOrder("name"),): "201",
    (ModelOrder("creation_timestamp"),): "012",
    (ModelOrder("creation_time"),): "012",
    (ModelOrder("metrics.acc", dataset_name="d", dataset_digest="x"),): "021",
    (ModelOrder("metrics.acc", dataset_name="d"),): "021",
    (ModelOrder("status", ascending=False), ModelOrder("model_id", ascending=False)): "210",
}


async def fill_models(views: Connection) -> None:
    await fill_experiment(views, 12)
    names = ("alpha", "beta", "alpha")
    for number, name in enumerate(names):
        await views.execute(
            "insert into model values (0, $1, 12, $2, $3, 'r', '', $4, $5, $5, false)",
            f"m-{number}", name, ("t1", "", "t2")[number], (1, 2, 3)[number], number,
        )  # fmt: skip
        await views.execute("insert into model_param values (0, $1, 'p', $2)", f"m-{number}", str(number))
        await views.execute("insert into model_tag values (0, $1, 'tg', $2)", f"m-{number}", name)
    metrics = [("m-0", "d", "x", 0.4, 1), ("m-0", "d", "y", 0.9, 2), ("m-1", "", "", 0.5, 1)]
    for model_id, dataset, digest, value, timestamp in metrics:
        await views.execute(
            "insert into model_metric values (0, $1, 'acc', $2, $3, $4, $5, $6, 0)",
            model_id, A, dataset, digest, value, timestamp,
        )  # fmt: skip
    await views.execute("insert into model values (0, 'm-3', 12, 'alpha', '', '', '', 1, 9, 9, true)")


async def model_numbers(views: Connection, size: int, **changes: Any) -> str:
    def search(limit: int, token: str) -> Query:
        arguments = {"experiment_ids": [12], "filter": "", "datasets": (), "order_by": ()} | changes
        return compile_models(**arguments, limit=limit, page_token=token)

    return "".join(row["model_id"][-1] for page in await pages(views, search, [size]) for row in page)


async def test_models(views: Connection) -> None:
    await fill_models(views)
    for text, found in MODEL_FILTERS.items():
        assert await model_numbers(views, 9, filter=text) == found, text
    for order_by, found in MODEL_ORDERS.items():
        for size in (1, 2, 9):
            for experiments in ([12, 13], None):
                numbers = await model_numbers(views, size, order_by=order_by, experiment_ids=experiments)
                assert numbers == found, order_by
    assert await model_numbers(views, 9, experiment_ids=[]) == ""
    await fill_experiment(views, 13)
    await views.execute("insert into model values (0, 'm-4', 13, 'beta', '', '', '', 1, 2, 9, false)")
    # In order over both, and not one experiment after the other.
    assert await model_numbers(views, 2, experiment_ids=None) == "2410"
    assert await model_numbers(views, 2, experiment_ids=[12]) == "210"


async def test_datasets_restrict_what_was_measured(views: Connection) -> None:
    await fill_models(views)
    d, d_x = (ModelDataset("d"),), (ModelDataset("d", "x"),)
    assert await model_numbers(views, 9, datasets=d) == "0"
    assert await model_numbers(views, 9, datasets=(ModelDataset("d", "nope"),)) == ""
    assert await model_numbers(views, 9, datasets=d, filter="metrics.acc > 0.6") == "0"
    assert await model_numbers(views, 9, datasets=d_x, filter="metrics.acc > 0.6") == ""
    assert await model_numbers(views, 9, datasets=d_x, filter="metrics.acc < 0.6") == "0"
    with pytest.raises(Rejected, match="`dataset_name` in the `datasets` clause must be specified"):
        await model_numbers(views, 9, datasets=(ModelDataset(""),))
