"""A whole server whose artifacts are in a bucket."""

import functools
import os
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

import tracklog
from tests.conformance.test_artifact_ways import carried_bytes, play
from tests.support.api import Api
from tests.support.gc import gc
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


def test_garbage_is_collected_from_the_bucket(bucket_server, swift):
    prefix = "of/server/"
    with Api(bucket_server.url) as api:
        roots = []
        for text in ("dead", "kept"):
            run = api.post("runs/create", {"experiment_id": "0"})["run"]["info"]
            roots.append(run["artifact_uri"].removeprefix("mlflow-artifacts:/"))
            for name in ("a", "a-b", "a!/c"):
                url = f"/api/2.0/mlflow-artifacts/artifacts/{roots[-1]}/{name}"
                assert api.call("PUT", url, text.encode()).status == 200
            if text == "dead":
                api.post("runs/delete", {"run_id": run["run_id"]})
    stray = f"{prefix}{roots[1]}/stray"
    swift.client.put_object(Bucket=swift.bucket, Key=stray, Body=b"x")
    swift.client.create_multipart_upload(Bucket=swift.bucket, Key=f"{prefix}{roots[1]}/begun")
    # Swift tells times as whole seconds, rounded up: what is of this second lies in the future.
    time.sleep(1.1)

    collect = functools.partial(
        gc,
        bucket_server.data_dir,
        *options(swift, swift.bucket),
        "--uploads-older-than=0s",
        "--delete-orphans=0s",
        environment=swift.environment(),
    )
    told = collect()
    assert "would purge 1 runs with 0 points and 3 files of 12 bytes" in told
    assert "would give up 1 unfinished multipart uploads" in told
    assert f"1 files in the store that the log does not know, 1 bytes\n    {roots[1]}/stray\n" in told
    assert "0 files in the log that the store lacks" in told
    # The dry run left it where it was.
    assert "\n1 deleted files in the store that the log does not know" in collect("--delete")
    left = swift.client.list_objects_v2(Bucket=swift.bucket, Prefix=prefix)["Contents"]
    below = {item["Key"] for item in left if item["Key"].startswith(tuple(prefix + root for root in roots))}
    assert below == {f"{prefix}{roots[1]}/{name}" for name in ("a", "a-b", "a!/c")}
    assert not swift.client.list_multipart_uploads(Bucket=swift.bucket, Prefix=prefix).get("Uploads")
    assert "would give up 0 unfinished multipart uploads" in collect()


def test_mlflow_and_our_client_go_straight_to_the_bucket(bucket_server, tmp_path, spool):
    url, before = bucket_server.url, carried_bytes(bucket_server.url)
    with ThreadPoolExecutor(2) as at_once:
        ways = [at_once.submit(play, url, way, "3.17") for way in ("by_parts", "by_credentials")]
        (tmp_path / "in" / "sub").mkdir(parents=True)
        files = {"large.bin": os.urandom(20 * 2**20), "sub/small": b"small", "empty": b""}
        for name, content in files.items():
            (tmp_path / "in" / name).write_bytes(content)
        run = tracklog.init(url, experiment="straight to the bucket")
        run.log_artifacts(str(tmp_path / "in"))
        run.finish()
        run.flush(60)
        run.download("", str(tmp_path / "out"))
        assert {name: (tmp_path / "out" / name).read_bytes() for name in files} == files
        assert [way.result()["failures"] for way in ways] == [{}, {}]
    assert carried_bytes(url) == before


def test_a_bucket_that_is_not_there_ends_the_start(swift):
    with scratch_dir() as scratch:
        server = start_server(scratch / "data", *options(swift, "no-such"), environment=swift.environment())
        assert server.process.wait(60) == 1
        assert "has no such bucket: create it, or check --artifact-root" in server.log()
        assert swift.secret_key not in server.log()
