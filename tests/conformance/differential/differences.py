"""Where tracklog answers otherwise than MLflow on purpose: which calls, how the answers differ, and why."""

import re

from tests.conformance.differential import file_differences, trace_differences
from tests.conformance.differential.row import Row

_UNREADABLE = re.compile(
    r"Invalid value .* for parameter .*(Hint: Value was of type|It must lie between|Text cannot hold)",
    re.DOTALL,
)


HALF_READ_FILTERS = frozenset(
    {
        "AND", "AND name = 'a'", "metrics.m = 1 metrics.n = 2", "metrics.m = 1 AND AND metrics.m = 1",
        "metrics. = 1",
        "name = 1", "name IN ()", "tags.t = 1", "params.p = abc",
    }
)  # fmt: skip


SEARCHES = ("/search", "GET traces")
_OUTSIDE = r"The artifacts at .* are not in this server's store"
# What tracklog says where MLflow answers 500, beside what it says of values of a wrong type.
CRASHES = {
    "GET /get-artifact": _OUTSIDE,
    "GET artifacts/list": _OUTSIDE,
    "GET logged-models/{model_id}/artifacts/directories": _OUTSIDE,
    "GET logged-models/{model_id}/artifacts/files": _OUTSIDE,
    "POST upload-artifact": rf"Invalid path$|{_OUTSIDE}",
    "POST artifacts/presigned-download-url": r"Presigned download is not supported for|expiration must be ",
    "POST artifacts/presigned-upload-url": r"Presigned upload is not supported for|expiration must be ",
    # Beside a list of no objects there may be another mistake, which is named first.
    "POST runs/log-batch": r"Missing value for|Invalid value|'.*' exceeds the|Duplicate parameter keys",
    "POST experiments/update": r"Cannot rename a non-active experiment\.$",
    "POST logged-models/search": r"Invalid page token|Invalid order by field name|Expected numeric value",
    "POST runs/log-model": r"Malformed model info|Invalid value .* for parameter 'flavors'",
    "POST runs/search": r"Invalid page token|`order_by` contains duplicate fields",
}


def _outside(endpoint):
    return _OUTSIDE in CRASHES.get(endpoint.replace("HEAD", "GET"), "")


def _crashes(endpoint):
    return re.compile(f"{CRASHES.get(endpoint, 'never')}|{_UNREADABLE.pattern}", re.DOTALL)


def _graphql_error(ours):
    return (ours.body.get("errors") or [""])[0] if isinstance(ours.body, dict) else ""


def _samples(outcome):
    points = outcome.body["data"]["mlflowGetMetricHistoryBulkInterval"]["metrics"]
    return {(point["step"], point["timestamp"], point["value"]) for point in points}


def _models(outcome):
    return {model["info"]["model_id"] for model in outcome.body.get("models", ())}


def _refused(theirs, ours, code="INVALID_PARAMETER_VALUE"):
    return theirs.status == 200 and ours.error_code == code


