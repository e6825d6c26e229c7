"""How MLflow's JSON shows traces and assessments, in version 3 and 2."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tracklog_contract.answers import key_values
from tracklog_contract.well_known import duration_text, timestamp_text

# Longer texts are cut in answers only; searches see them whole.
METADATA_SHOWN_CHARS: Final = 250
TAG_SHOWN_CHARS: Final = 4096


@dataclass
class TraceView:
    """All that is known of a trace but its spans. Times in ms (since 1970)."""

    trace_id: str
    experiment_id: int
    request_ms: int
    state: str
    duration_ms: int | None = None
    client_request_id: str | None = None
    request_preview: str | None = None
    response_preview: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    assessments: Sequence[Mapping[str, Any]] = ()

    def answer(self) -> dict[str, Any]:
        """MLflow's TraceInfoV3."""
        texts = {
            "client_request_id": self.client_request_id,
            "request_preview": self.request_preview,
            "response_preview": self.response_preview,
        }
        info: dict[str, Any] = {
            "trace_id": self.trace_id,
            "trace_location": {
                "type": "MLFLOW_EXPERIMENT",
                "mlflow_experiment": {"experiment_id": str(self.experiment_id)},
            },
            "request_time": timestamp_text(self.request_ms),
            "state": self.state,
            **{name: text for name, text in texts.items() if text is not None},
        }
        if self.duration_ms is not None:
            info["execution_duration"] = duration_text(self.duration_ms)
        lists = {
            "trace_metadata": _cut(self.metadata, METADATA_SHOWN_CHARS),
            "tags": _cut(self.tags, TAG_SHOWN_CHARS),
            "assessments": [assessment_answer(document) for document in self.assessments],
        }
        return {**info, **{name: items for name, items in lists.items() if items}}

    def answer_v2(self) -> dict[str, Any]:
        """MLflow's TraceInfo, of version 2."""
        info: dict[str, Any] = {
            "request_id": self.trace_id,
            "experiment_id": str(self.experiment_id),
            "timestamp_ms": self.request_ms,
            # Version 2 knows no trace without it.
            "execution_time_ms": self.duration_ms or 0,
            "status": "TRACE_STATUS_UNSPECIFIED" if self.state == "STATE_UNSPECIFIED" else self.state,
        }
        lists = {
            "request_metadata": key_values(_cut(self.metadata, METADATA_SHOWN_CHARS)),
            "tags": key_values(_cut(self.tags, TAG_SHOWN_CHARS)),
        }
        return {**info, **{name: items for name, items in lists.items() if items}}


def _cut(items: Mapping[str, str], chars: int) -> dict[str, str]:
    return {key: value[:chars] for key, value in items.items()}


def assessment_answer(document: Mapping[str, Any]) -> dict[str, Any]:
    """MLflow's Assessment of a stored document, in which times are ms and the expectation is bare."""
    shown = {name: part for name, part in document.items() if name != "metadata" or part}
    for name in ("create_time", "last_update_time"):
        shown[name] = timestamp_text(document[name])
    if "expectation" in document:
        shown["expectation"] = _expectation(document["expectation"]["value"])
    return shown


def _expectation(value: Any) -> dict[str, Any]:
    if isinstance(value, (str, int, float)):
        return {"value": value}
    # MLflow wraps what is no primitive.
    return {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": json.dumps(value)}}
