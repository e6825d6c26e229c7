"""What users of MLflow do, from 1.30 to 3.17 alike, played by the client that runs this file.

    python scenario.py URL

plays every step against the server at URL, and prints one JSON line:
{"version": …, "failures": {step: traceback}}.
The steps keep to what all these versions understand, and need nothing of this project's.
"""

import json
import math
import pathlib
import sys
import tempfile
import traceback
import uuid

import mlflow
import mlflow.cli
import mlflow.experiments
import numpy as np
from click.testing import CliRunner
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

STEPS = {}


def step(function):
    """Mark a function as a step of the scenario; it is given a client."""
    STEPS[function.__name__] = function
    return function


def new_experiment(client, **more):
    """The id of an experiment that nobody else has."""
    return client.create_experiment(f"scenario {mlflow.__version__} {uuid.uuid4().hex}", **more)


def refused(code, call, *arguments):
    """Check that a call is refused with MLflow's error code."""
    try:
        call(*arguments)
    except MlflowException as error:
        answered = error.error_code
    else:
        answered = "no error"
    assert answered == code


def cli(*arguments):
    """What `mlflow ARGUMENTS` prints; it has to succeed."""
    done = CliRunner().invoke(mlflow.cli.cli, arguments)
    assert done.exit_code == 0, (arguments, done.output, done.exception)
    return done.output


@step
def experiments(client):
    number = new_experiment(client)
    assert isinstance(number, str), number
    created = client.get_experiment(number)
    assert created.lifecycle_stage == "active"
    assert created.artifact_location.endswith(number), created.artifact_location
    assert client.get_experiment_by_name(created.name).experiment_id == number
    assert client.get_experiment_by_name(created.name + "?") is None
    refused("RESOURCE_ALREADY_EXISTS", client.create_experiment, created.name)
    client.rename_experiment(number, created.name + " renamed")
    renamed = client.get_experiment(number)
    assert renamed.name == created.name + " renamed"
    assert renamed.last_update_time >= created.creation_time
    client.delete_experiment(number)
    assert client.get_experiment(number).lifecycle_stage == "deleted"
    client.restore_experiment(number)
    assert client.get_experiment(number).lifecycle_stage == "active"
    refused("RESOURCE_DOES_NOT_EXIST", client.get_experiment, "987654321")


@step
def experiment_tags(client):
    number = new_experiment(client, tags={"team": "blue"})
    client.set_experiment_tag(number, "stage", "first")
    client.set_experiment_tag(number, "stage", "second")
    assert client.get_experiment(number).tags == {"team": "blue", "stage": "second"}


@step
def searching_experiments(client):
    mark = uuid.uuid4().hex
    numbers = [
        client.create_experiment(f"{mark} {at}", tags={"mark": mark, "at": str(at)}) for at in range(5)
    ]
    client.delete_experiment(numbers[4])

    def found(**arguments):
        return [experiment.experiment_id for experiment in client.search_experiments(**arguments)]

    assert found(filter_string=f"name LIKE '{mark}%'", order_by=["name ASC"]) == numbers[:4]
    assert found(filter_string=f"name ILIKE '{mark.upper()} 2'") == [numbers[2]]
    assert found(filter_string=f"tags.mark = '{mark}' AND tags.at = '1'") == [numbers[1]]
    deleted = {"filter_string": f"tags.mark = '{mark}'", "view_type": ViewType.DELETED_ONLY}
    assert found(**deleted) == [numbers[4]]
    pages, token = [], None
    while True:
        page = client.search_experiments(
            filter_string=f"tags.mark = '{mark}'",
            view_type=ViewType.ALL,
            order_by=["name DESC"],
            max_results=2,
            page_token=token,
        )
        pages.append([experiment.experiment_id for experiment in page])
        token = page.token
        if not token:
            break
    assert pages == [[numbers[4], numbers[3]], [numbers[2], numbers[1]], [numbers[0]]], pages


