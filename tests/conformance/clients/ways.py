"""The ways by which MLflow's clients of 2.22 and 3.17 move files, played by the client that runs this file.

    python ways.py URL WAY

does with files and models what users do, against the server at URL, by one of WAYS, and prints one JSON line:
{"version": …, "failures": {step: traceback}}. Nothing of this project is needed.
"""

import json
import os
import pathlib
import sys
import tempfile
import traceback

import mlflow
import scenario
from databricks.sdk.config import Config


def by_proxy(url):
    """Every file through the server."""
    os.environ["MLFLOW_TRACKING_URI"] = url


def by_parts(url):
    """Uploads in parts, and downloads by ranges, by signed URLs."""
    os.environ["MLFLOW_TRACKING_URI"] = url
    os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"] = "true"
    os.environ["MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"] = "1"


def by_files_api(url):
    """As a Databricks client, by the Files API."""
    _databricks(url)
    Config.files_ext_multipart_upload_min_stream_size = 1


def by_credentials(url):
    """As a Databricks client without its SDK's files, by credentials."""
    _databricks(url)
    os.environ["MLFLOW_DISABLE_DATABRICKS_SDK_FOR_RUN_ARTIFACTS"] = "true"
    os.environ["MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"] = str(6 * 2**20)

    try:
        from mlflow.store.artifact import databricks_sdk_artifact_repo as by_sdk  # noqa: PLC0415 - not in 2.22
    except ImportError:
        return

    def fail(*_, **__):
        raise OSError("no Files API")

    for name in ("log_artifact", "log_artifacts", "list_artifacts", "_download_file"):
        setattr(by_sdk.DatabricksSdkArtifactRepository, name, fail)


def _databricks(url):
    os.environ |= {"MLFLOW_TRACKING_URI": "databricks", "DATABRICKS_HOST": url, "DATABRICKS_TOKEN": "x"}
    # Without a registry of models there is none to ask.
    os.environ["MLFLOW_REGISTRY_URI"] = url


WAYS = {f.__name__: f for f in (by_proxy, by_parts, by_files_api, by_credentials)}


def large_files(client):
    """A file of several parts comes back, and is replaced whole by a small one."""
    run_id = client.create_run(scenario.new_experiment(client)).info.run_id
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch, "large no 1.bin")
        for data in (os.urandom(11 * 2**20 + 3), b"small"):
            path.write_bytes(data)
            client.log_artifact(run_id, str(path), "dir")
            (item,) = client.list_artifacts(run_id, "dir")
            assert (item.path, item.file_size) == (f"dir/{path.name}", len(data)), item
            target = pathlib.Path(scratch, "target")
            target.mkdir(exist_ok=True)
            down = client.download_artifacts(run_id, f"dir/{path.name}", str(target))
            assert pathlib.Path(down).read_bytes() == data


def play(url, way):
    """Take every step by a way; each failure's traceback by step."""
    WAYS[way](url)
    os.environ["MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE"] = str(5 * 2**20)
    mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
    failures = {}
    for step in (scenario.artifacts, scenario.models, large_files):
        try:
            step(mlflow.tracking.MlflowClient())
        except Exception:
            failures[step.__name__] = traceback.format_exc()
    return failures


if __name__ == "__main__":
    print(json.dumps({"version": mlflow.__version__, "failures": play(*sys.argv[1:])}))
