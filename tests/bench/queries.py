"""Searches of many kinds over a sweep (sweep.py), as users of MLflow's clients and its page send them."""

from dataclasses import dataclass
from typing import Any, Literal

from tests.bench.payloads import EPOCH_MS

# Where a query looks: in the large experiment, or in that and four small ones.
Scope = Literal["one", "all"]


@dataclass(frozen=True)
class Search:
    """One search; `share`: which part of the runs, about, its filter lets through, where that is telling."""

    name: str
    filter: str = ""
    order_by: tuple[str, ...] = ()
    limit: int = 100
    scope: Scope = "one"
    view: str = "ACTIVE_ONLY"

    def fields(self, experiments: dict[Scope, list[str]]) -> dict[str, Any]:
        """The JSON fields of runs/search."""
        return {
            "experiment_ids": experiments[self.scope],
            "filter": self.filter,
            "order_by": list(self.order_by),
            "max_results": self.limit,
            "run_view_type": self.view,
        }


# Of these the thousandth page is measured, which 100,000 runs have.
DEEP = (
    Search("newest", limit=50),
    Search("by metric", order_by=("metrics.acc DESC",), limit=50),
    Search("by param", order_by=("params.dropout",), limit=50),
    Search("by name", order_by=("attributes.run_name",), limit=50),
    Search(
        "by metric, filtered",
        "params.lr != '0.1' AND tags.team != 'ads'",
        ("metrics.acc DESC",),
        limit=20,
    ),
    Search("by metric that half lack", order_by=("metrics.f1",), limit=90),
)


def searches(runs: int) -> list[Search]:
    """The searches, for a sweep of so many runs."""
    middle_ms = EPOCH_MS + 500 * runs
    late_ms = EPOCH_MS + 990 * runs
    return [
        Search("newest"),
        Search("newest 20", limit=20),
        Search("newest 1,000", limit=1000),
        # Metrics.
        Search("metric above, a tenth", "metrics.acc > 0.9", ("metrics.acc DESC",)),
        Search("metric in a narrow range", "metrics.acc > 0.5 AND metrics.acc < 0.5001", ("metrics.loss",)),
        Search("metric above, by another metric", "metrics.acc > 0.9", ("metrics.f1 DESC",)),
        Search("metric equals, many ties", "metrics.epoch_seconds = 42", ("start_time DESC",)),
        Search("metric that half have", "metrics.f1 > 0.5", ("metrics.val_acc DESC",)),
        # Params.
        Search("param equals, a fifth", "params.lr = '0.01'", ("metrics.acc DESC",)),
        Search("param equals, one run", "params.seed = '4711'"),
        Search("param equals nothing", "params.lr = '7'"),
        Search("param LIKE, by prefix", "params.data LIKE 's3://bucket/vision/0%'", ("params.data",)),
        Search("param LIKE, in the middle", "params.model LIKE '%-large'", ("metrics.loss",)),
        Search("param is one of two", "params.lr = '0.1' OR params.lr = '0.03'", ("start_time",)),
        Search("param IS NULL, none", "params.lr IS NULL"),
        Search("param IS NULL, half", "params.beta2 IS NULL", ("metrics.acc",)),
        Search("param IS NOT NULL, half", "params.beta2 IS NOT NULL", ("params.beta2 DESC",)),
        # Tags.
        Search("tag equals, a quarter", "tags.team = 'vision'", ("metrics.acc DESC",)),
        Search("tag equals, one in a hundred", "tags.stage = 'prod'", ("metrics.loss",)),
        Search("tag ILIKE", "tags.host ILIKE 'NODE-01%'", ("start_time DESC",)),
        Search("tag that few have", "tags.reviewed IS NOT NULL", ("tags.reviewed",)),
        Search("tag that few lack", "tags.host IS NULL", ("metrics.acc",)),
        # Attributes.
        Search("status", "attributes.status = 'FAILED'", ("metrics.loss",)),
        Search("status, rare", "attributes.status = 'SCHEDULED'"),
        Search("started lately", f"attributes.start_time > {late_ms}", ("metrics.acc DESC",)),
        Search("started before", f"attributes.start_time < {middle_ms}", ("start_time DESC",)),
        Search("name LIKE", "attributes.run_name LIKE '%4711%'"),
        Search("name equals", "attributes.run_name = 'sweep-0004711'"),
        Search("user", "attributes.user_id = 'ada'", ("attributes.end_time DESC",)),
        # Joined.
        Search("metric and param", "metrics.acc > 0.5 AND params.lr = '0.1'", ("metrics.acc DESC",)),
        Search(
            "selective and not",
            "tags.stage = 'prod' AND params.optimizer = 'adam' AND metrics.loss < 0.5",
            ("metrics.loss",),
        ),
        Search(
            "correlated: a param implies a tag",
            "params.model = 'vision-large' AND tags.team = 'vision'",
            ("metrics.val_acc DESC",),
        ),
        Search(
            "correlated: a param excludes a tag",
            "params.model = 'vision-large' AND tags.team = 'speech'",
            ("metrics.val_acc DESC",),
        ),
        Search(
            "excluding metrics",
            "metrics.acc > 0.95 AND metrics.loss > 1",
            ("start_time DESC",),
        ),
        Search("OR of two", "params.lr = '0.1' OR metrics.acc > 0.9", ("metrics.acc DESC",)),
        Search("OR of rare ones", "params.seed = '4711' OR tags.reviewed = 'node-007'", ("start_time",)),
        Search("NOT", "NOT params.optimizer = 'adam' AND NOT tags.stage = 'dev'", ("metrics.acc DESC",)),
        Search(
            "nested",
            "(params.optimizer = 'sgd' OR params.optimizer = 'lion')"
            " AND NOT (metrics.acc < 0.9 OR tags.stage = 'dev')",
            ("metrics.acc DESC",),
        ),
        # Datasets.
        Search("dataset name", "dataset.name = 'set-03'", ("metrics.acc DESC",)),
        Search("dataset context", "dataset.context = 'test' AND metrics.acc > 0.5", ("start_time DESC",)),
        # Orders.
        Search("by metric", order_by=("metrics.acc",)),
        Search("by metric with ties", order_by=("metrics.epoch_seconds DESC",)),
        Search("by metric that half have", order_by=("metrics.f1 DESC",)),
        Search("by metric that none has", order_by=("metrics.nope",)),
        Search("by param", order_by=("params.dropout",)),
        Search("by param with many ties", order_by=("params.optimizer DESC",)),
        Search("by tag that few have", order_by=("tags.reviewed",)),
        Search("by tag", order_by=("tags.host DESC",)),
        Search("by name", order_by=("attributes.run_name",)),
        Search("by end", order_by=("attributes.end_time DESC",)),
        Search("by status and metric", order_by=("attributes.status", "metrics.acc DESC")),
        Search("by user", order_by=("attributes.user_id",)),
        Search("by start, oldest first", order_by=("attributes.start_time ASC",)),
        Search("1,000 by metric, filtered", "params.lr = '0.01'", ("metrics.acc DESC",), limit=1000),
        # Several experiments, and deleted runs.
        Search("all experiments, newest", scope="all"),
        Search(
            "all experiments, filtered",
            "params.lr = '0.1' AND metrics.acc > 0.9",
            ("metrics.acc DESC",),
            scope="all",
        ),
        Search("deleted ones", "metrics.acc > 0.5", ("metrics.acc DESC",), view="DELETED_ONLY"),
        Search("with deleted ones", order_by=("metrics.acc DESC",), view="ALL"),
    ]