@step
def fluent_run(client):
    experiment = mlflow.set_experiment(experiment_id=new_experiment(client))
    with mlflow.start_run(run_name="outer") as outer:
        mlflow.log_param("lr", 0.1)
        mlflow.log_params({"depth": 3, "name": "ünïcode ✓"})
        mlflow.log_metric("loss", 1.5, step=0)
        mlflow.log_metric("loss", 0.5, step=1)
        mlflow.log_metrics({"acc": 0.75, "f1": 0.5}, step=3)
        mlflow.set_tag("stage", "dev")
        mlflow.set_tags({"a": "1", "b": "2"})
        with mlflow.start_run(run_name="inner", nested=True) as inner:
            mlflow.log_metric("loss", 9)
    run = client.get_run(outer.info.run_id)
    assert (run.info.status, run.info.lifecycle_stage) == ("FINISHED", "active")
    assert run.info.experiment_id == experiment.experiment_id
    assert run.info.end_time >= run.info.start_time > 1_500_000_000_000
    assert run.data.params == {"lr": "0.1", "depth": "3", "name": "ünïcode ✓"}
    assert run.data.metrics == {"loss": 0.5, "acc": 0.75, "f1": 0.5}
    assert run.data.tags["mlflow.runName"] == "outer"
    assert {name: run.data.tags[name] for name in ("stage", "a", "b")} == {"stage": "dev", "a": "1", "b": "2"}
    child = client.get_run(inner.info.run_id)
    assert child.data.tags["mlflow.parentRunId"] == outer.info.run_id
    try:
        with mlflow.start_run() as failed:
            raise ZeroDivisionError
    except ZeroDivisionError:
        assert client.get_run(failed.info.run_id).info.status == "FAILED"
    with mlflow.start_run(run_id=outer.info.run_id):
        mlflow.log_metric("loss", 0.25, step=2)
    assert client.get_run(outer.info.run_id).data.metrics["loss"] == 0.25
    frame = mlflow.search_runs([experiment.experiment_id], "metrics.loss < 1", order_by=["metrics.loss"])
    assert list(frame["run_id"]) == [outer.info.run_id]
    assert list(frame["params.depth"]) == ["3"]
    assert list(frame["metrics.acc"]) == [0.75]
    assert list(frame["tags.stage"]) == ["dev"]


@step
def writing_to_a_run(client):
    tags = {"first": "1", "mlflow.user": "ada"}
    run = client.create_run(new_experiment(client), start_time=1000, tags=tags)
    run_id = run.info.run_id
    assert (run.info.status, run.info.start_time) == ("RUNNING", 1000)
    client.log_param(run_id, "p", "1")
    client.log_param(run_id, "p", "1")
    refused("INVALID_PARAMETER_VALUE", client.log_param, run_id, "p", "2")
    client.log_metric(run_id, "m", 1.5, timestamp=10, step=-3)
    client.log_batch(
        run_id,
        metrics=[Metric(f"b{at % 2}", float(at), 100 + at, at) for at in range(500)],
        params=[Param(f"q{at}", "x" * at) for at in range(60)],
        tags=[RunTag(f"t{at}", str(at)) for at in range(40)],
    )
    client.set_tag(run_id, "kept", "no")
    client.set_tag(run_id, "kept", "yes")
    client.set_tag(run_id, "gone", "soon")
    client.delete_tag(run_id, "gone")
    refused("RESOURCE_DOES_NOT_EXIST", client.delete_tag, run_id, "gone")
    client.set_terminated(run_id, "KILLED", end_time=2000)
    read = client.get_run(run_id)
    assert (read.info.status, read.info.end_time) == ("KILLED", 2000)
    assert read.data.metrics == {"m": 1.5, "b0": 498.0, "b1": 499.0}
    assert read.data.params == {"p": "1", **{f"q{at}": "x" * at for at in range(60)}}
    tags |= {"kept": "yes", **{f"t{at}": str(at) for at in range(40)}}
    assert {name: value for name, value in read.data.tags.items() if name != "mlflow.runName"} == tags
    refused("RESOURCE_DOES_NOT_EXIST", client.get_run, "0" * 32)
    refused("INVALID_PARAMETER_VALUE", client.log_metric, run_id, "bad/../key", 1.0)


