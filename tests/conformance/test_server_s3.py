"""A whole server whose artifacts are in a bucket."""

import urllib.request

import pytest

from tests.support.api import Api
from tests.support.server import running_server, scratch_dir, start_server


def options(swift, bucket):
    return ("--artifact-root", f"s3://{bucket}/of/server", "--artifact-endpoint", swift.endpoint)


@pytest.fixture(scope="module")
def bucket_server(swift):
    with running_server(None, *options(swift, swift.bucket), environment=swift.environment()) as server:
        yield server


def test_artifacts_go_to_the_bucket_and_come_back(bucket_server, swift):
    assert (
        f"artifacts  s3://{swift.bucket}/of/server at {swift.endpoint}\n" in bucket_server.output.read_text()
    )
    with Api(bucket_server.url) as api:
        run = api.call("POST", "runs/create", {"experiment_id": "0"}).json["run"]["info"]
        path = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
        url = f"/api/2.0/mlflow-artifacts/artifacts/{path}/d/f.txt"
        assert api.call("PUT", url, b"hello").status == 200
        assert api.call("GET", "artifacts/list", {"run_id": run["run_id"], "path": "d"}).json["files"] == [
            {"path": "d/f.txt", "is_dir": False, "file_size": 5}
        ]
    stored = swift.client.get_object(Bucket=swift.bucket, Key=f"of/server/{path}/d/f.txt")
    assert stored["Body"].read() == b"hello"
    with urllib.request.urlopen(bucket_server.url + url) as answer:
        assert answer.read() == b"hello"


def test_a_bucket_that_is_not_there_ends_the_start(swift):
    with scratch_dir() as scratch:
        server = start_server(scratch / "data", *options(swift, "no-such"), environment=swift.environment())
        assert server.process.wait(60) == 1
        assert "has no such bucket: create it, or check --artifact-root" in server.log()
        assert swift.secret_key not in server.log()
