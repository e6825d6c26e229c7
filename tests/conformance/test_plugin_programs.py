"""Programs that use only MLflow, where tracklog is installed: what they see, and what survives them."""

import os
import signal
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.plugin import foreign_server, write_entry_points
from tests.support.server import running_server, scratch_dir
from tests.support.spools import run_program, segments, start_program, sync, wait_until

# Until the plugin knows the server calls go MLflow's way: these programs are about what comes then.
BEGIN = """
import os, sys, time, mlflow
mlflow.set_experiment(sys.argv[1])
active = mlflow.start_run()
from mlflow.tracking._tracking_service.utils import _get_store
deadline = time.monotonic() + 20
while _get_store()._native_lane() is None:
    assert time.monotonic() < deadline
    time.sleep(0.01)
run_id = active.info.run_id
print(run_id, flush=True)


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.01)
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spool: Path) -> None:
    """Programs find tracklog's entry points, installed or not, and nothing of the suite's settings."""
    for name in list(os.environ):
        if name.startswith("MLFLOW_") or name == "TRACKLOG_MLFLOW_PLUGIN":
            monkeypatch.delenv(name)
    directory = write_entry_points(tmp_path / "installed")
    monkeypatch.setenv("PYTHONPATH", f"{directory}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")


def values(api: Api, run_id: str, key: str) -> list[float]:
    """The values of a metric, in order of steps."""
    answer = api.get("metrics/get-history", {"run_id": run_id, "metric_key": key})
    return [point["value"] for point in sorted(answer.get("metrics", ()), key=lambda point: point["step"])]


def status(api: Api, run_id: str) -> str:
    return str(api.get("runs/get", {"run_id": run_id})["run"]["info"]["status"])


@pytest.mark.usefixtures("installed")
def test_a_program_is_faster_without_a_change_or_a_word(tracking_server, api, new_name, spool):
    program = """
    import time, mlflow
    mlflow.set_experiment("{name}")
    with mlflow.start_run() as active:
        # As long as a program needs to be under way.
        time.sleep(1)
        for step in range(500):
            mlflow.log_metric("m", step, step=step)
    print(active.info.run_id)
    """.replace("{name}", name := new_name())
    out, err = run_program(program, MLFLOW_TRACKING_URI=tracking_server.url)
    run_id = out.split()[-1]
    # Nothing but MLflow's own words.
    assert [line for line in err.splitlines() if f"'{name}' does not exist" not in line] == []
    assert values(api, run_id, "m") == list(range(500))
    assert status(api, run_id) == "FINISHED"
    assert [path.name for path in spool.iterdir()] != []
    wait_until(lambda: not segments(spool))


@pytest.mark.usefixtures("installed")
def test_it_can_be_turned_off(tracking_server, api, new_name, spool):
    program = """
    import sys, time, mlflow
    from mlflow.store.tracking.rest_store import RestStore
    from mlflow.tracking._tracking_service.utils import _get_store
    mlflow.set_experiment(sys.argv[1])
    with mlflow.start_run() as active:
        mlflow.log_metric("m", 1)
    assert type(_get_store()) is RestStore
    loaded = {name for name in sys.modules if name.startswith("tracklog.mlflow_plugin.")}
    # Whatever offers default experiments MLflow loads when it is imported.
    assert loaded <= {"tracklog.mlflow_plugin.notebook"}
    print(active.info.run_id)
    """
    out, _ = run_program(
        program, new_name(), MLFLOW_TRACKING_URI=tracking_server.url, TRACKLOG_MLFLOW_PLUGIN="0"
    )
    assert values(api, out.split()[-1], "m") == [1]
    assert list(spool.iterdir()) == []


@pytest.mark.usefixtures("installed")
def test_another_server_is_left_to_mlflow(tracking_server, api, new_name, spool):
    program = """
    import sys, time, mlflow
    from mlflow.tracking._tracking_service.utils import _get_store
    mlflow.set_experiment(sys.argv[1])
    with mlflow.start_run() as active:
        deadline = time.monotonic() + 20
        while _get_store()._lane is not None:
            mlflow.log_metric("m", 0)
            assert time.monotonic() < deadline
        mlflow.log_metric("m", 1, step=1)
        mlflow.log_param("p", 2)
        mlflow.log_text("x", "a.txt")
        assert mlflow.artifacts.load_text(f"runs:/{active.info.run_id}/a.txt") == "x"
    print(active.info.run_id)
    """
    with foreign_server(tracking_server.url) as (url, requests):
        out, _ = run_program(program, new_name(), MLFLOW_TRACKING_URI=url)
    run_id = out.split()[-1]
    assert values(api, run_id, "m")[-1] == 1
    assert status(api, run_id) == "FINISHED"
    # One question, and nothing else that MLflow would not have sent.
    assert [request for request in requests if "/tracklog/" in request] == ["GET /api/tracklog/v1/ingest"]
    methods = [request.split()[0] for request in requests if "/mlflow-artifacts/" in request]
    assert "PUT" in methods
    assert "GET" in methods
    assert requests[-1].endswith("/runs/update")
    assert list(spool.iterdir()) == []


@pytest.mark.usefixtures("installed")
def test_what_was_logged_before_a_kill_arrives(tracking_server, api, new_name, spool):
    program = BEGIN + (
        "for step in range(300):\n"
        "    mlflow.log_metric('m', step, step=step)\n"
        "mlflow.log_param('p', 1)\n"
        "print('logged', flush=True)\n"
        "time.sleep(60)\n"
    )
    with start_program(program, new_name(), MLFLOW_TRACKING_URI=tracking_server.url) as process:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        assert process.stdout.readline() == "logged\n"
        process.send_signal(signal.SIGKILL)
        process.communicate()
    # The sender may have been killed before it was born.
    assert sync(str(spool))[0] == 0
    assert values(api, run_id, "m") == list(range(300))
    assert api.get("runs/get", {"run_id": run_id})["run"]["data"]["params"] == [{"key": "p", "value": "1"}]
    assert status(api, run_id) == "RUNNING"


@pytest.mark.usefixtures("installed")
def test_what_is_logged_last_is_refused_aloud(tracking_server, api, new_name, tmp_path):
    program = BEGIN + (
        "client = mlflow.MlflowClient()\n"
        "other = client.create_run(active.info.experiment_id).info.run_id\n"
        "print(other, flush=True)\n"
        "wait_for(sys.argv[2])\n"
        "mlflow.log_metric('m', 1)\n"
        "for run_id in (active.info.run_id, other):\n"
        "    client.log_param(run_id, 'p', 'ours')\n"
    )
    go = tmp_path / "go"
    with start_program(program, new_name(), str(go), MLFLOW_TRACKING_URI=tracking_server.url) as process:
        assert process.stdout is not None
        ended, left_open = (process.stdout.readline().strip() for _ in range(2))
        for run_id in (ended, left_open):
            api.post("runs/log-parameter", {"run_id": run_id, "key": "p", "value": "theirs"})
        go.touch()
        _, told = process.communicate(timeout=60)
    for run_id in (ended, left_open):
        assert told.count(f"the server refused param 'p' of run {run_id}") == 1
    assert (status(api, ended), values(api, ended, "m")) == ("FINISHED", [1])
    assert status(api, left_open) == "RUNNING"


@pytest.mark.usefixtures("installed")
def test_a_program_goes_on_while_the_server_is_away(new_name, spool, tmp_path):
    """A server that ends in the middle of a program, which ends without it, and comes back at last."""
    program = BEGIN + (
        "mlflow.log_metric('m', 0, step=0)\n"
        "mlflow.flush_async_logging()\n"
        "print('first', flush=True)\n"
        "wait_for(sys.argv[2])\n"
        "started = time.monotonic()\n"
        "for step in range(1, 1000):\n"
        "    mlflow.log_metric('m', step, step=step)\n"
        "mlflow.log_params({'p': 1})\n"
        "mlflow.set_tag('t', 'u')\n"
        "print('took', time.monotonic() - started, flush=True)\n"
        "started = time.monotonic()\n"
        "mlflow.end_run()\n"
        "print('took', time.monotonic() - started, flush=True)\n"
    )
    with scratch_dir() as scratch:
        with running_server(scratch / "data") as server:
            port = server.url.rpartition(":")[2]
            process = start_program(
                program,
                new_name(),
                str(tmp_path / "go"),
                MLFLOW_TRACKING_URI=server.url,
                TRACKLOG_EXIT_TIMEOUT_S="4",
                # A run's address is printed at its end, which must not need the server.
                MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="false",
            )
            assert process.stdout is not None
            run_id = process.stdout.readline().strip()
            assert process.stdout.readline() == "first\n"
        (tmp_path / "go").touch()
        out, told = process.communicate(timeout=60)
        assert process.returncode == 0, told
        logging_s, ending_s = (float(line.split()[1]) for line in out.splitlines() if "took" in line)
        assert f"/runs/{run_id}" in out
        assert logging_s < 5
        assert ending_s < 8
        assert told.count("has not arrived yet") == 1
        assert str(spool) in told
        assert "Traceback" not in told
        with running_server(scratch / "data", "--port", port) as server, Api(server.url) as api:
            code, said = sync(str(spool))
            assert code == 0, said
            assert values(api, run_id, "m") == list(range(1000))
            run = api.get("runs/get", {"run_id": run_id})["run"]
            assert (run["info"]["status"], run["data"]["params"]) == (
                "FINISHED",
                [{"key": "p", "value": "1"}],
            )
