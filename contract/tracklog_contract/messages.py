"""The requests of MLflow's tracking endpoints, each with the checks and defaults MLflow gives its fields.

A field has a default where MLflow does not tell absent from default. Fields stand in the order in
which MLflow checks them.
"""

from typing import Any, Final

from tracklog_contract.limits import (
    HISTORY_BULK_MAX,
    HISTORY_INTERVAL_MAX,
    HISTORY_RUNS_MAX,
    SEARCH_DATASETS_EXPERIMENTS_MAX,
    SEARCH_MAX,
    SEARCH_RUNS_DEFAULT,
)
from tracklog_contract.protojson import API_DOCS, whole_number
from tracklog_contract.shape import Check, Field, Message

VIEW_TYPES: Final = {"ACTIVE_ONLY": 1, "DELETED_ONLY": 2, "ALL": 3}
RUN_STATUSES: Final = {"RUNNING": 1, "SCHEDULED": 2, "FINISHED": 3, "FAILED": 4, "KILLED": 5}
LOGGED_MODEL_STATUSES: Final = {
    "LOGGED_MODEL_STATUS_UNSPECIFIED": 0,
    "LOGGED_MODEL_PENDING": 1,
    "LOGGED_MODEL_READY": 2,
    "LOGGED_MODEL_UPLOAD_FAILED": 3,
}


def _is_number(raw: Any) -> bool:
    try:
        float(raw)
    except OverflowError:
        return True  # The decoder says more than "of type int".
    except (TypeError, ValueError):
        return False
    return True


def _is_whole_number(raw: Any) -> bool:
    # An absent one is for REQUIRED to refuse, a fraction for the decoder: MLflow rounds it here.
    return raw is None or isinstance(raw, float) or _is_python_int(raw)


def _is_python_int(raw: Any) -> bool:
    try:
        int(raw)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


_MISSING: Final = "Missing value for required parameter '{path}'." + API_DOCS
REQUIRED: Final = Check("present", lambda raw: raw is not None and raw != "", _MISSING)
TEXT: Final = Check("type", lambda raw: isinstance(raw, str))
INT: Final = Check("type", _is_whole_number)
NUMBER: Final = Check("type", _is_number)
ARRAY: Final = Check("type", lambda raw: isinstance(raw, list))
TEXTS: Final = Check("type", lambda raw: isinstance(raw, list) and all(isinstance(item, str) for item in raw))


def at_most(highest: int) -> Check:
    """That a number, where one is given, is not above `highest`."""
    return Check("value", lambda raw: (number := whole_number(raw)) is None or number <= highest)


def _between(lowest: int, highest: int, text: str) -> Check:
    return Check(
        "value", lambda raw: (number := whole_number(raw)) is None or lowest <= number <= highest, text
    )


def items_at_most(highest: int, text: str) -> Check:
    """That a list is not longer than `highest`; `text` as of `Check`."""
    return Check("value", lambda raw: not isinstance(raw, list) or len(raw) <= highest, text)


def _text(name: str, *checks: Check, default: str | None = None) -> Field:
    return Field(name, checks=(*checks, TEXT), default=default)


def _texts(name: str, *checks: Check) -> Field:
    return Field(name, checks=(*checks, ARRAY, TEXTS), repeated=True)


def _many(name: str, message: Message, *checks: Check) -> Field:
    return Field(name, "message", checks=(*checks, ARRAY), repeated=True, message=message)


def _view_type(name: str) -> Field:
    return Field(name, "enum", numbers=VIEW_TYPES, default=VIEW_TYPES["ACTIVE_ONLY"])


_EXPERIMENT_ID: Final = _text("experiment_id", REQUIRED)
# Endpoints of MLflow's first versions knew the run id as run_uuid.
_OLD_RUN_ID: Final = Field("run_id", checks=(REQUIRED, TEXT), alias="run_uuid")
_RUN_ID: Final = _text("run_id", REQUIRED)
_MODEL_ID: Final = _text("model_id", REQUIRED)
_KEY: Final = _text("key", REQUIRED)
_VALUE: Final = _text("value", default="")
_PAGE_TOKEN: Final = _text("page_token")
_FILTER: Final = _text("filter", default="")

