"""For every route one request that touches a given experiment, so that its answer tells who may do what."""

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgpack

from tests.support.access import World, spans
from tests.support.native import MSGPACK, series
from tests.support.otlp import PROTOBUF


@dataclass(frozen=True)
class Asked:
    """A request: its path, its body's fields or bytes (of a GET its query), and headers."""

    path: str
    fields: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


ANY: Final = secrets.token_hex(4)
MODEL: Final = "/api/2.0/mlflow/logged-models/"
FS: Final = "/api/2.0/fs"
NATIVE: Final = "/api/tracklog/v1/artifacts"
MLFLOW_3: Final = "/api/3.0/mlflow"
# Of the first role of a new server, and of the first permission that it has.
ROLE_ID: Final = 1
TRACES_3: Final = "/api/3.0/mlflow/traces"
TRACES_4: Final = "/api/4.0/mlflow/traces"


def _dataset() -> dict[str, Any]:
    return {"dataset": {"name": "d", "digest": "d", "source_type": "s", "source": "s"}, "tags": []}


def _native(world: World) -> Asked:
    run = {"run_id": world.run_id, "points": series(loss=[1.0])}
    body = msgpack.packb({"producer": secrets.token_bytes(16), "sequence": 1, "runs": [run]})
    return Asked("/api/tracklog/v1/ingest", body, MSGPACK)


def _otlp(world: World) -> Asked:
    headers = {"Content-Type": PROTOBUF, "x-mlflow-experiment-id": world.experiment_id}
    return Asked("/v1/traces", spans(secrets.token_hex(16), "more"), headers)


def _graphql(world: World) -> dict[str, Any]:
    query = (
        "query($run: MlflowGetRunInput, $experiment: MlflowGetExperimentInput, $runs: MlflowSearchRunsInput)"
        " { mlflowGetRun(input: $run) { run { info { runName } } }"
        " mlflowGetExperiment(input: $experiment) { experiment { name } }"
        " mlflowSearchRuns(input: $runs) { runs { info { runName } } } }"
    )
    variables = {
        "run": {"runId": world.run_id},
        "experiment": {"experimentId": world.experiment_id},
        "runs": {"experimentIds": [world.experiment_id], "runViewType": "ACTIVE_ONLY", "maxResults": 10},
    }
    return {"query": query, "variables": variables}


def _file(world: World) -> str:
    return f"{world.experiment_id}/{world.run_id}/artifacts/{world.secret}.txt"


def _proxied(kind: str) -> Callable[[World], Asked]:
    return lambda w: Asked(f"/api/2.0/mlflow-artifacts/{kind}/{_file(w)}")


def _in_parts(step: str, fields: dict[str, Any]) -> Callable[[World], Asked]:
    where = f"/api/2.0/mlflow-artifacts/mpu/{step}"
    return lambda w: Asked(
        f"{where}/{w.experiment_id}/{w.run_id}/artifacts", {"path": "in-parts.bin", **fields}
    )


def _named(w: World, inside: str | None = None) -> str:
    """What the Files API calls a file of the run, or another path in it."""
    inside = f"/{w.secret}.txt" if inside is None else inside
    return f"/WorkspaceInternal/Mlflow/Artifacts/{w.experiment_id}/Runs/{w.run_id}/artifacts{inside}"


def _trace_v3(w: World) -> dict[str, Any]:
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": w.experiment_id}}
    return {
        "trace": {
            "trace_info": {
                "trace_id": f"tr-{secrets.token_hex(16)}",
                "trace_location": place,
                "request_time": "2026-01-01T00:00:00Z",
                "state": "OK",
            }
        }
    }


def _trace_search(w: World) -> dict[str, Any]:
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": w.experiment_id}}
    return {"locations": [place], "max_results": 10}