@step
def metric_history(client):
    run_id = client.create_run(new_experiment(client)).info.run_id
    values = [0.0, -1.5, 1e300, math.nan, 5e-324, 7.0]
    for at, value in enumerate(values):
        client.log_metric(run_id, "m", value, timestamp=1000 + at, step=at)
    points = client.get_metric_history(run_id, "m")
    assert [(point.timestamp, point.step) for point in points] == [(1000 + at, at) for at in range(6)]
    np.testing.assert_array_equal([point.value for point in points], values)
    assert client.get_metric_history(run_id, "none") == []
    # More than the one page that newer clients ask for is in no step: 25,000 points would take seconds.
    for start in range(0, 3000, 1000):
        batch = [Metric("long", float(at), at, at) for at in range(start, start + 1000)]
        client.log_batch(run_id, metrics=batch)
    assert [point.value for point in client.get_metric_history(run_id, "long")] == list(range(3000))


@step
def searching_runs(client):
    number, other = new_experiment(client), new_experiment(client)
    runs = []
    for at in range(7):
        run_id = client.create_run(other if at == 6 else number, start_time=1 + at).info.run_id
        client.log_metric(run_id, "m", at / 2)
        client.log_param(run_id, "kind", "odd" if at % 2 else "even")
        client.set_tag(run_id, "note.text", f"it is {at}")
        runs.append(run_id)
    client.set_terminated(runs[1], "FINISHED")
    client.delete_run(runs[5])

    def found(filter_string="", **arguments):
        arguments = {"experiment_ids": [number, other], "order_by": ["metrics.m"], **arguments}
        page = client.search_runs(filter_string=filter_string, **arguments)
        return "".join(str(runs.index(run.info.run_id)) for run in page)

    assert found() == "012346"
    assert found(experiment_ids=[number]) == "01234"
    assert found("metrics.m > 0.5 and params.kind = 'even'") == "246"
    assert found("params.kind != 'even'") == "13"
    assert found("tags.`note.text` LIKE '%2'") == "2"
    assert found("tags.\"note.text\" ILIKE 'IT IS %'", order_by=["start_time DESC"]) == "643210"
    assert found("attributes.status = 'FINISHED'") == "1"
    assert found("attribute.start_time <= 3") == "012"
    assert found(order_by=["params.kind DESC", "metrics.m DESC"]) == "316420"
    assert found(run_view_type=ViewType.DELETED_ONLY) == "5"
    assert found(run_view_type=ViewType.ALL) == "0123456"
    refused("INVALID_PARAMETER_VALUE", client.search_runs, [number], "metrics.m = 'text'")
    pages, token = [], None
    while not pages or token:
        page = client.search_runs([number, other], order_by=["metrics.m"], max_results=4, page_token=token)
        pages.append([runs.index(run.info.run_id) for run in page])
        token = page.token
    assert pages == [[0, 1, 2, 3], [4, 6]], pages


@step
def deleting_and_restoring_a_run(client):
    number = new_experiment(client)
    run_id = client.create_run(number).info.run_id
    client.delete_run(run_id)
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    refused("INVALID_PARAMETER_VALUE", client.set_tag, run_id, "a", "b")
    assert list(client.search_runs([number])) == []
    client.restore_run(run_id)
    assert [run.info.run_id for run in client.search_runs([number])] == [run_id]