ROWS = [
    Row(
        "error instead of a crash",
        "MLflow answers 500, often with its database's or Python's own message, and its clients then "
        "retry for minutes; a request that cannot succeed is refused, in these words.",
        lambda call, theirs, ours: (
            theirs.status == 500
            and ours.status in (400, 404, 501)
            and (call.method == "HEAD" or _crashes(call.endpoint).match(ours.message) is not None)
        ),
    ),
    Row(
        "null for a list",
        "MLflow answers 500 to a list that is null; tracklog takes it for an absent one, as "
        "protobuf's JSON says.",
        lambda call, theirs, ours: (
            call.endpoint in ("POST runs/log-batch", "POST runs/outputs", "POST logged-models/search")
            and theirs.status == 500
            and None in call.fields.values()
        ),
    ),
    Row(
        "pages of less than one model",
        "MLflow answers an empty page with a token to a max_results below 1.",
        lambda call, theirs, ours: (
            call.endpoint == "POST logged-models/search"
            and call.fields.get("max_results") in (0, -1)
            and theirs.status == 200
        ),
    ),
    Row(
        "half-read bodies",
        "MLflow stops reading a body at the first value of a wrong type or size, or half a surrogate pair, "
        "and acts on what came before; tracklog refuses the body, and U+0000 in it, which PostgreSQL's text "
        "cannot hold.",
        lambda call, theirs, ours: (
            (_refused(theirs, ours) or theirs.error_code == "BAD_REQUEST")
            and _UNREADABLE.match(ours.message) is not None
        ),
    ),
    Row(
        "a model's record without flavors",
        "MLflow stores it; tracklog asks for an object.",
        lambda call, theirs, ours: (
            call.endpoint == "POST runs/log-model"
            and _refused(theirs, ours)
            and re.match(r"Invalid value \S+ for parameter 'flavors'", ours.message) is not None
        ),
    ),
    Row(
        "what the server has",
        "tracklog has no gateway; its store signs URLs for uploads in parts and for downloads.",
        lambda call, theirs, ours: (
            call.endpoint == "GET /3.0/mlflow/server-info"
            and theirs.body.keys() == ours.body.keys()
            and ours.body
            == {
                **theirs.body,
                "multipart_uploads_enabled": True,
                "multipart_downloads_enabled": True,
                "features_enabled": {"gateway": False},
            }
        ),
    ),
    Row(
        "signed URLs",
        "MLflow signs for artifacts in a cloud's storage only; tracklog's own store does so itself.",
        lambda call, theirs, ours: (
            re.search("/mpu/|/presigned/|artifacts/presigned-", call.endpoint) is not None
            and re.search("is not supported for", theirs.message) is not None
            and ours.status in (200, 400, 404)
        ),
    ),
    Row(
        "files of what is deleted",
        "MLflow takes files of a deleted run or experiment; tracklog refuses them like all else that is "
        "logged to it.",
        lambda call, theirs, ours: (
            (call.method == "PUT" or call.endpoint == "POST upload-artifact")
            and (theirs.status, ours.status) == (200, 400)
            and re.search("must be in the 'active' state|belong to is deleted", ours.message) is not None
        ),
    ),
    Row(
        "errors are JSON",
        "MLflow answers some mistakes with a page of HTML, which its clients cannot read.",
        lambda call, theirs, ours: (
            (theirs.status, theirs.error_code) == (ours.status, "no JSON")
            and ours.error_code in ("ENDPOINT_NOT_FOUND", "INVALID_PARAMETER_VALUE")
            and call.endpoint in ("GET an unknown path", "GET /get-artifact")
        ),
    ),
    Row(
        "sizes below nothing",
        "MLflow takes that many points off the end of a history of several runs.",
        lambda call, theirs, ours: (
            call.endpoint == "GET metrics/get-history-bulk"
            and call.fields.get("max_results") == -1
            and ours.body == {"metrics": []}
        ),
    ),
    Row(
        "nothing to look for",
        "MLflow looks for a run or file of no name; tracklog says what is missing.",
        lambda call, theirs, ours: (
            (
                call.endpoint.endswith("/get-artifact")
                and ("path=" not in call.path or call.path.endswith("path=") or "=&" in call.path)
                and (theirs.status, ours.status) in ((404, 400), (400, 400), (500, 400))
            )
            or (
                call.endpoint == "POST /graphql"
                and theirs.status == 200
                and _graphql_error(ours).startswith("Missing value for required parameter")
            )
        ),
    ),
    Row(
        "limits in GraphQL",
        "MLflow's resolver looks for sizes and steps in the URL, where GraphQL has none, and gives every "
        "point; tracklog heeds and checks them as the endpoint of the same name does.",
        lambda call, theirs, ours: (
            "graphql samples" in call.covers
            and theirs.status == ours.status == 200
            and (
                re.match("max_results must be|If either start step|end_step must be", _graphql_error(ours))
                or (len(call.fields["variables"]["data"]) > 2 and _samples(ours) <= _samples(theirs))
            )
        ),
    ),
    Row(
        "NaN in GraphQL",
        "MLflow answers null, which is all that JSON has for it, and an error beside; tracklog just null.",
        lambda call, theirs, ours: (
            call.endpoint == "POST /graphql"
            and _graphql_error(theirs) == "Float cannot represent non numeric value: nan"
            and theirs.body["data"] == ours.body["data"]
        ),
    ),
    Row(
        "what is no GraphQL",
        "MLflow answers 500 to what its parser refuses.",
        lambda call, theirs, ours: (
            call.endpoint == "POST /graphql" and theirs.status == 500 and bool(_graphql_error(ours))
        ),
    ),
    Row(
        "another search's page token",
        "MLflow's token is a number of rows, and skips as many of any search; tracklog's holds to its own.",
        lambda call, theirs, ours: (
            call.endpoint.endswith(SEARCHES)
            and not call.continues
            and theirs.status in (200, 400)
            and str(call.fields.get("page_token", "")).startswith("<page")
            and ours.message.startswith("Invalid page token, it ")
        ),
    ),
    Row(
        "keys of any length",
        "MLflow on SQLite stores keys of tags beyond 250 characters where it does not look at them; on "
        "another database it answers with that database's message, as tracklog's indexes would.",
        lambda call, theirs, ours: (
            call.endpoint in ("POST runs/create", "PATCH logged-models/{model_id}/tags", "POST logged-models")
            and _refused(theirs, ours)
            and ours.message == "'key' exceeds the maximum length of 250 characters"
        ),
    ),
    Row(
        "a key that comes twice",
        "MLflow answers BAD_REQUEST, or that the experiment exists, with its database's message.",
        lambda call, theirs, ours: (
            call.endpoint in ("POST runs/create", "POST experiments/create", "POST logged-models")
            and theirs.error_code in ("BAD_REQUEST", "RESOURCE_ALREADY_EXISTS")
            and "UNIQUE constraint failed" in theirs.message
            and (ours.message == "Two tags have the same key. Send each key once." or ours.status == 200)
        ),
    ),
    Row(
        "a run without experiment",
        "MLflow answers BAD_REQUEST with its database's message.",
        lambda call, theirs, ours: (
            call.endpoint == "POST runs/create"
            and (theirs.error_code == "BAD_REQUEST" or theirs.message.startswith("Both 'run_name' argument"))
            and ours.message.startswith("Missing value for required parameter 'experiment_id'")
        ),
    ),
    Row(
        "the status of logged models",
        "MLflow compares its status column, a number, with the text that is asked for: nothing is equal and "
        "everything unequal to it; tracklog compares the names.",
        lambda call, theirs, ours: (
            call.endpoint == "POST logged-models/search"
            and theirs.status == ours.status == 200
            and any(
                _models(few) <= _models(many)
                for name in call.covers
                if name.startswith("models filter status")
                for few, many in [(ours, theirs) if " NOT IN" in name or " !=" in name else (theirs, ours)]
            )
        ),
    ),
    Row(
        "a dataset without digest",
        "MLflow's REST endpoint looks for metrics of a dataset that has no digest; tracklog, as its Python "
        "store, for those of any version.",
        lambda call, theirs, ours: (
            call.endpoint == "POST logged-models/search"
            and theirs.status == ours.status == 200
            and any("dataset_digest" not in dataset for dataset in call.fields.get("datasets", ()))
            and _models(theirs) < _models(ours)
        ),
    ),
    Row(
        "writes to deleted models",
        "MLflow lets a deleted model be finalized and given tags and params, which nobody can then "
        "read; tracklog answers that there is none.",
        lambda call, theirs, ours: (
            "logged-models/{model_id}" in call.endpoint
            and call.method != "GET"
            and theirs.status == 200
            and ours.status == 404
        ),
    ),
    Row(
        "keywords in lower case",
        "MLflow takes `like` and its kin in lower case in searches of runs, but not of experiments "
        "and models.",
        lambda call, theirs, ours: (
            call.endpoint.endswith(("experiments/search", "logged-models/search"))
            and theirs.error_code == "INVALID_PARAMETER_VALUE"
            and "Invalid comparator" in theirs.message
            and ours.status == 200
        ),
    ),
    Row(
        "ILIKE beyond ASCII",
        "SQLite knows upper and lower case of ASCII only; MLflow on PostgreSQL finds what tracklog finds.",
        lambda call, theirs, ours: (
            call.endpoint.endswith(SEARCHES)
            and theirs.status == ours.status == 200
            and re.search(r"ILIKE '[^']*[^\x00-\x7f]", str(call.fields.get("filter")), re.IGNORECASE)
            is not None
        ),
    ),
    Row(
        "the same output again",
        "MLflow answers BAD_REQUEST with its database's message when a run gets an output that it "
        "has; as for inputs, a call that is sent twice is no error.",
        lambda call, theirs, ours: (
            call.endpoint == "POST runs/outputs" and theirs.error_code == "BAD_REQUEST" and ours.status == 200
        ),
    ),
    Row(
        "artifacts outside the store",
        "MLflow looks for them on its own disk, where a client's path means nothing; tracklog says "
        "where they are.",
        lambda call, theirs, ours: (
            _outside(call.endpoint)
            and (_refused(theirs, ours) or (theirs.status, ours.status) == (404, 400))
            and (call.method == "HEAD" or "are not in this server's store" in ours.message)
        ),
    ),
    Row(
        "half-read filters",
        "MLflow skips over parts of a filter that it does not understand, which finds what was not "
        "asked for.",
        lambda call, theirs, ours: (
            call.endpoint.endswith(SEARCHES)
            and _refused(theirs, ours)
            and call.fields.get("filter") in HALF_READ_FILTERS
        ),
    ),
    Row(
        "a taken name",
        "MLflow answers BAD_REQUEST with its database's message when an experiment gets another's name.",
        lambda call, theirs, ours: (
            call.endpoint == "POST experiments/update"
            and (theirs.error_code, ours.error_code) == ("BAD_REQUEST", "RESOURCE_ALREADY_EXISTS")
        ),
    ),
    *file_differences.ROWS,
    *trace_differences.ROWS,
]


def purpose_of(call, theirs, ours):
    """The name of the purposeful difference that explains these answers, None when there is none."""
    return next((item.name for item in ROWS if item.applies(call, theirs, ours)), None)
