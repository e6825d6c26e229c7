"""Where tracklog answers otherwise than MLflow on purpose about artifacts (`differences.py` has all else)."""

from tests.conformance.differential.on_files import THINNED
from tests.conformance.differential.row import Row


def _files(outcome):
    return outcome.body.get("files", [])


ROWS = [
    Row(
        "an upload's answer",
        "MLflow answers nothing at all to an artifact's upload, tracklog an empty object; no client looks.",
        lambda call, theirs, ours: (
            (call.method == "PUT" or call.endpoint == "POST upload-artifact")
            and (theirs.body, ours.body) == ("", {})
        ),
    ),
    Row(
        "dots in artifact paths",
        "MLflow looks for a file named `.`; tracklog refuses a path that is not the shortest of its file.",
        lambda call, theirs, ours: (
            "%2F.%2F" in call.path
            and ours.status == 400
            and (call.method == "HEAD" or ours.message == "Invalid path")
        ),
    ),
    Row(
        "empty folders",
        "MLflow on a local disk lists a folder whose last file is gone; tracklog, as MLflow on S3, does not.",
        lambda call, theirs, ours: (
            THINNED in call.covers
            and theirs.status == ours.status == 200
            and all(item in _files(theirs) for item in _files(ours))
            and all(item["is_dir"] for item in _files(theirs) if item not in _files(ours))
            and {**theirs.body, "files": []} == {**ours.body, "files": []}
        ),
    ),
    Row(
        "uploads to an experiment's own place",
        "MLflow's upload-artifact does not heed the experiment's artifact_location, where listings look.",
        lambda call, theirs, ours: (
            call.endpoint in ("GET artifacts/list", "GET /get-artifact", "HEAD /get-artifact")
            and ours.status == 200
            and (
                (theirs.status == 404 and (call.method == "HEAD" or "'own/" in theirs.message))
                or (
                    theirs.status == 200
                    and theirs.body.get("root_uri", "").startswith("mlflow-artifacts:/own/")
                )
            )
        ),
    ),
]