KEY_VALUE: Final = Message("KeyValue", (Field("key", default=""), Field("value", default="")))
_TAGS: Final = _many("tags", KEY_VALUE)
_PARAMS: Final = _many("params", KEY_VALUE)

CREATE_EXPERIMENT: Final = Message(
    "CreateExperiment",
    (_text("name", REQUIRED), _text("artifact_location", default=""), _TAGS),
)
GET_EXPERIMENT: Final = Message("GetExperiment", (_EXPERIMENT_ID,))
GET_EXPERIMENT_BY_NAME: Final = Message("GetExperimentByName", (_text("experiment_name", REQUIRED),))
SEARCH_EXPERIMENTS: Final = Message(
    "SearchExperiments",
    (
        _view_type("view_type"),
        Field("max_results", "int64", checks=(INT,), default=0),
        _texts("order_by"),
        _FILTER,
        _PAGE_TOKEN,
    ),
)
SEARCH_DATASETS: Final = Message(
    "SearchDatasets",
    (
        Field(
            "experiment_ids",
            checks=(
                Check("present", bool, "SearchDatasets request must specify at least one experiment_id."),
                items_at_most(
                    SEARCH_DATASETS_EXPERIMENTS_MAX,
                    "SearchDatasets request cannot specify more than "
                    f"{SEARCH_DATASETS_EXPERIMENTS_MAX} experiment_ids. Received {{count}} experiment_ids.",
                ),
            ),
            repeated=True,
        ),
    ),
)
UPDATE_EXPERIMENT: Final = Message("UpdateExperiment", (_EXPERIMENT_ID, _text("new_name", REQUIRED)))
DELETE_EXPERIMENT: Final = Message("DeleteExperiment", (_EXPERIMENT_ID,))
RESTORE_EXPERIMENT: Final = Message("RestoreExperiment", (_EXPERIMENT_ID,))
SET_EXPERIMENT_TAG: Final = Message("SetExperimentTag", (_EXPERIMENT_ID, _KEY, _VALUE))
DELETE_EXPERIMENT_TAG: Final = Message("DeleteExperimentTag", (_EXPERIMENT_ID, _KEY))

CREATE_RUN: Final = Message(
    "CreateRun",
    (
        # MLflow answers a run without experiment with its database's error.
        _EXPERIMENT_ID,
        Field("start_time", "int64", checks=(INT,), default=0),
        _text("run_name", default=""),
        _text("user_id", default=""),
        _TAGS,
    ),
)
GET_RUN: Final = Message("GetRun", (_OLD_RUN_ID,))
UPDATE_RUN: Final = Message(
    "UpdateRun",
    (
        _OLD_RUN_ID,
        Field("end_time", "int64", checks=(INT,)),
        Field("status", "enum", checks=(TEXT,), numbers=RUN_STATUSES),
        _text("run_name"),
    ),
)
DELETE_RUN: Final = Message("DeleteRun", (_RUN_ID,))
RESTORE_RUN: Final = Message("RestoreRun", (_RUN_ID,))
SEARCH_RUNS: Final = Message(
    "SearchRuns",
    (
        _texts("experiment_ids"),
        _FILTER,
        Field(
            "max_results",
            "int32",
            checks=(INT, at_most(SEARCH_MAX)),
            default=SEARCH_RUNS_DEFAULT,
        ),
        _texts("order_by"),
        _view_type("run_view_type"),
        _PAGE_TOKEN,
    ),
)
LOG_METRIC: Final = Message(
    "LogMetric",
    (
        _OLD_RUN_ID,
        _KEY,
        Field("value", "double", checks=(REQUIRED, NUMBER)),
        Field("timestamp", "int64", checks=(INT, REQUIRED)),
        Field("step", "int64", checks=(INT,), default=0),
        _text("model_id"),
        _text("dataset_name"),
        _text("dataset_digest"),
    ),
)
LOG_PARAMETER: Final = Message("LogParam", (_OLD_RUN_ID, _KEY, _VALUE))
SET_TAG: Final = Message("SetTag", (_OLD_RUN_ID, _KEY, _VALUE))
DELETE_TAG: Final = Message("DeleteTag", (_RUN_ID, _KEY))

