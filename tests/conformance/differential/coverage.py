"""What a whole run must have called: each endpoint that both servers have, each operator, order and value."""

import re
import tempfile
from collections import Counter
from unittest.mock import Mock

from tests.conformance.differential import differences, messages
from tests.conformance.differential.coverage_of_values import AT_LIMITS, VALUES
from tests.conformance.differential.on_graphql import QUERIES
from tests.conformance.differential.searching import covered_by_searches
from tracklog_server import worker
from tracklog_server.task import Task

# Endpoints that no call is generated for, by a pattern that their names begin with, each with the reason.
EXEMPT = {
    r"GET /static-files/|GET /$": "files of MLflow's web page; tests/conformance/test_page_files.py",
    r"(GET|HEAD) /health$": "each server tells in its own words that it works; tests/fault/test_startup.py",
    r"GET /graphql$": "MLflow reads a GET's body, which no client sends; tests/conformance/test_graphql.py",
    r"\w+ /artifact-store/": "the local store by its own signed URLs; tests/conformance/store_contract.py",
    r"\w+ /tracklog/": "tracklog's own, which MLflow has not; tests/conformance/test_native_ingest.py",
    r"\w+ (/2.0/fs/|/2.0/preview/|/.well-known/)": "Databricks: tests/conformance/test_artifact_direct.py",
    r"\w+ (/ml/|/oidc/|databricks/|experiments/list)": "Databricks: tests/conformance/test_databricks.py",
    r"\w+ (/4.0/|/trace-data/|traces/{trace_id}/cred)": "Databricks: test_databricks_traces.py, beside that",
    r"\w+ .*artifacts/(credentials-for|create-multi|complete-multi|get-presigned-upload-part)": "as the last",
}
# Endpoints that refuse nothing, and those that MLflow with proxied artifacts on a disk always refuses.
NEVER_REFUSED = frozenset(
    {
        "GET /version", "GET /3.0/mlflow/server-info", "GET /3.0/mlflow/ui-telemetry",
        "POST /3.0/mlflow/ui-telemetry", "GET gateway-proxy", "GET model-versions/search",
        "GET registered-models/search", "GET /2.0/mlflow-artifacts/artifacts", "POST /graphql",
        "HEAD /version", "PUT /2.0/mlflow-artifacts/artifacts/{path}",
    }
)  # fmt: skip
ALWAYS_REFUSED = frozenset(
    {
        "POST artifacts/presigned-upload-url", "POST artifacts/presigned-download-url",
        "POST /2.0/mlflow-artifacts/mpu/create/{path}", "POST /2.0/mlflow-artifacts/mpu/complete/{path}",
        "POST /2.0/mlflow-artifacts/mpu/abort/{path}", "GET /2.0/mlflow-artifacts/presigned/{path}",
    }
)  # fmt: skip
# Endpoints that refuse a deleted run, or a deleted experiment.
REFUSE_DELETED = frozenset(
    {
        "POST runs/create", "POST runs/update", "POST runs/log-metric", "POST runs/log-parameter",
        "POST runs/set-tag", "POST runs/delete-tag", "POST runs/log-batch", "POST runs/log-inputs",
        "POST runs/outputs", "POST experiments/set-experiment-tag", "POST experiments/delete-experiment-tag",
        "POST logged-models",
    }
)  # fmt: skip
PREFIXES = frozenset({"prefix /api", "prefix /ajax-api", "tracklog's prefix 3.0"})


def served():
    """Every endpoint that tracklog serves, named as calls name them."""
    # The worker's own application, with nothing behind it: a route that anyone adds is among these.
    with tempfile.TemporaryDirectory() as artifact_dir:
        task = Task("worker", 0, "", "new", artifact_dir, "default")
        application = worker._application(Mock(), Mock(), Mock(), task, Mock())
    return {_name(route.method, route.resource.canonical) for route in application.router.routes()}


def _name(method, path):
    for prefix in ("/ajax-api", "/api"):
        path = path.removeprefix(prefix)
    path = path.replace("{tail}", "{path}")
    short = path.removeprefix("/2.0/mlflow/").removeprefix("/3.0/mlflow/")
    kept = path if path.startswith("/3.0/") and short in ("server-info", "ui-telemetry") else short
    return f"{method} {kept}"


def exemption(endpoint):
    """Why no call is generated for an endpoint, None when some must be."""
    return next((why for pattern, why in EXEMPT.items() if re.match(pattern, endpoint)), None)


# Rows that a run may well not meet: a folder must be emptied first, and listed then.
SELDOM = {"empty folders"}


class Coverage:
    """What several pairs were asked, together."""

    def __init__(self, pairs):
        self.calls = sum(pair.calls for pair in pairs)
        self.called, self.covered, self.purposes = (
            sum((getattr(pair, name) for pair in pairs), Counter())
            for name in ("called", "covered", "purposes")
        )
        self.exempt = {name: why for name in served() if (why := exemption(name)) is not None}
        self.endpoints = served() - self.exempt.keys()
        self.names = (
            covered_by_searches()
            | VALUES
            | AT_LIMITS
            | PREFIXES
            | {f"graphql {name}" for name in QUERIES}
            | {f"deleted {name}" for name in REFUSE_DELETED}
        )
        self.rows = {row.name for row in (*differences.ROWS, *messages.WORDINGS)}

    def missing(self):
        """What a run of full size must have met and has not."""
        outcomes = {(name, "ok") for name in self.endpoints - ALWAYS_REFUSED} | {
            (name, "refused") for name in self.endpoints - NEVER_REFUSED
        }
        return sorted(
            [f"{name} {how}" for name, how in outcomes if not self.called[name, how]]
            + [name for name in self.names if not self.covered[name]]
            + [f"no longer different: {name}" for name in self.rows - SELDOM if not self.purposes[name]]
        )

    def report(self):
        """How often each endpoint was called, each operator, order and value used, and each row met."""
        lines = [f"{self.calls} calls on each server", "     ok refused"]
        lines += [
            f"{self.called[name, 'ok']:7} {self.called[name, 'refused']:7} {name}"
            for name in sorted(self.endpoints)
        ]
        lines += [f"   not generated: {name}: {why}" for name, why in sorted(self.exempt.items())]
        lines += _table("filter", self.covered) + _table("order", self.covered)
        lines += [f"{self.covered[name]:7} {name}" for name in sorted(self.names) if _kind(name) is None]
        lines += [f"{self.purposes[name]:7} different on purpose: {name}" for name in sorted(self.rows)]
        return "\n".join(lines)


def _kind(name):
    return next((kind for kind in ("filter", "order") if f" {kind} " in name), None)


def _table(kind, covered):
    """One line for each thing that is compared or ordered by, with the count of every operator."""
    lines = {}
    for name in sorted(covered_by_searches()):
        if _kind(name) == kind:
            search, _, term, operator = name.split(" ", 3)
            lines.setdefault(f"{search} {kind} {term}", []).append(f"{operator} {covered[name]}")
    return [f"        {what}: {', '.join(counts)}" for what, counts in lines.items()]
