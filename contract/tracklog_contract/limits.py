"""Limits of the protocol (fixed, MLflow's own) and quotas (chosen by whoever runs the server)."""

from dataclasses import dataclass, replace
from typing import Final

KEY_CHARS_MAX: Final = 250
PARAM_VALUE_CHARS_MAX: Final = 6000
TAG_VALUE_CHARS_MAX: Final = 8000
EXPERIMENT_TAG_VALUE_CHARS_MAX: Final = 20_000
EXPERIMENT_NAME_CHARS_MAX: Final = 500
ARTIFACT_LOCATION_CHARS_MAX: Final = 2048
RUN_NAME_CHARS_MAX: Final = 8000
USER_ID_CHARS_MAX: Final = 256

BATCH_METRICS_MAX: Final = 1000
BATCH_PARAMS_MAX: Final = 100
BATCH_TAGS_MAX: Final = 100
BATCH_ITEMS_MAX: Final = 1000

# MLflow's own ids have 34; whatever a client sends as one stands in index rows.
MODEL_ID_CHARS_MAX: Final = 255
DATASET_NAME_CHARS_MAX: Final = 500
DATASET_DIGEST_CHARS_MAX: Final = 36
DATASET_SCHEMA_CHARS_MAX: Final = 1_048_575
DATASET_SOURCE_CHARS_MAX: Final = 65_535
DATASET_PROFILE_CHARS_MAX: Final = 16_777_215
INPUT_TAG_KEY_CHARS_MAX: Final = 255
INPUT_TAG_VALUE_CHARS_MAX: Final = 500

SEARCH_RUNS_DEFAULT: Final = 1000
SEARCH_MAX: Final = 50_000
HISTORY_BULK_MAX: Final = 25_000
HISTORY_INTERVAL_MAX: Final = 2500
HISTORY_RUNS_MAX: Final = 100
SEARCH_DATASETS_EXPERIMENTS_MAX: Final = 20

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1

# MLflow's own ids have 35 characters; whatever a client sends as one stands in index rows.
TRACE_ID_CHARS_MAX: Final = 255
CLIENT_REQUEST_ID_CHARS_MAX: Final = 255
TRACE_NAME_CHARS_MAX: Final = 4096
SESSION_ID_CHARS_MAX: Final = 250
# Longer ones are cut, as MLflow's client cuts them at 1,000.
TRACE_PREVIEW_CHARS_MAX: Final = 10_000
TRACE_METADATA_CHARS_MAX: Final = 8000
TRACE_KEYS_MAX: Final = 1000
TRACE_LINKS_MAX: Final = 100
TRACE_ASSESSMENTS_MAX: Final = 1000
ASSESSMENT_NAME_CHARS_MAX: Final = 250
ASSESSMENT_BYTES_MAX: Final = 1_000_000
SPANS_MAX: Final = 10_000
BATCH_GET_TRACES_MAX: Final = 1000
SEARCH_TRACES_DEFAULT: Final = 100
SEARCH_TRACES_MAX: Final = 500

# Files in one event; more are several events of one append.
ARTIFACT_FILES_MAX: Final = 1000
ARTIFACT_PATH_BYTES_MAX: Final = 4096
ARTIFACT_NAME_BYTES_MAX: Final = 255
ARTIFACT_NAMES_MAX: Final = 64
# A thousand of the largest still count in 64 bits.
ARTIFACT_BYTES_MAX: Final = 10**15
ARTIFACT_ETAG_CHARS_MAX: Final = 255
UPLOAD_ID_CHARS_MAX: Final = 4096
# Of a file sent by upload-artifact; the artifact proxy takes files of any size.
ARTIFACT_UPLOAD_BYTES_MAX: Final = 10 * 2**20
# A dataset profile alone may have 16 MiB.
JSON_BODY_BYTES_MAX: Final = 32 * 2**20

# Of a request of the native lane, beside JSON_BODY_BYTES_MAX.
INGEST_RUNS_MAX: Final = 1000
INGEST_POINTS_MAX: Final = 1_000_000
INGEST_ITEMS_MAX: Final = 100_000

assert BATCH_PARAMS_MAX + BATCH_TAGS_MAX <= BATCH_ITEMS_MAX
assert 3 * 8 * INGEST_POINTS_MAX < JSON_BODY_BYTES_MAX
assert DATASET_PROFILE_CHARS_MAX < JSON_BODY_BYTES_MAX


@dataclass(frozen=True)
class Quotas:
    """How much one run or experiment may hold."""

    run_points: int = 100_000_000
    run_params: int = 1_600
    run_tags: int = 1_600
    experiment_runs: int = 500_000
    experiment_tags: int = 1_000
    run_artifact_bytes: int = 10_000_000_000_000
    experiment_artifact_bytes: int = 100_000_000_000_000


QUOTAS: Final[dict[str, Quotas]] = {
    "default": Quotas(),
    "databricks": Quotas(run_points=1_000_000),
}


def parse_quotas(text: str) -> Quotas:
    """The quotas that `text` names: a preset, and single limits after it, as in "default,run_params=5000".

    Raises: ValueError, saying what is wrong with it.
    """
    preset, *changes = [part.strip() for part in text.split(",")]
    if preset not in QUOTAS:
        raise ValueError(f"must begin with {' or '.join(QUOTAS)}, not {preset!r}")
    limits: dict[str, int] = {}
    for change in changes:
        name, _, number = change.partition("=")
        if name not in Quotas.__dataclass_fields__:
            raise ValueError(f"has no limit {name!r}; there are {', '.join(Quotas.__dataclass_fields__)}")
        if not (number.isascii() and number.isdigit() and len(number) <= 18):
            raise ValueError(f"{name} must be a whole number below 10^18, not {number!r}")
        limits[name] = int(number)
    return replace(QUOTAS[preset], **limits)
