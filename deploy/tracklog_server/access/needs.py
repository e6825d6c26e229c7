"""What every route needs of its caller, in one table: with a route that is not in it no server starts.

Paths are without the prefixes /api and /ajax-api; version 3.0 of a 2.0 path needs what that does. READ, EDIT
and MANAGE are levels on each experiment that a request touches: the rooms ask for them where they meet it.
Endpoints about access that need a signed-in caller only look themselves at who manages what.
"""

import re
from typing import Final

from tracklog_contract.caller import Need
from tracklog_server.problems import StartError

_TABLE: Final = {
    Need.OPEN: """
        GET /health
        HEAD /health
        GET /version
        HEAD /version
        GET /
        GET /static-files/{name}
        GET /3.0/mlflow/server-info
        GET /artifact-store/{path}
        HEAD /artifact-store/{path}
        PUT /artifact-store/{path}
        DELETE /artifact-store/{path}
        GET /trace-data/{trace_id}
        PUT /trace-data/{trace_id}
        GET /.well-known/databricks-config
        GET /login
        POST /login
        GET /login/oidc
        GET /login/callback
        POST /logout
        GET /oidc/.well-known/oauth-authorization-server
        POST /oidc/v1/token
        GET /ml/{path}
    """,
    Need.SIGNED_IN: """
        GET /2.0/mlflow/gateway-proxy
        GET /2.0/mlflow/model-versions/search
        GET /2.0/mlflow/registered-models/search
        GET /3.0/mlflow/ui-telemetry
        POST /3.0/mlflow/ui-telemetry
        GET /2.0/preview/scim/v2/Me
        GET /2.0/permissions/experiments/{experiment_id}
        PUT /2.0/permissions/experiments/{experiment_id}
        PATCH /2.0/permissions/experiments/{experiment_id}
        GET /2.0/permissions/experiments/{experiment_id}/permissionLevels
        GET /2.0/mlflow/users/get
        GET /2.0/mlflow/users/list
        GET /2.0/mlflow/users/current
        PATCH /2.0/mlflow/users/update-password
        GET /3.0/mlflow/users/current/permissions
        GET /3.0/mlflow/users/permissions/list
        POST /3.0/mlflow/users/permissions/grant
        POST /3.0/mlflow/users/permissions/revoke
        GET /3.0/mlflow/users/permissions/get
        GET /3.0/mlflow/users/roles/list
        POST /3.0/mlflow/roles/create
        GET /3.0/mlflow/roles/get
        GET /3.0/mlflow/roles/list
        PATCH /3.0/mlflow/roles/update
        DELETE /3.0/mlflow/roles/delete
        POST /3.0/mlflow/roles/permissions/add
        DELETE /3.0/mlflow/roles/permissions/remove
        GET /3.0/mlflow/roles/permissions/list
        PATCH /3.0/mlflow/roles/permissions/update
        POST /3.0/mlflow/roles/assign
        DELETE /3.0/mlflow/roles/unassign
        GET /3.0/mlflow/roles/users/list
        GET /3.0/mlflow/workspaces
        GET /3.0/mlflow/workspaces/{workspace_name}
        PATCH /3.0/mlflow/workspaces/{workspace_name}
    """,
    Need.READ: """
        GET /2.0/mlflow/experiments/get
        GET /2.0/mlflow/experiments/get-by-name
        GET /2.0/mlflow/experiments/search
        GET /2.0/mlflow/experiments/list
        POST /2.0/mlflow/experiments/search
        POST /2.0/mlflow/experiments/search-datasets
        GET /2.0/mlflow/runs/get
        GET /tracklog/v1/usage
        POST /2.0/mlflow/runs/search
        GET /2.0/mlflow/metrics/get-history
        GET /2.0/mlflow/metrics/get-history-bulk
        GET /2.0/mlflow/metrics/get-history-bulk-interval
        POST /2.0/mlflow/logged-models/search
        GET /2.0/mlflow/logged-models/{model_id}
        GET /2.0/mlflow/traces
        GET /2.0/mlflow/traces/{trace_id}/info
        GET /2.0/mlflow/get-trace-artifact
        GET /3.0/mlflow/traces/get
        GET /3.0/mlflow/traces/batchGet
        POST /3.0/mlflow/traces/batchGetInfos
        POST /3.0/mlflow/traces/search
        GET /3.0/mlflow/traces/{trace_id}
        GET /3.0/mlflow/traces/{trace_id}/assessments/{assessment_id}
        POST /4.0/mlflow/traces/search
        POST /4.0/mlflow/traces/search-long-running
        GET /4.0/mlflow/traces/{location}/batchGet
        GET /2.0/mlflow/traces/{trace_id}/credentials-for-data-download
        GET /graphql
        POST /graphql
        GET /get-artifact
        HEAD /get-artifact
        GET /2.0/mlflow/artifacts/list
        POST /2.0/mlflow/artifacts/presigned-download-url
        GET /2.0/mlflow/logged-models/{model_id}/artifacts/directories
        GET /2.0/mlflow/logged-models/{model_id}/artifacts/files
        HEAD /2.0/mlflow/logged-models/{model_id}/artifacts/files
        GET /2.0/mlflow-artifacts/artifacts
        GET /2.0/mlflow-artifacts/artifacts/{path}
        HEAD /2.0/mlflow-artifacts/artifacts/{path}
        GET /2.0/mlflow-artifacts/presigned/{path}
        POST /2.0/mlflow/artifacts/credentials-for-read
        POST /2.0/mlflow/logged-models/{model_id}/artifacts/credentials-for-download
        GET /2.0/fs/files/{path}
        HEAD /2.0/fs/files/{path}
        GET /2.0/fs/directories/{path}
        HEAD /2.0/fs/directories/{path}
        POST /2.0/fs/create-download-url
        POST /tracklog/v1/artifacts/downloads
        POST /tracklog/v1/artifacts/list
    """,
    Need.EDIT: """
        POST /2.0/mlflow/experiments/update
        POST /2.0/mlflow/experiments/set-experiment-tag
        POST /2.0/mlflow/experiments/delete-experiment-tag
        POST /2.0/mlflow/runs/create
        POST /2.0/mlflow/runs/update
        POST /2.0/mlflow/runs/delete
        POST /2.0/mlflow/databricks/runs/delete-runs
        POST /2.0/mlflow/databricks/runs/restore-runs
        POST /2.0/mlflow/runs/restore
        POST /2.0/mlflow/runs/log-batch
        POST /2.0/mlflow/runs/log-metric
        POST /2.0/mlflow/runs/log-parameter
        POST /2.0/mlflow/runs/set-tag
        POST /2.0/mlflow/runs/delete-tag
        POST /2.0/mlflow/runs/log-inputs
        POST /2.0/mlflow/runs/outputs
        POST /2.0/mlflow/runs/log-model
        POST /2.0/mlflow/logged-models
        PATCH /2.0/mlflow/logged-models/{model_id}
        DELETE /2.0/mlflow/logged-models/{model_id}
        PATCH /2.0/mlflow/logged-models/{model_id}/tags
        DELETE /2.0/mlflow/logged-models/{model_id}/tags/{key}
        POST /2.0/mlflow/logged-models/{model_id}/params
        POST /2.0/mlflow/traces
        PATCH /2.0/mlflow/traces/{trace_id}
        PATCH /2.0/mlflow/traces/{trace_id}/tags
        DELETE /2.0/mlflow/traces/{trace_id}/tags
        POST /2.0/mlflow/traces/delete-traces
        POST /2.0/mlflow/traces/link-to-run
        POST /3.0/mlflow/traces
        PATCH /3.0/mlflow/traces/{trace_id}/tags
        DELETE /3.0/mlflow/traces/{trace_id}/tags
        POST /3.0/mlflow/traces/delete-traces
        POST /3.0/mlflow/traces/link-to-run
        POST /3.0/mlflow/traces/{trace_id}/assessments
        PATCH /3.0/mlflow/traces/{trace_id}/assessments/{assessment_id}
        DELETE /3.0/mlflow/traces/{trace_id}/assessments/{assessment_id}
        GET /2.0/mlflow/traces/{trace_id}/credentials-for-data-upload
        POST /v1/traces
        POST /tracklog/v1/ingest
        POST /2.0/mlflow/upload-artifact
        POST /2.0/mlflow/artifacts/presigned-upload-url
        PUT /2.0/mlflow-artifacts/artifacts/{path}
        DELETE /2.0/mlflow-artifacts/artifacts/{path}
        POST /2.0/mlflow-artifacts/mpu/create/{path}
        POST /2.0/mlflow-artifacts/mpu/complete/{path}
        POST /2.0/mlflow-artifacts/mpu/abort/{path}
        POST /2.0/mlflow/artifacts/credentials-for-write
        POST /2.0/mlflow/logged-models/{model_id}/artifacts/credentials-for-upload
        POST /2.0/mlflow/artifacts/create-multipart-upload
        GET /2.0/mlflow/artifacts/get-presigned-upload-part-url
        POST /2.0/mlflow/artifacts/complete-multipart-upload
        PUT /2.0/fs/files/{path}
        POST /2.0/fs/files/{path}
        DELETE /2.0/fs/files/{path}
        PUT /2.0/fs/directories/{path}
        DELETE /2.0/fs/directories/{path}
        POST /2.0/fs/create-upload-part-urls
        POST /2.0/fs/create-abort-upload-url
        POST /tracklog/v1/artifacts/uploads
        POST /tracklog/v1/artifacts/bundle
        POST /tracklog/v1/artifacts/parts
        POST /tracklog/v1/artifacts/complete
        POST /tracklog/v1/artifacts/delete
    """,
    Need.MANAGE: """
        POST /2.0/mlflow/experiments/delete
        POST /2.0/mlflow/experiments/restore
    """,
    Need.ADMIN: """
        GET /tracklog/v1/artifacts/carried
        GET /tracklog/v1/audit
        GET /tracklog/v1/quotas
        PUT /tracklog/v1/quotas
        POST /2.0/mlflow/users/create
        PATCH /2.0/mlflow/users/update-admin
        DELETE /2.0/mlflow/users/delete
        POST /3.0/mlflow/workspaces
        DELETE /3.0/mlflow/workspaces/{workspace_name}
    """,
    Need.CREATE: """
        POST /2.0/mlflow/experiments/create
    """,
}
NEEDS: Final = {
    tuple(line.split()): need for need, lines in _TABLE.items() for line in lines.strip().splitlines()
}
_PATTERN: Final = re.compile(r"\{(\w+):.*\}\Z")


def need_of(method: str, path: str) -> Need:
    """What a route needs.

    Raises: StartError, when nobody has said.
    """
    need = NEEDS.get((method, _PATTERN.sub(r"{\1}", path)))
    if need is None:
        raise StartError(f"the route {method} {path} has no entry in tracklog_server/access/needs.py")
    return need
