"""What an administrator may limit, for whom, and how each limit is called where one is reached."""

from dataclasses import fields
from typing import Final

from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.limits import Quotas

WORKSPACE: Final = "workspace"
EXPERIMENT: Final = "experiment"
PRINCIPAL: Final = "principal"
SCOPES: Final = (WORKSPACE, EXPERIMENT, PRINCIPAL)

STORAGE_BYTES: Final = "storage_bytes"
RUNS_PER_DAY: Final = "runs_per_day"
POINTS_PER_SECOND: Final = "points_per_second"
REQUESTS_PER_SECOND: Final = "requests_per_second"
# Limits of every single run or experiment; the server has one of each, which a scope may replace.
OF_EACH: Final = tuple(field.name for field in fields(Quotas))
# Limits of all that a scope has together.
TOTALS: Final = (STORAGE_BYTES, RUNS_PER_DAY)
RATES: Final = (POINTS_PER_SECOND, REQUESTS_PER_SECOND)
LIMITS: Final = (*OF_EACH, *TOTALS, *RATES)
LIMIT_MAX: Final = 10**18 - 1
RATE_MAX: Final = 10**12

_RUNS_ADVICE: Final = (
    "Delete runs that are no longer needed (MlflowClient().delete_run, or many at once by POST"
    " /api/2.0/mlflow/databricks/runs/delete-runs; they count until `tracklog gc`), or log to another"
    " experiment."
)
_TAGS_ADVICE: Final = "Delete tags that are no longer needed, or log the data as an artifact."
_FILES_ADVICE: Final = "Delete artifacts that are no longer needed, or log to another {}."
_ASK: Final = "or ask an administrator for more (tracklog quota set)."
# What is counted, and what to do where there is too much of it.
WORDS: Final = {
    "run_points": (
        "metric points of this run",
        "Log less often, for example every 10th step, or continue in another run.",
    ),
    "run_params": (
        "params of this run",
        "Log structured settings as one JSON artifact instead (mlflow.log_dict).",
    ),
    "run_tags": ("tags of this run", _TAGS_ADVICE),
    "experiment_runs": ("runs of this experiment", _RUNS_ADVICE),
    "experiment_tags": (
        "tags of this experiment",
        "Delete tags that are no longer needed, or keep the data in a run.",
    ),
    "run_artifact_bytes": ("artifact bytes of this run", _FILES_ADVICE.format("run")),
    "experiment_artifact_bytes": ("artifact bytes of this experiment", _FILES_ADVICE.format("experiment")),
    STORAGE_BYTES: (
        "artifact bytes of this {}",
        f"Delete artifacts that are no longer needed, let uploads under way end, {_ASK}",
    ),
    RUNS_PER_DAY: ("runs of this {} today (UTC)", f"Log more into each run, wait until tomorrow, {_ASK}"),
    POINTS_PER_SECOND: (
        "metric points a second of this {}",
        "Log less often, for example every 10th step (mlflow.log_metrics sends several metrics at once).",
    ),
    REQUESTS_PER_SECOND: (
        "requests a second of this {}",
        "Log less often, or more at once (mlflow.log_metrics, asynchronous logging), and read less often.",
    ),
}
assert WORDS.keys() == set(LIMITS)


def warns_at(limit: int) -> int:
    """The count at which a limit is nearly used: the first that is 80 % of it."""
    return (limit * 8 + 9) // 10


def check_limit(scope: str, name: str, most: int | None) -> None:
    """Accept a limit for a scope; None takes it away.

    Raises: Rejected, when there is no such limit there, or it cannot be that.
    """
    if scope not in SCOPES:
        raise Rejected(INVALID, f"There is no scope '{scope[:100]}'; there are {', '.join(SCOPES)}.")
    if name not in LIMITS:
        raise Rejected(INVALID, f"There is no limit '{name[:100]}'; there are {', '.join(LIMITS)}.")
    if most is not None and name in RATES and not 1 <= most <= RATE_MAX:
        raise Rejected(INVALID, f"{name} must be a whole number from 1 to 10^12.")
    if most is not None and not 0 <= most <= LIMIT_MAX:
        raise Rejected(INVALID, f"{name} must be a whole number below 10^18.")