# By "METHOD path" of access/needs.py.
REQUESTS: Final[dict[str, Callable[[World], Asked]]] = {
    "GET /2.0/mlflow/experiments/get": lambda w: Asked("experiments/get", {"experiment_id": w.experiment_id}),
    "GET /2.0/mlflow/experiments/get-by-name": lambda w: Asked(
        "experiments/get-by-name", {"experiment_name": w.name}
    ),
    "GET /2.0/mlflow/experiments/search": lambda _: Asked("experiments/search", {"max_results": 1000}),
    "GET /2.0/mlflow/experiments/list": lambda _: Asked("experiments/list", {"view_type": "ALL"}),
    "POST /2.0/mlflow/databricks/runs/delete-runs": lambda w: Asked(
        "databricks/runs/delete-runs", {"experiment_id": w.experiment_id, "max_timestamp_millis": 2**50}
    ),
    "POST /2.0/mlflow/databricks/runs/restore-runs": lambda w: Asked(
        "databricks/runs/restore-runs", {"experiment_id": w.experiment_id, "min_timestamp_millis": 0}
    ),
    "POST /2.0/mlflow/experiments/search": lambda w: Asked(
        "experiments/search", {"max_results": 1000, "filter": f"name = '{w.name}'"}
    ),
    "POST /2.0/mlflow/experiments/search-datasets": lambda w: Asked(
        "experiments/search-datasets", {"experiment_ids": [w.experiment_id]}
    ),
    "GET /2.0/mlflow/runs/get": lambda w: Asked("runs/get", {"run_id": w.run_id}),
    "POST /2.0/mlflow/runs/search": lambda w: Asked("runs/search", {"experiment_ids": [w.experiment_id]}),
    "GET /2.0/mlflow/metrics/get-history": lambda w: Asked(
        "metrics/get-history", {"run_id": w.run_id, "metric_key": w.secret}
    ),
    "GET /2.0/mlflow/metrics/get-history-bulk": lambda w: Asked(
        "metrics/get-history-bulk", {"run_id": [w.run_id], "metric_key": w.secret}
    ),
    "GET /2.0/mlflow/metrics/get-history-bulk-interval": lambda w: Asked(
        "metrics/get-history-bulk-interval", {"run_ids": [w.run_id], "metric_key": w.secret}
    ),
    "POST /2.0/mlflow/logged-models/search": lambda w: Asked(
        "logged-models/search", {"experiment_ids": [w.experiment_id]}
    ),
    "GET /2.0/mlflow/logged-models/{model_id}": lambda w: Asked(f"logged-models/{w.model_id}"),
    "GET /2.0/mlflow/traces": lambda w: Asked("traces", {"experiment_ids": [w.experiment_id]}),
    "GET /2.0/mlflow/traces/{trace_id}/info": lambda w: Asked(f"traces/{w.trace_id}/info"),
    "GET /2.0/mlflow/get-trace-artifact": lambda w: Asked("get-trace-artifact", {"request_id": w.trace_id}),
    "GET /3.0/mlflow/traces/get": lambda w: Asked(f"{TRACES_3}/get", {"trace_id": w.trace_id}),
    "GET /3.0/mlflow/traces/batchGet": lambda w: Asked(f"{TRACES_3}/batchGet", {"trace_ids": [w.trace_id]}),
    "POST /3.0/mlflow/traces/batchGetInfos": lambda w: Asked(
        f"{TRACES_3}/batchGetInfos", {"trace_ids": [w.trace_id]}
    ),
    "POST /3.0/mlflow/traces/search": lambda w: Asked(f"{TRACES_3}/search", _trace_search(w)),
    "GET /3.0/mlflow/traces/{trace_id}": lambda w: Asked(f"{TRACES_3}/{w.trace_id}"),
    "GET /3.0/mlflow/traces/{trace_id}/assessments/{assessment_id}": lambda w: Asked(
        f"{TRACES_3}/{w.trace_id}/assessments/{w.assessment_id}"
    ),
    "GET /graphql": lambda w: Asked(
        "/graphql", {**_graphql(w), "variables": json.dumps(_graphql(w)["variables"])}
    ),
    "POST /graphql": lambda w: Asked("/graphql", _graphql(w)),
    "GET /get-artifact": lambda w: Asked("/get-artifact", {"run_id": w.run_id, "path": f"{w.secret}.txt"}),
    "HEAD /get-artifact": lambda w: Asked(f"/get-artifact?run_id={w.run_id}&path={w.secret}.txt"),
    "GET /2.0/mlflow/artifacts/list": lambda w: Asked("artifacts/list", {"run_id": w.run_id}),
    "POST /2.0/mlflow/artifacts/presigned-download-url": lambda w: Asked(
        "artifacts/presigned-download-url", {"run_id": w.run_id, "path": "a.txt"}
    ),
    "GET /2.0/mlflow/logged-models/{model_id}/artifacts/directories": lambda w: Asked(
        f"{MODEL}{w.model_id}/artifacts/directories"
    ),
    "GET /2.0/mlflow/logged-models/{model_id}/artifacts/files": lambda w: Asked(
        f"{MODEL}{w.model_id}/artifacts/files", {"artifact_file_path": "a.txt"}
    ),
    "HEAD /2.0/mlflow/logged-models/{model_id}/artifacts/files": lambda w: Asked(
        f"{MODEL}{w.model_id}/artifacts/files?artifact_file_path=a.txt"
    ),
    "GET /2.0/mlflow-artifacts/artifacts": lambda w: Asked(
        "/api/2.0/mlflow-artifacts/artifacts", {"path": f"{w.experiment_id}/{w.run_id}/artifacts"}
    ),
    "GET /2.0/mlflow-artifacts/artifacts/{path}": _proxied("artifacts"),
    "HEAD /2.0/mlflow-artifacts/artifacts/{path}": _proxied("artifacts"),
    "GET /2.0/mlflow-artifacts/presigned/{path}": _proxied("presigned"),
    "POST /2.0/mlflow/experiments/update": lambda w: Asked(
        "experiments/update",
        {"experiment_id": w.experiment_id, "new_name": f"renamed {secrets.token_hex(8)}"},
    ),
    "POST /2.0/mlflow/experiments/set-experiment-tag": lambda w: Asked(
        "experiments/set-experiment-tag", {"experiment_id": w.experiment_id, "key": "k", "value": "v"}
    ),
    "POST /2.0/mlflow/experiments/delete-experiment-tag": lambda w: Asked(
        "experiments/delete-experiment-tag", {"experiment_id": w.experiment_id, "key": "k"}
    ),
    "POST /2.0/mlflow/experiments/delete": lambda w: Asked(
        "experiments/delete", {"experiment_id": w.experiment_id}
    ),
    "POST /2.0/mlflow/experiments/restore": lambda w: Asked(
        "experiments/restore", {"experiment_id": w.experiment_id}
    ),
    "POST /2.0/mlflow/experiments/create": lambda _: Asked(
        "experiments/create", {"name": f"new {secrets.token_hex(8)}"}
    ),
    "POST /2.0/mlflow/runs/create": lambda w: Asked("runs/create", {"experiment_id": w.experiment_id}),
    "POST /2.0/mlflow/runs/update": lambda w: Asked(
        "runs/update", {"run_id": w.run_id, "status": "FINISHED"}
    ),
    "POST /2.0/mlflow/runs/delete": lambda w: Asked("runs/delete", {"run_id": w.run_id}),
    "POST /2.0/mlflow/runs/restore": lambda w: Asked("runs/restore", {"run_id": w.run_id}),
    "POST /2.0/mlflow/runs/log-batch": lambda w: Asked(
        "runs/log-batch",
        {"run_id": w.run_id, "metrics": [{"key": "m", "value": 1, "timestamp": 1, "step": 0}]},
    ),
    "POST /2.0/mlflow/runs/log-metric": lambda w: Asked(
        "runs/log-metric", {"run_id": w.run_id, "key": "m", "value": 1, "timestamp": 1}
    ),
    "POST /2.0/mlflow/runs/log-parameter": lambda w: Asked(
        "runs/log-parameter", {"run_id": w.run_id, "key": ANY, "value": "v"}
    ),
    "POST /2.0/mlflow/runs/set-tag": lambda w: Asked(
        "runs/set-tag", {"run_id": w.run_id, "key": "k", "value": "v"}
    ),
    "POST /2.0/mlflow/runs/delete-tag": lambda w: Asked("runs/delete-tag", {"run_id": w.run_id, "key": "t"}),
    "POST /2.0/mlflow/runs/log-inputs": lambda w: Asked(
        "runs/log-inputs", {"run_id": w.run_id, "datasets": [_dataset()]}
    ),
    "POST /2.0/mlflow/runs/outputs": lambda w: Asked(
        "runs/outputs", {"run_id": w.run_id, "models": [{"model_id": w.model_id, "step": 0}]}
    ),
    "POST /2.0/mlflow/runs/log-model": lambda w: Asked(
        "runs/log-model",
        {
            "run_id": w.run_id,
            "model_json": json.dumps(
                {"run_id": w.run_id, "artifact_path": "m", "utc_time_created": "x", "flavors": {}}
            ),
        },
    ),
    "POST /2.0/mlflow/logged-models": lambda w: Asked(
        "logged-models", {"experiment_id": w.experiment_id, "name": "m"}
    ),
    "PATCH /2.0/mlflow/logged-models/{model_id}": lambda w: Asked(
        f"{MODEL}{w.model_id}", {"model_id": w.model_id, "status": "LOGGED_MODEL_READY"}
    ),
    "DELETE /2.0/mlflow/logged-models/{model_id}": lambda w: Asked(f"{MODEL}{w.model_id}"),
    "PATCH /2.0/mlflow/logged-models/{model_id}/tags": lambda w: Asked(
        f"{MODEL}{w.model_id}/tags", {"model_id": w.model_id, "tags": [{"key": "k", "value": "v"}]}
    ),
    "DELETE /2.0/mlflow/logged-models/{model_id}/tags/{key}": lambda w: Asked(f"{MODEL}{w.model_id}/tags/t"),
    "POST /2.0/mlflow/logged-models/{model_id}/params": lambda w: Asked(
        f"{MODEL}{w.model_id}/params", {"model_id": w.model_id, "params": [{"key": "k", "value": "v"}]}
    ),
    "POST /2.0/mlflow/traces": lambda w: Asked(
        "traces", {"experiment_id": w.experiment_id, "timestamp_ms": 1, "request_metadata": [], "tags": []}
    ),
    "PATCH /2.0/mlflow/traces/{trace_id}": lambda w: Asked(
        f"traces/{w.trace_id}", {"timestamp_ms": 2, "status": "OK", "request_metadata": [], "tags": []}
    ),
    **{
        f"PATCH /{version}/mlflow/traces/{{trace_id}}/tags": lambda w, version=version: Asked(  # type: ignore[misc]
            f"/api/{version}/mlflow/traces/{w.trace_id}/tags", {"key": "k", "value": "v"}
        )
        for version in ("2.0", "3.0")
    },
    **{
        f"DELETE /{version}/mlflow/traces/{{trace_id}}/tags": lambda w, version=version: Asked(  # type: ignore[misc]
            f"/api/{version}/mlflow/traces/{w.trace_id}/tags", {"key": "mlflow.artifactLocation"}
        )
        for version in ("2.0", "3.0")
    },
    **{
        f"POST /{version}/mlflow/traces/delete-traces": lambda w, version=version: Asked(  # type: ignore[misc]
            f"/api/{version}/mlflow/traces/delete-traces",
            {"experiment_id": w.experiment_id, "request_ids": [w.trace_id]},
        )
        for version in ("2.0", "3.0")
    },
    **{
        f"POST /{version}/mlflow/traces/link-to-run": lambda w, version=version: Asked(  # type: ignore[misc]
            f"/api/{version}/mlflow/traces/link-to-run", {"trace_ids": [w.trace_id], "run_id": w.run_id}
        )
        for version in ("2.0", "3.0")
    },
    "POST /3.0/mlflow/traces": lambda w: Asked(TRACES_3, _trace_v3(w)),
    "POST /3.0/mlflow/traces/{trace_id}/assessments": lambda w: Asked(
        f"{TRACES_3}/{w.trace_id}/assessments",
        {
            "assessment": {
                "assessment_name": "n",
                "trace_id": w.trace_id,
                "source": {"source_type": "HUMAN", "source_id": "me"},
                "feedback": {"value": True},
            }
        },
    ),
    "PATCH /3.0/mlflow/traces/{trace_id}/assessments/{assessment_id}": lambda w: Asked(
        f"{TRACES_3}/{w.trace_id}/assessments/{w.assessment_id}",
        {
            "assessment": {
                "assessment_id": w.assessment_id,
                "trace_id": w.trace_id,
                "feedback": {"value": "other"},
            },
            "update_mask": "feedback",
        },
    ),
    "DELETE /3.0/mlflow/traces/{trace_id}/assessments/{assessment_id}": lambda w: Asked(
        f"{TRACES_3}/{w.trace_id}/assessments/{w.assessment_id}"
    ),
    **{
        f"GET /2.0/mlflow/traces/{{trace_id}}/credentials-for-data-{way}": lambda w, way=way: Asked(  # type: ignore[misc]
            f"traces/{w.trace_id}/credentials-for-data-{way}"
        )
        for way in ("upload", "download")
    },
    **{
        f"POST /4.0/mlflow/traces/{way}": lambda w, way=way: Asked(  # type: ignore[misc]
            f"{TRACES_4}/{way}", _trace_search(w)
        )
        for way in ("search", "search-long-running")
    },
    "GET /4.0/mlflow/traces/{location}/batchGet": lambda w: Asked(
        f"{TRACES_4}/None/batchGet", {"trace_ids": [w.trace_id]}
    ),
    "POST /v1/traces": _otlp,
    "POST /tracklog/v1/ingest": _native,
    "POST /2.0/mlflow/upload-artifact": lambda w: Asked(
        f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={w.run_id}&path=u.txt", b"data"
    ),
    "POST /2.0/mlflow/artifacts/presigned-upload-url": lambda w: Asked(
        "artifacts/presigned-upload-url", {"run_id": w.run_id, "path": "a.txt"}
    ),
    "PUT /2.0/mlflow-artifacts/artifacts/{path}": lambda w: Asked(
        f"/api/2.0/mlflow-artifacts/artifacts/{w.experiment_id}/{w.run_id}/artifacts/new.txt", b"data"
    ),
    "DELETE /2.0/mlflow-artifacts/artifacts/{path}": _proxied("artifacts"),
    "POST /2.0/mlflow-artifacts/mpu/create/{path}": _in_parts("create", {"num_parts": 1}),
    "POST /2.0/mlflow-artifacts/mpu/complete/{path}": _in_parts(
        "complete", {"upload_id": "u", "parts": [{"part_number": 1, "etag": "e"}]}
    ),
    "POST /2.0/mlflow-artifacts/mpu/abort/{path}": _in_parts("abort", {"upload_id": "u"}),
    "POST /2.0/mlflow/artifacts/credentials-for-read": lambda w: Asked(
        "artifacts/credentials-for-read", {"run_id": w.run_id, "path": [f"{w.secret}.txt"]}
    ),
    "POST /2.0/mlflow/artifacts/credentials-for-write": lambda w: Asked(
        "artifacts/credentials-for-write", {"run_id": w.run_id, "path": ["a.txt"]}
    ),
    "POST /2.0/mlflow/logged-models/{model_id}/artifacts/credentials-for-download": lambda w: Asked(
        f"{MODEL}{w.model_id}/artifacts/credentials-for-download", {"paths": ["a.txt"]}
    ),
    "POST /2.0/mlflow/logged-models/{model_id}/artifacts/credentials-for-upload": lambda w: Asked(
        f"{MODEL}{w.model_id}/artifacts/credentials-for-upload", {"paths": ["a.txt"]}
    ),
    "POST /2.0/mlflow/artifacts/create-multipart-upload": lambda w: Asked(
        "artifacts/create-multipart-upload", {"run_id": w.run_id, "path": "a.txt", "num_parts": 1}
    ),
    "GET /2.0/mlflow/artifacts/get-presigned-upload-part-url": lambda w: Asked(
        "artifacts/get-presigned-upload-part-url",
        {"run_id": w.run_id, "path": "a.txt", "upload_id": "u", "part_number": 1},
    ),
    "POST /2.0/mlflow/artifacts/complete-multipart-upload": lambda w: Asked(
        "artifacts/complete-multipart-upload",
        {
            "run_id": w.run_id,
            "path": "a.txt",
            "upload_id": "u",
            "part_etags": [{"part_number": 1, "etag": "e"}],
        },
    ),
    "GET /2.0/fs/files/{path}": lambda w: Asked(f"{FS}/files{_named(w)}"),
    "HEAD /2.0/fs/files/{path}": lambda w: Asked(f"{FS}/files{_named(w)}"),
    "PUT /2.0/fs/files/{path}": lambda w: Asked(f"{FS}/files{_named(w)}", b"data"),
    "POST /2.0/fs/files/{path}": lambda w: Asked(f"{FS}/files{_named(w)}?action=initiate-upload"),
    "DELETE /2.0/fs/files/{path}": lambda w: Asked(f"{FS}/files{_named(w)}"),
    "GET /2.0/fs/directories/{path}": lambda w: Asked(f"{FS}/directories{_named(w, '')}"),
    "HEAD /2.0/fs/directories/{path}": lambda w: Asked(f"{FS}/directories{_named(w, '')}"),
    "PUT /2.0/fs/directories/{path}": lambda w: Asked(f"{FS}/directories{_named(w, '/d')}"),
    "DELETE /2.0/fs/directories/{path}": lambda w: Asked(f"{FS}/directories{_named(w, '')}"),
    "POST /2.0/fs/create-download-url": lambda w: Asked(f"{FS}/create-download-url?path={_named(w)}"),
    "POST /2.0/fs/create-upload-part-urls": lambda w: Asked(
        f"{FS}/create-upload-part-urls",
        {"path": _named(w), "session_token": "u", "start_part_number": 1, "count": 1},
    ),
    "POST /2.0/fs/create-abort-upload-url": lambda w: Asked(
        f"{FS}/create-abort-upload-url", {"path": _named(w), "session_token": "u"}
    ),
    "POST /tracklog/v1/artifacts/uploads": lambda w: Asked(
        f"{NATIVE}/uploads", {"run_id": w.run_id, "files": [{"path": "a", "size": 0, "sha256": "0" * 64}]}
    ),
    "POST /tracklog/v1/artifacts/bundle": lambda w: Asked(
        f"{NATIVE}/bundle",
        msgpack.packb(
            {
                "run_id": w.run_id,
                "files": [{"path": "a", "sha256": hashlib.sha256(b"a").hexdigest(), "data": b"a"}],
            }
        ),
        MSGPACK,
    ),
    "POST /tracklog/v1/artifacts/parts": lambda w: Asked(
        f"{NATIVE}/parts", {"run_id": w.run_id, "path": "a", "upload_id": "u", "numbers": [1]}
    ),
    "POST /tracklog/v1/artifacts/complete": lambda w: Asked(
        f"{NATIVE}/complete", {"run_id": w.run_id, "files": [{"path": "a", "size": 0, "sha256": "0" * 64}]}
    ),
    "POST /tracklog/v1/artifacts/downloads": lambda w: Asked(
        f"{NATIVE}/downloads", {"run_id": w.run_id, "paths": [f"{w.secret}.txt"]}
    ),
    "POST /tracklog/v1/artifacts/list": lambda w: Asked(f"{NATIVE}/list", {"run_id": w.run_id}),
    "POST /tracklog/v1/artifacts/delete": lambda w: Asked(
        f"{NATIVE}/delete", {"run_id": w.run_id, "paths": [f"{w.secret}.txt"]}
    ),
    "GET /tracklog/v1/artifacts/carried": lambda _: Asked(f"{NATIVE}/carried"),
    "GET /2.0/preview/scim/v2/Me": lambda _: Asked("/api/2.0/preview/scim/v2/Me"),
    **{
        f"{method} /2.0/permissions/experiments/{{experiment_id}}": lambda w: Asked(
            f"/api/2.0/permissions/experiments/{w.experiment_id}",
            {"access_control_list": [{"user_name": "manager", "permission_level": "CAN_MANAGE"}]},
        )
        for method in ("PUT", "PATCH")
    },
    "GET /2.0/permissions/experiments/{experiment_id}": lambda w: Asked(
        f"/api/2.0/permissions/experiments/{w.experiment_id}"
    ),
    "GET /2.0/permissions/experiments/{experiment_id}/permissionLevels": lambda w: Asked(
        f"/api/2.0/permissions/experiments/{w.experiment_id}/permissionLevels"
    ),
    "POST /2.0/mlflow/users/create": lambda _: Asked(
        "users/create", {"username": "new", "password": "a long enough one"}
    ),
    "GET /2.0/mlflow/users/get": lambda _: Asked("users/get", {"username": "root"}),
    "GET /2.0/mlflow/users/list": lambda _: Asked("users/list"),
    "GET /2.0/mlflow/users/current": lambda _: Asked("users/current"),
    "PATCH /2.0/mlflow/users/update-password": lambda _: Asked(
        "users/update-password", {"username": "root", "password": "a long enough one"}
    ),
    "PATCH /2.0/mlflow/users/update-admin": lambda _: Asked(
        "users/update-admin", {"username": "stranger", "is_admin": True}
    ),
    "DELETE /2.0/mlflow/users/delete": lambda _: Asked("users/delete", {"username": "root"}),
    "GET /3.0/mlflow/users/current/permissions": lambda _: Asked(f"{MLFLOW_3}/users/current/permissions"),
    "GET /3.0/mlflow/users/permissions/list": lambda _: Asked(
        f"{MLFLOW_3}/users/permissions/list", {"username": "root"}
    ),
    "GET /3.0/mlflow/users/permissions/get": lambda w: Asked(
        f"{MLFLOW_3}/users/permissions/get",
        {"username": "root", "resource_type": "experiment", "resource_id": w.experiment_id},
    ),
    **{
        f"POST /3.0/mlflow/users/permissions/{what}": lambda w, what=what: Asked(  # type: ignore[misc]
            f"{MLFLOW_3}/users/permissions/{what}",
            {
                "username": "stranger",
                "resource_type": "experiment",
                "resource_id": w.experiment_id,
                "permission": "MANAGE",
            },
        )
        for what in ("grant", "revoke")
    },
    "GET /3.0/mlflow/users/roles/list": lambda _: Asked(f"{MLFLOW_3}/users/roles/list", {"username": "root"}),
    "POST /3.0/mlflow/roles/create": lambda _: Asked(
        f"{MLFLOW_3}/roles/create", {"name": "mine", "workspace": "default"}
    ),
    "GET /3.0/mlflow/roles/list": lambda _: Asked(f"{MLFLOW_3}/roles/list", {"workspace": "default"}),
    **{
        f"{method} /3.0/mlflow/roles/{path}": lambda _, path=path: Asked(  # type: ignore[misc]
            f"{MLFLOW_3}/roles/{path}",
            {
                "role_id": ROLE_ID,
                "role_permission_id": ROLE_ID,
                "username": "stranger",
                "name": "other",
                "resource_type": "experiment",
                "resource_pattern": "*",
                "permission": "MANAGE",
            },
        )
        for method, path in (
            ("GET", "get"),
            ("PATCH", "update"),
            ("DELETE", "delete"),
            ("POST", "permissions/add"),
            ("DELETE", "permissions/remove"),
            ("GET", "permissions/list"),
            ("PATCH", "permissions/update"),
            ("POST", "assign"),
            ("DELETE", "unassign"),
            ("GET", "users/list"),
        )
    },
    "GET /tracklog/v1/audit": lambda _: Asked("/api/tracklog/v1/audit"),
    "GET /tracklog/v1/quotas": lambda _: Asked("/api/tracklog/v1/quotas"),
    "PUT /tracklog/v1/quotas": lambda w: Asked(
        "/api/tracklog/v1/quotas",
        {"scope": "experiment", "subject": w.experiment_id, "limits": {"run_points": 10**9}},
    ),
    "GET /tracklog/v1/usage": lambda w: Asked("/api/tracklog/v1/usage", {"run_id": w.run_id}),
    "GET /3.0/mlflow/workspaces": lambda _: Asked(f"{MLFLOW_3}/workspaces"),
    "POST /3.0/mlflow/workspaces": lambda _: Asked(f"{MLFLOW_3}/workspaces", {"name": "mine"}),
    **{
        f"{method} /3.0/mlflow/workspaces/{{workspace_name}}": lambda _: Asked(
            f"{MLFLOW_3}/workspaces/default", {"description": "mine"}
        )
        for method in ("GET", "PATCH", "DELETE")
    },
    "GET /2.0/mlflow/gateway-proxy": lambda _: Asked("gateway-proxy"),
    "GET /2.0/mlflow/model-versions/search": lambda _: Asked("model-versions/search"),
    "GET /2.0/mlflow/registered-models/search": lambda _: Asked("registered-models/search"),
    "GET /3.0/mlflow/ui-telemetry": lambda _: Asked("/api/3.0/mlflow/ui-telemetry"),
    "POST /3.0/mlflow/ui-telemetry": lambda _: Asked("/api/3.0/mlflow/ui-telemetry", {}),
}
