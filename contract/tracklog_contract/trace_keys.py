"""The tags, metadata and span attributes of traces that have a meaning, under MLflow's names."""

from typing import Final

TRACE_NAME_TAG: Final = "mlflow.traceName"
LINKED_PROMPTS_TAG: Final = "mlflow.linkedPrompts"
ARTIFACT_LOCATION_TAG: Final = "mlflow.artifactLocation"
SPANS_LOCATION_TAG: Final = "mlflow.trace.spansLocation"
# The one place where the server itself keeps spans.
SPANS_HERE: Final = "TRACKING_STORE"
ARCHIVE_LOCATION_TAG: Final = "mlflow.trace.archiveLocation"
ARCHIVAL_FAILURE_TAG: Final = "mlflow.trace.archivalFailure"

SOURCE_RUN: Final = "mlflow.sourceRun"
SIZE_STATS: Final = "mlflow.trace.sizeStats"
TOKEN_USAGE: Final = "mlflow.trace.tokenUsage"  # noqa: S105  # no password
COST: Final = "mlflow.trace.cost"
USER: Final = "mlflow.trace.user"
SESSION: Final = "mlflow.trace.session"
FINALIZED: Final = "mlflow.trace.infoFinalized"

SPAN_TRACE_ID: Final = "mlflow.traceRequestId"
SPAN_TYPE: Final = "mlflow.spanType"
SPAN_INPUTS: Final = "mlflow.spanInputs"
SPAN_OUTPUTS: Final = "mlflow.spanOutputs"
SPAN_USAGE: Final = "mlflow.chat.tokenUsage"
SPAN_COST: Final = "mlflow.llm.cost"
SPAN_TRACE_TAG: Final = "mlflow.traceTag."
SPAN_SESSIONS: Final = ("session.id", "gen_ai.conversation.id")
SPAN_USER: Final = "user.id"

# In the order in which MLflow lists them; the first three are always there.
USAGE_KEYS: Final = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation_input_tokens_above_1hr",
)
COST_KEYS: Final = ("input_cost", "output_cost", "total_cost")
