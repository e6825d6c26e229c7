"""How MLflow's JSON shows runs and experiments; both the write side and the read side answer with these."""

import math
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

RUN_STATUS: Final = {"RUNNING": 1, "SCHEDULED": 2, "FINISHED": 3, "FAILED": 4, "KILLED": 5}
RUN_STATUS_NAMES: Final = {number: name for name, number in RUN_STATUS.items()}
RUN_NAME_TAG: Final = "mlflow.runName"
LOGGED_MODELS_TAG: Final = "mlflow.log-model.history"


def run_info(
    *,
    run_id: uuid.UUID,
    experiment_id: int,
    name: str,
    user_id: str,
    status: int,
    start_ms: int,
    end_ms: int | None,
    artifact_uri: str,
    deleted: bool,
) -> dict[str, Any]:
    """MLflow's RunInfo; `end_time` is left out of a run that has not ended, or ended at 0."""
    info: dict[str, Any] = {
        "run_uuid": run_id.hex,
        "experiment_id": str(experiment_id),
        "run_name": name,
        "user_id": user_id,
        "status": RUN_STATUS_NAMES[status],
        "start_time": start_ms,
        "end_time": end_ms,
        "artifact_uri": artifact_uri,
        "lifecycle_stage": "deleted" if deleted else "active",
        "run_id": run_id.hex,
    }
    if not end_ms:
        del info["end_time"]
    return info


def key_values(items: Mapping[str, str] | Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Params or tags as MLflow lists them, sorted by key."""
    pairs = items.items() if isinstance(items, Mapping) else items
    return [{"key": key, "value": value} for key, value in sorted(pairs)]


def json_double(value: float) -> float | str:
    """A double as proto-JSON has it: NaN and the infinities are strings."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