BATCH_METRIC: Final = Message(
    "Metric",
    (
        Field("key", checks=(REQUIRED,)),
        Field("value", "double", checks=(REQUIRED,)),
        Field("timestamp", "int64", checks=(REQUIRED,)),
        Field("step", "int64", default=0),
        Field("model_id"),
        Field("dataset_name"),
        Field("dataset_digest"),
        Field("run_id"),
    ),
)
BATCH_KEY_VALUE: Final = Message("KeyValue", (Field("key", checks=(REQUIRED,)), Field("value", default="")))
LOG_BATCH: Final = Message(
    "LogBatch",
    (
        Field("run_id", checks=(TEXT, REQUIRED)),
        _many("metrics", BATCH_METRIC),
        _many("params", BATCH_KEY_VALUE),
        _many("tags", BATCH_KEY_VALUE),
    ),
)

DATASET: Final = Message(
    "Dataset",
    (
        *(Field(name, default="") for name in ("name", "digest", "source_type", "source")),
        Field("schema"),
        Field("profile"),
    ),
)
# An input without a dataset has this one.
NO_DATASET: Final = DATASET.defaults
DATASET_INPUT: Final = Message(
    "DatasetInput", (Field("dataset", "message", message=DATASET), _many("tags", KEY_VALUE))
)
MODEL_INPUT: Final = Message("ModelInput", (Field("model_id", default=""),))
MODEL_OUTPUT: Final = Message(
    "ModelOutput", (Field("model_id", default=""), Field("step", "int64", default=0))
)
LOG_INPUTS: Final = Message(
    "LogInputs", (_RUN_ID, _many("datasets", DATASET_INPUT), _many("models", MODEL_INPUT))
)
LOG_OUTPUTS: Final = Message("LogOutputs", (_RUN_ID, _many("models", MODEL_OUTPUT, REQUIRED)))
LOG_MODEL: Final = Message(
    "LogModel", (Field("run_id", checks=(TEXT, REQUIRED)), Field("model_json", checks=(TEXT, REQUIRED)))
)

LIST_ARTIFACTS: Final = Message("ListArtifacts", (_OLD_RUN_ID, _text("path"), _PAGE_TOKEN))

CREATE_PRESIGNED_UPLOAD_URL: Final = Message(
    "CreatePresignedUploadUrl",
    (
        _text("run_id", default=""),
        _text("model_id", default=""),
        _text("path", REQUIRED),
        Field("expiration", "int64", checks=(INT,)),
    ),
)
CREATE_PRESIGNED_DOWNLOAD_URL: Final = Message(
    "CreatePresignedDownloadUrl",
    (_RUN_ID, _text("path", REQUIRED), Field("expiration", "int64", checks=(INT,))),
)

