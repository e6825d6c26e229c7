"""One sample of every event type and version, and of every form its bytes can take.

Run as a program it writes the golden files that are missing; it never changes one that is there.
"""

import math
from pathlib import Path

from tracklog_contract import codec
from tracklog_contract.access_events import (
    MemberSet,
    PermissionSet,
    PrincipalChanged,
    PrincipalCreated,
    PrincipalDeleted,
    SessionStarted,
    TeamDeleted,
    TeamSet,
    TokenCreated,
    TokenRevoked,
    WorkspaceDeleted,
    WorkspaceSet,
)
from tracklog_contract.artifact_events import ArtifactFile, ArtifactsRemoved, ArtifactsStored
from tracklog_contract.events import (
    DatasetUse,
    Event,
    ExperimentCreated,
    ExperimentDeleted,
    ExperimentRenamed,
    ExperimentRestored,
    ExperimentTagDeleted,
    ExperimentTagSet,
    LoggedModelChanged,
    LoggedModelCreated,
    LoggedModelDeleted,
    LoggedModelFinalized,
    LoggedModelTagDeleted,
    MetricLink,
    ModelUse,
    RunCreated,
    RunDeleted,
    RunInputsLogged,
    RunLogged,
    RunModelRecorded,
    RunOutputsLogged,
    RunRestored,
    RunTagDeleted,
    RunUpdated,
)
from tracklog_contract.points import block_of
from tracklog_contract.purge_events import ExperimentPurged, LoggedModelPurged, PointsFreed, RunPurged
from tracklog_contract.quota_events import QuotaNearlyUsed, QuotaSet
from tracklog_contract.trace_events import (
    AssessmentDeleted,
    AssessmentSet,
    SpansRecorded,
    TraceEnded,
    TracesDeleted,
    TracesLinked,
    TraceStarted,
    TraceTagDeleted,
    TraceTagSet,
)

GOLDEN = Path(__file__).parent / "golden"
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
NOON_MS = 1_700_000_000_000
MODEL = "m-0123456789abcdef0123456789abcdef"

_EDGES = (
    "edges",
    (
        [INT64_MIN, -1, 0, INT64_MAX, 0, 0, 0],
        [0, 1, NOON_MS, INT64_MAX, 5, 5, 5],
        [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2],
    ),
)
_LONG = (
    "loss/train",
    (
        list(range(100)),
        [NOON_MS + 100 * step for step in range(100)],
        [1 / (1 + step) for step in range(100)],
    ),
)
TRACE = "tr-0af7651916cd43dd8448eb211c80319c"
# An OTLP TracesData with one span: its ids, its name, when it began and ended.
_SPANS = bytes.fromhex(
    "0a3a123812360a100af7651916cd43dd8448eb211c80319c1208b7ad6b71692033312a06616e73776572390080a1369c99861841"
    "00af09909c998618"
)
_DATASET = DatasetUse(
    "iris", "0a1b2c3d", "local", '{"uri": "/data/iris.csv"}', '{"columns": []}', None, {"context": "train"}
)

