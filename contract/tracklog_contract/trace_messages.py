"""The requests of MLflow's trace endpoints, of version 2 and 3 (messages.py says how to read these)."""

from typing import Final

from tracklog_contract.limits import SEARCH_TRACES_DEFAULT, SEARCH_TRACES_MAX, TRACE_LINKS_MAX
from tracklog_contract.messages import ARRAY, INT, KEY_VALUE, REQUIRED, TEXT, TEXTS, at_most, items_at_most
from tracklog_contract.shape import Field, Message

TRACE_STATES: Final = {"STATE_UNSPECIFIED": 0, "OK": 1, "ERROR": 2, "IN_PROGRESS": 3}
TRACE_STATE_NAMES: Final = {number: name for name, number in TRACE_STATES.items()}
# What version 2 calls them.
TRACE_STATUSES: Final = {"TRACE_STATUS_UNSPECIFIED": 0, "OK": 1, "ERROR": 2, "IN_PROGRESS": 3}
_SOURCE_TYPES: Final = {"SOURCE_TYPE_UNSPECIFIED": 0, "HUMAN": 1, "LLM_JUDGE": 2, "CODE": 3}
SOURCE_TYPE_NAMES: Final = {number: name for name, number in _SOURCE_TYPES.items()}


def _part(name: str, message: Message, *, required: bool = False, repeated: bool = False) -> Field:
    checks = (REQUIRED,) if required else ()
    return Field(name, "message", checks=checks, repeated=repeated, message=message)


_ERROR: Final = Message(
    "AssessmentError", (Field("error_code"), Field("error_message"), Field("stack_trace"))
)
_SERIALIZED: Final = Message("SerializedValue", (Field("serialization_format", default=""), Field("value")))
ASSESSMENT: Final = Message(
    "Assessment",
    (
        Field("assessment_id"),
        Field("assessment_name", default=""),
        Field("trace_id"),
        Field("span_id"),
        _part(
            "source",
            Message(
                "AssessmentSource",
                (Field("source_type", "enum", numbers=_SOURCE_TYPES, default=0), Field("source_id")),
            ),
        ),
        Field("create_time", "timestamp"),
        Field("last_update_time", "timestamp"),
        _part("feedback", Message("Feedback", (Field("value", "free"), _part("error", _ERROR)))),
        _part(
            "expectation",
            Message("Expectation", (Field("value", "free"), _part("serialized_value", _SERIALIZED))),
        ),
        _part("issue", Message("IssueReference", (Field("issue_name", default=""),))),
        Field("rationale"),
        _part("error", _ERROR),
        Field("metadata", "map"),
        Field("overrides"),
        Field("valid", "bool"),
    ),
)
CREATE_ASSESSMENT: Final = Message("CreateAssessment", (_part("assessment", ASSESSMENT, required=True),))
UPDATE_ASSESSMENT: Final = Message(
    "UpdateAssessment",
    (
        _part("assessment", ASSESSMENT, required=True),
        # A field mask is one text in JSON: the paths, in camelCase, between commas.
        Field("update_mask", checks=(REQUIRED,)),
    ),
)

_EXPERIMENT_LOCATION: Final = Message("MlflowExperimentLocation", (Field("experiment_id", default=""),))
_LOCATION: Final = Message("TraceLocation", (_part("mlflow_experiment", _EXPERIMENT_LOCATION),))
_TRACE_INFO: Final = Message(
    "TraceInfoV3",
    (
        Field("trace_id", default=""),
        Field("client_request_id"),
        _part("trace_location", _LOCATION),
        Field("request_preview"),
        Field("response_preview"),
        Field("request_time", "timestamp"),
        Field("execution_duration", "duration"),
        Field("state", "enum", numbers=TRACE_STATES, default=0),
        Field("trace_metadata", "map"),
        _part("assessments", ASSESSMENT, repeated=True),
        Field("tags", "map"),
    ),
)
START_TRACE: Final = Message(
    "StartTraceV3", (_part("trace", Message("Trace", (_part("trace_info", _TRACE_INFO),)), required=True),)
)

_TAGS: Final = Field("tags", "message", checks=(ARRAY,), repeated=True, message=KEY_VALUE)
_METADATA: Final = Field("request_metadata", "message", checks=(ARRAY,), repeated=True, message=KEY_VALUE)
START_TRACE_V2: Final = Message(
    "StartTrace",
    (
        Field("experiment_id", checks=(TEXT,), default=""),
        Field("timestamp_ms", "int64", checks=(INT,), default=0),
        _METADATA,
        _TAGS,
    ),
)
END_TRACE_V2: Final = Message(
    "EndTrace",
    (
        Field("timestamp_ms", "int64", checks=(INT,), default=0),
        Field("status", "enum", checks=(TEXT,), numbers=TRACE_STATUSES, default=0),
        _METADATA,
        _TAGS,
    ),
)

SET_TRACE_TAG: Final = Message(
    "SetTraceTag", (Field("key", checks=(TEXT, REQUIRED)), Field("value", checks=(TEXT,), default=""))
)
DELETE_TRACE_TAG: Final = Message("DeleteTraceTag", (Field("key", checks=(TEXT, REQUIRED)),))
DELETE_TRACES: Final = Message(
    "DeleteTraces",
    (
        Field("experiment_id", checks=(TEXT, REQUIRED)),
        Field("max_timestamp_millis", "int64", checks=(INT,)),
        Field("max_traces", "int32", checks=(INT,)),
        Field("request_ids", checks=(ARRAY, TEXTS), repeated=True),
    ),
)
LINK_TRACES: Final = Message(
    "LinkTracesToRun",
    (
        Field(
            "trace_ids",
            checks=(
                ARRAY,
                REQUIRED,
                TEXTS,
                items_at_most(
                    TRACE_LINKS_MAX,
                    f"Cannot link more than {TRACE_LINKS_MAX} traces to a run in a single request. "
                    "Provided {count} traces.",
                ),
            ),
            repeated=True,
        ),
        Field("run_id", checks=(TEXT, REQUIRED)),
    ),
)

GET_TRACE: Final = Message(
    "GetTrace",
    (Field("trace_id", checks=(TEXT, REQUIRED)), Field("allow_partial", "bool", default=False)),
)
_TRACE_IDS: Final = Field("trace_ids", checks=(ARRAY, REQUIRED, TEXTS), repeated=True)
_SCOPE: Final = Field("experiment_ids", checks=(ARRAY, TEXTS), repeated=True)
BATCH_GET_TRACES: Final = Message("BatchGetTraces", (_TRACE_IDS, _SCOPE))

_SEARCH: Final = (
    Field("filter", checks=(TEXT,), default=""),
    Field("max_results", "int32", checks=(INT, at_most(SEARCH_TRACES_MAX)), default=SEARCH_TRACES_DEFAULT),
    Field("order_by", checks=(ARRAY, TEXTS), repeated=True),
    Field("page_token", checks=(TEXT,)),
)
SEARCH_TRACES: Final = Message(
    "SearchTracesV3",
    (Field("locations", "message", checks=(ARRAY, REQUIRED), repeated=True, message=_LOCATION), *_SEARCH),
)
SEARCH_TRACES_V2: Final = Message(
    "SearchTraces", (Field("experiment_ids", checks=(ARRAY, TEXTS, REQUIRED), repeated=True), *_SEARCH)
)