GET_METRIC_HISTORY: Final = Message(
    "GetMetricHistory",
    # MLflow's max_results has 32 bits, but it gives the whole history for a greater number.
    (_OLD_RUN_ID, _text("metric_key", REQUIRED), _PAGE_TOKEN, Field("max_results", "int64")),
)
GET_METRIC_HISTORY_BULK: Final = Message(
    "GetMetricHistoryBulk",
    (
        Field(
            "run_id",
            checks=(
                Check("present", bool, "GetMetricHistoryBulk request must specify at least one run_id."),
                items_at_most(
                    HISTORY_RUNS_MAX,
                    f"GetMetricHistoryBulk request cannot specify more than {HISTORY_RUNS_MAX} run_ids. "
                    "Received {count} run_ids.",
                ),
            ),
            repeated=True,
        ),
        Field(
            "metric_key",
            checks=(
                Check(
                    "present",
                    lambda raw: raw is not None,
                    "GetMetricHistoryBulk request must specify a metric_key.",
                ),
            ),
        ),
        Field("max_results", "int64", default=HISTORY_BULK_MAX),
    ),
)
GET_METRIC_HISTORY_BULK_INTERVAL: Final = Message(
    "GetMetricHistoryBulkInterval",
    (
        Field(
            "run_ids",
            checks=(
                REQUIRED,
                ARRAY,
                TEXTS,
                items_at_most(
                    HISTORY_RUNS_MAX,
                    "GetMetricHistoryBulkInterval request must specify at most "
                    f"{HISTORY_RUNS_MAX} run_ids. Received {{count}} run_ids.{API_DOCS}",
                ),
            ),
            repeated=True,
        ),
        _text("metric_key", REQUIRED),
        # int32 in MLflow's message, but its handler takes any integer, and steps have 64 bits.
        Field("start_step", "int64", checks=(INT,)),
        Field("end_step", "int64", checks=(INT,)),
        Field(
            "max_results",
            "int32",
            checks=(
                INT,
                _between(
                    1,
                    HISTORY_INTERVAL_MAX,
                    f"max_results must be between 1 and {HISTORY_INTERVAL_MAX}.{API_DOCS}",
                ),
            ),
            default=HISTORY_INTERVAL_MAX,
        ),
    ),
)

CREATE_LOGGED_MODEL: Final = Message(
    "CreateLoggedModel",
    (
        Field("experiment_id", checks=(TEXT, REQUIRED)),
        _text("name", default=""),
        _text("model_type", default=""),
        _text("source_run_id", default=""),
        _PARAMS,
        _TAGS,
    ),
)
GET_LOGGED_MODEL: Final = Message("GetLoggedModel", (Field("allow_deleted", "bool", default=False),))
# The model is in the path. MLflow wants it in the body too, where Databricks' SDK does not say it.
_MODEL_AGAIN: Final = Field("model_id", checks=(TEXT,))
FINALIZE_LOGGED_MODEL: Final = Message(
    "FinalizeLoggedModel",
    (
        _MODEL_AGAIN,
        Field("status", "enum", checks=(REQUIRED, INT), numbers=LOGGED_MODEL_STATUSES),
    ),
)
_DATASET_NAME: Final = Check("present", bool, "`dataset_name` in the `datasets` clause must be specified.")
_ORDER_FIELD: Final = Check("present", lambda raw: raw is not None, "Invalid order by field name: ")
SEARCH_LOGGED_MODELS: Final = Message(
    "SearchLoggedModels",
    (
        Field("experiment_ids", checks=(ARRAY, TEXTS, REQUIRED), repeated=True),
        _FILTER,
        _many(
            "datasets",
            Message("Dataset", (Field("dataset_name", checks=(_DATASET_NAME,)), Field("dataset_digest"))),
        ),
        Field("max_results", "int32", checks=(INT,), default=50),
        _many(
            "order_by",
            Message(
                "OrderBy",
                (
                    Field("field_name", checks=(_ORDER_FIELD,)),
                    Field("ascending", "bool", default=True),
                    Field("dataset_name"),
                    Field("dataset_digest"),
                ),
            ),
        ),
        _PAGE_TOKEN,
    ),
)
SET_LOGGED_MODEL_TAGS: Final = Message("SetLoggedModelTags", (_TAGS,))
LOG_LOGGED_MODEL_PARAMS: Final = Message("LogLoggedModelParams", (_MODEL_AGAIN, _PARAMS))
LIST_LOGGED_MODEL_ARTIFACTS: Final = Message(
    "ListLoggedModelArtifacts", (_text("artifact_directory_path"), _PAGE_TOKEN)
)