# By the name of the golden file. A type's bytes may have more than one form: each is sampled.
SAMPLES: dict[str, Event] = {
    "experiment_created.1": ExperimentCreated("größer", "mlflow-artifacts:/7", NOON_MS, {"team": "vision"}),
    "experiment_renamed.1": ExperimentRenamed("a new name", NOON_MS + 1),
    "experiment_deleted.1": ExperimentDeleted(NOON_MS + 2),
    "experiment_restored.1": ExperimentRestored(NOON_MS + 3),
    "experiment_tag_set.1": ExperimentTagSet("mlflow.note.content", "what this is about"),
    "experiment_tag_set.1.packed": ExperimentTagSet("mlflow.note.content", "again and again " * 100),
    "experiment_tag_deleted.1": ExperimentTagDeleted("team"),
    "run_created.1": RunCreated(
        "steady-heron-417", "ada", NOON_MS, "mlflow-artifacts:/7/ab/artifacts", {"mlflow.user": "ada"}
    ),
    "run_updated.1": RunUpdated(3, NOON_MS + 60_000, "renamed"),
    "run_updated.1.status_only": RunUpdated(status=4),
    "run_deleted.1": RunDeleted(NOON_MS + 4),
    "run_restored.1": RunRestored(),
    "run_logged.1": RunLogged(block_of([_EDGES]), {"lr": "0.1"}, {"stage": ""}),
    "run_logged.1.nothing": RunLogged(),
    "run_logged.1.params": RunLogged(params={"lr": "0.1", "λ": ""}),
    "run_logged.1.links": RunLogged(
        block_of([("acc", ([1], [2], [0.5])), ("acc", ([1], [2], [0.25]))]),
        links=(MetricLink(0, MODEL), MetricLink(1, None, "iris", "0a1b2c3d")),
    ),
    "run_logged.1.packed": RunLogged(block_of([_LONG, _EDGES]), {"lr": "0.1"}, {}, (MetricLink(0, MODEL),)),
    "run_tag_deleted.1": RunTagDeleted("stage"),
    "run_inputs_logged.1": RunInputsLogged((_DATASET,), (ModelUse(MODEL),)),
    "run_outputs_logged.1": RunOutputsLogged((ModelUse(MODEL, 3), ModelUse("m-other", 0))),
    "run_model_recorded.1": RunModelRecorded('{"run_id": "ab", "flavors": {}}'),
    "logged_model_created.1": LoggedModelCreated(
        MODEL, "model", f"mlflow-artifacts:/7/models/{MODEL}/artifacts", NOON_MS, "classifier", "ab",
        {"depth": "3"}, {"owner": "ada"},
    ),
    "logged_model_finalized.1": LoggedModelFinalized(MODEL, 2, NOON_MS + 5),
    "logged_model_changed.1": LoggedModelChanged(MODEL, {"trees": "10"}, {"owner": "grace"}),
    "logged_model_tag_deleted.1": LoggedModelTagDeleted(MODEL, "owner"),
    "logged_model_deleted.1": LoggedModelDeleted(MODEL, NOON_MS + 6),
    "trace_started.1": TraceStarted(
        TRACE, NOON_MS, "OK", 1500, "request-1", '{"q": "größer?"}', '"ja"', {"mlflow.trace.session": "s-1"},
        {"mlflow.traceName": "answer"},
    ),
    "trace_started.1.bare": TraceStarted(TRACE, NOON_MS, "IN_PROGRESS"),
    "spans_recorded.1": SpansRecorded(TRACE, _SPANS, {"service.name": "shop"}),
    "trace_ended.1": TraceEnded(TRACE, NOON_MS + 7, "ERROR", {"tries": "3"}, {"stage": ""}),
    "trace_tag_set.1": TraceTagSet(TRACE, "stage", "λ"),
    "trace_tag_deleted.1": TraceTagDeleted(TRACE, "stage"),
    "traces_deleted.1": TracesDeleted((TRACE, "tr-other")),
    "assessment_set.1": AssessmentSet(TRACE, "a-1", '{"assessment_name":"good","feedback":{"value":true}}'),
    "assessment_deleted.1": AssessmentDeleted(TRACE, "a-1"),
    "traces_linked.1": TracesLinked((TRACE, "tr-other")),
    "artifacts_stored.1": ArtifactsStored(
        (
            ArtifactFile("7/ab/artifacts/größe.bin", 2**40, "0f" * 32, "d41d8cd98f00b204e9800998ecf8427e-3"),
            ArtifactFile("7/ab/artifacts/empty", 0),
        )
    ),
    "artifacts_removed.1": ArtifactsRemoved("7/ab/artifacts/plots"),
    "principal_created.1": PrincipalCreated("nightly job", service=True, admin=True, home="lab"),
    "principal_created.1.plain": PrincipalCreated("ada"),
    "principal_changed.1": PrincipalChanged("ada", admin=False, disabled=True, password=True),
    "principal_deleted.1": PrincipalDeleted("ada"),
    "token_created.1": TokenCreated("tkl_0123456789ab", "ada", "lab", NOON_MS, "for the cluster"),
    "token_revoked.1": TokenRevoked("tkl_0123456789ab", "ada"),
    "team_set.1": TeamSet("role", "reviewers", "lab", "who read all", "readers"),
    "team_deleted.1": TeamDeleted("group", "everyone"),
    "member_set.1": MemberSet("role", "reviewers", "ada", "lab", gone=True),
    "permission_set.1": PermissionSet("lab", "user", "ada", "experiment", "7", 3),
    "permission_set.1.gone": PermissionSet("lab", "group", "everyone", "workspace", "*"),
    "workspace_set.1": WorkspaceSet("lab", "größer", 0),
    "workspace_deleted.1": WorkspaceDeleted("lab"),
    "session_started.1": SessionStarted("ada", "https://login.example.org"),
    "points_freed.1": PointsFreed(2**25, 1_000_000, 100, 7),
    "run_purged.1": RunPurged("7/ab/artifacts"),
    "run_purged.1.elsewhere": RunPurged(),
    "logged_model_purged.1": LoggedModelPurged(MODEL, f"7/models/{MODEL}/artifacts"),
    "experiment_purged.1": ExperimentPurged("7"),
    "quota_set.1": QuotaSet("principal", "größer", "runs_per_day", 10**18 - 1),
    "quota_set.1.gone": QuotaSet("workspace", "lab", "points_per_second"),
    "quota_nearly_used.1": QuotaNearlyUsed("run", "ab" * 16, "run_points", 800_000, 1_000_000),
}  # fmt: skip


def golden_file(name: str) -> Path:
    """Where the bytes of a sample are pinned."""
    return GOLDEN / f"{name}.bin"


if __name__ == "__main__":
    for sample, event in SAMPLES.items():
        if not golden_file(sample).exists():
            golden_file(sample).write_bytes(codec.encode(event))
            print(f"wrote {golden_file(sample).name}")
