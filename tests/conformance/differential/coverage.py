"""What a whole run of the suite must have called: each endpoint it is about, each operator, each order."""

from tests.conformance.differential.on_files import PROXY
from tests.conformance.differential.searching import covered_by_searches

ENDPOINTS = frozenset(
    {
        "POST experiments/create", "GET experiments/get", "GET experiments/get-by-name",
        "POST experiments/search",
        "GET experiments/search", "POST experiments/update", "POST experiments/delete",
        "POST experiments/restore",
        "POST experiments/set-experiment-tag", "POST experiments/delete-experiment-tag",
        "POST runs/create", "GET runs/get", "POST runs/update", "POST runs/delete", "POST runs/restore",
        "POST runs/log-metric", "POST runs/log-parameter", "POST runs/set-tag", "POST runs/delete-tag",
        "POST runs/log-batch", "POST runs/search", "POST runs/log-inputs", "POST runs/outputs",
        "POST runs/log-model",
        "GET metrics/get-history", "GET metrics/get-history-bulk", "GET metrics/get-history-bulk-interval",
        "GET artifacts/list", f"PUT {PROXY}/{{path}}", f"GET {PROXY}/{{path}}", f"DELETE {PROXY}/{{path}}",
        f"GET {PROXY}", "POST logged-models", "GET logged-models/{model_id}",
        "PATCH logged-models/{model_id}",
        "DELETE logged-models/{model_id}", "POST logged-models/search", "PATCH logged-models/{model_id}/tags",
        "DELETE logged-models/{model_id}/tags/{key}", "POST logged-models/{model_id}/params",
    }
)  # fmt: skip


def missing(pair):
    """What was to be called and was not; an endpoint also counts as missing when nothing on it succeeded."""
    called = {name for name, count in pair.covered.items() if count}
    only_refused = {name for name in ENDPOINTS & called if pair.refused[name] == pair.covered[name]}
    return sorted((ENDPOINTS | covered_by_searches()) - called | only_refused)


def report(pair):
    """How often each endpoint was called and refused, each operator and order used, each purpose met."""
    lines = [f"{pair.calls} calls on each server"]
    for name in sorted(ENDPOINTS):
        lines.append(f"{pair.covered[name]:7} {name}, {pair.refused[name]} refused")
    lines += [f"{pair.covered[name]:7} {name}" for name in sorted(covered_by_searches())]
    lines += [f"{count:7} different on purpose: {name}" for name, count in sorted(pair.on_purpose.items())]
    return "\n".join(lines)
