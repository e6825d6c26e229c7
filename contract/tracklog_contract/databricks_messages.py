"""The requests that only Databricks has, as in `messages`, and by what its clients are known."""

from typing import Final

from tracklog_contract.messages import INT, REQUIRED, TEXT
from tracklog_contract.shape import Field, Message

# In the User-Agent of all of Databricks' SDKs, and of who uses them.
DATABRICKS_SDK: Final = "databricks-sdk-"
BULK_RUNS_MAX: Final = 10_000


def _bulk(name: str, time_field: str) -> Message:
    return Message(
        name,
        (
            Field("experiment_id", checks=(REQUIRED, TEXT)),
            Field(time_field, "int64", checks=(REQUIRED, INT)),
            Field("max_runs", "int32", checks=(INT,), default=BULK_RUNS_MAX),
        ),
    )


DELETE_RUNS: Final = _bulk("DeleteRuns", "max_timestamp_millis")
RESTORE_RUNS: Final = _bulk("RestoreRuns", "min_timestamp_millis")
# Without a path it is about the spans.
TRACE_DATA: Final = Message("GetCredentialsForTraceData", (Field("path", checks=(TEXT,)),))