@step
def artifacts(client):
    run_id = client.create_run(new_experiment(client)).info.run_id
    with tempfile.TemporaryDirectory() as scratch:
        source = pathlib.Path(scratch, "source")
        (source / "sub" / "empty").mkdir(parents=True)
        (source / "a b.txt").write_text("first", encoding="utf-8")
        (source / "sub" / "ünï ✓.bin").write_bytes(bytes(range(256)))
        (source / "sub" / "nothing").write_bytes(b"")
        client.log_artifact(run_id, str(source / "a b.txt"))
        client.log_artifact(run_id, str(source / "a b.txt"), "deep/er")
        client.log_artifacts(run_id, str(source), "tree")
        client.log_text(run_id, "some text", "notes/text.txt")
        client.log_dict(run_id, {"a": [1, 2]}, "data.json")

        def listed(path=None):
            return {(item.path, item.is_dir, item.file_size) for item in client.list_artifacts(run_id, path)}

        assert {item[:2] for item in listed()} == {
            ("a b.txt", False), ("deep", True), ("tree", True), ("notes", True), ("data.json", False),
        }  # fmt: skip
        assert listed("deep") == {("deep/er", True, None)}
        assert listed("tree/sub") == {("tree/sub/ünï ✓.bin", False, 256), ("tree/sub/nothing", False, 0)}
        assert listed("missing") == set()
        target = pathlib.Path(scratch, "target")
        target.mkdir()
        one = pathlib.Path(client.download_artifacts(run_id, "deep/er/a b.txt", str(target)))
        assert one.read_text(encoding="utf-8") == "first"
        tree = pathlib.Path(client.download_artifacts(run_id, "tree", str(target)))
        assert (tree / "sub" / "ünï ✓.bin").read_bytes() == bytes(range(256))
        assert (tree / "sub" / "nothing").read_bytes() == b""
        whole = pathlib.Path(client.download_artifacts(run_id, "", str(target)))
        assert (whole / "notes" / "text.txt").read_text(encoding="utf-8") == "some text"
        assert json.loads((whole / "data.json").read_text(encoding="utf-8")) == {"a": [1, 2]}


@step
def models(client):
    class Doubler(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input):
            return model_input * 2

    mlflow.set_experiment(experiment_id=new_experiment(client))
    with mlflow.start_run() as active:
        # Requirements are named, since finding them out takes MLflow many seconds.
        mlflow.pyfunc.log_model(artifact_path="model", python_model=Doubler(), pip_requirements=["numpy"])
    loaded = mlflow.pyfunc.load_model(f"runs:/{active.info.run_id}/model")
    given = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(loaded.predict(given), given * 2)
    if mlflow.__version__ < "3":
        # Before logged models a run's tag told of its models.
        (entry,) = json.loads(client.get_run(active.info.run_id).data.tags["mlflow.log-model.history"])
        assert (entry["run_id"], entry["artifact_path"]) == (active.info.run_id, "model")
        assert "python_function" in entry["flavors"]
        files = {item.path for item in client.list_artifacts(active.info.run_id, "model")}
        assert {"model/MLmodel", "model/requirements.txt"} <= files


@step
def command_line(client):
    number = new_experiment(client)
    name = client.get_experiment(number).name
    run_id = client.create_run(number, tags={"mlflow.runName": "the one"}).info.run_id
    if "search" in mlflow.experiments.commands.commands:
        # 1.30 has a command `list` instead, whose endpoint MLflow 2.0 took away.
        assert name in cli("experiments", "search")
    assert run_id in cli("experiments", "csv", "--experiment-id", number)
    assert run_id in cli("runs", "list", "--experiment-id", number)
    described = json.loads(cli("runs", "describe", "--run-id", run_id))
    assert described["info"]["run_id"] == run_id
    cli("artifacts", "log-artifact", "--local-file", __file__, "--run-id", run_id, "--artifact-path", "up")
    (item,) = json.loads(cli("artifacts", "list", "--run-id", run_id, "--artifact-path", "up"))
    assert item["path"] == "up/scenario.py"
    assert int(item["file_size"]) == pathlib.Path(__file__).stat().st_size
    said = cli("artifacts", "download", "--run-id", run_id, "--artifact-path", "up").strip().splitlines()[-1]
    downloaded = pathlib.Path(said, "scenario.py")
    assert downloaded.read_bytes() == pathlib.Path(__file__).read_bytes()
    cli("runs", "delete", "--run-id", run_id)
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    cli("runs", "restore", "--run-id", run_id)
    cli("experiments", "delete", "--experiment-id", number)
    assert client.get_experiment(number).lifecycle_stage == "deleted"


def play(url):
    """Play all steps; which failed, and how."""
    mlflow.set_tracking_uri(url)
    failures = {}
    for name, function in STEPS.items():
        try:
            function(MlflowClient())
        except Exception:
            failures[name] = traceback.format_exc()
        finally:
            while mlflow.active_run():
                mlflow.end_run()
    return failures


if __name__ == "__main__":
    told = {"version": mlflow.__version__, "failures": play(sys.argv[1])}
    print(json.dumps(told))
