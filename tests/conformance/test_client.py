"""The client library against a running server, read back with MLflow's own client."""

import logging
import math
import multiprocessing
import os
import pickle
import sys
import threading
from array import array
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

import tracklog
from tests.support.server import Server
from tests.support.spools import log_as_child, run_program, segments, senders, start_program, wait_until
from tracklog import delivery
from tracklog.config import from_environment
from tracklog.keeper import KEEPER
from tracklog.post import Post
from tracklog.records import PARAMS, POINTS
from tracklog.spool import outbox_for
from tracklog.stream import Target
from tracklog_contract.errors import INVALID, NOT_FOUND

TIMEOUT_S = 30.0
PROCESSES = 20

pytestmark = pytest.mark.usefixtures("spool")


@pytest.fixture
def run(tracking_server: Server, new_name):
    """A run that is being logged."""
    with tracklog.init(tracking_server.url, experiment=new_name()) as run:
        yield run


def history(client: MlflowClient, run_id: str, key: str) -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in client.get_metric_history(run_id, key)]


def delivered(run: tracklog.Run) -> bool:
    return run.flush(TIMEOUT_S)


def test_a_run_looks_as_mlflow_s_own_does(
    tracking_server: Server, client: MlflowClient, new_name, spool: Path
):
    name = new_name()
    with tracklog.init(
        tracking_server.url, experiment=name, name="first", params={"lr": 0.1, "n": None}, tags={"stage": 1}
    ) as run:
        assert run.url == f"{tracking_server.url}/#/runs/{run.id}"
        assert delivered(run)
        info = client.get_run(run.id).info
        assert (info.status, info.run_name, info.end_time) == ("RUNNING", "first", None)
    assert delivered(run)
    found = client.get_run(run.id)
    assert (found.info.status, found.info.start_time <= found.info.end_time) == ("FINISHED", True)
    assert client.get_experiment(found.info.experiment_id).name == name
    assert found.data.params == {"lr": "0.1", "n": "None"}
    user = found.info.user_id
    assert user
    assert found.data.tags == {
        "mlflow.runName": "first",
        "mlflow.user": user,
        "mlflow.source.name": sys.argv[0],
        "mlflow.source.type": "LOCAL",
        "stage": "1",
    }
    wait_until(lambda: not segments(spool))


def test_the_run_gets_a_name_of_the_server_s_choice_and_can_be_renamed(run, client: MlflowClient):
    assert delivered(run)
    assert client.get_run(run.id).info.run_name
    run.tags({"mlflow.runName": "renamed"})
    assert delivered(run)
    assert client.get_run(run.id).info.run_name == "renamed"


def test_steps_count_by_themselves_and_follow_those_that_are_given(run, client: MlflowClient):
    run.log({"a": 1})
    run.log({"a": 2, "b": 9.5})
    run.log({"a": 3}, step=10)
    run.log({"a": 4})
    run.log({"a": 5}, step=-3, timestamp=77)
    run.log({"nan": math.nan, "inf": math.inf, "f4": np.float32(0.5), "zero_d": np.array(7)}, step=0)
    assert delivered(run)
    assert sorted(history(client, run.id, "a")) == [(-3, 5), (0, 1), (1, 2), (10, 3), (11, 4)]
    assert history(client, run.id, "b") == [(1, 9.5)]
    assert {m.timestamp for m in client.get_metric_history(run.id, "a") if m.step == -3} == {77}
    metrics = client.get_run(run.id).data.metrics
    assert math.isnan(metrics["nan"])
    assert (metrics["inf"], metrics["f4"], metrics["zero_d"]) == (math.inf, 0.5, 7.0)


@pytest.mark.parametrize(
    ("steps", "values", "expected"),
    [
        (5, [1, 2, 3], [(5, 1), (6, 2), (7, 3)]),
        (None, array("f", [1, 2]), [(0, 1), (1, 2)]),
        (np.array([4, 5, 6]), np.array([1, 2, 3], dtype="f4"), [(4, 1), (5, 2), (6, 3)]),
        ([9, 3, 30], range(3), [(3, 1), (9, 0), (30, 2)]),
        (0, [], []),
    ],
    ids=["start", "own counter", "numpy", "sparse", "nothing"],
)
def test_series_are_logged_whole(run, client: MlflowClient, steps, values, expected):
    run.log_series("s", steps, values)
    assert delivered(run)
    assert sorted(history(client, run.id, "s")) == expected


def test_a_long_series_with_timestamps_of_its_own_arrives_exactly(run, client: MlflowClient):
    count = 70_000
    values = np.random.default_rng(1).standard_normal(count)
    times = np.arange(1_000, 1_000 + count)
    run.log_series("s", 7, values, times)
    run.log_series("s", None, values[:3], timestamps=10**6)
    assert delivered(run)
    found = client.get_metric_history(run.id, "s")
    assert [m.step for m in found] == list(range(7, 7 + count + 3))
    assert [m.value for m in found] == [*values, *values[:3]]
    assert [m.timestamp for m in found] == [*times, *[10**6] * 3]


def test_more_keys_and_params_than_a_record_holds(run, client: MlflowClient):
    many = {f"k{n}": float(n) for n in range(12_000)}
    run.log(many, step=3)
    run.params({f"p{n}": n for n in range(250)})
    assert delivered(run)
    data = client.get_run(run.id).data
    assert data.metrics == many
    assert data.params == {f"p{n}": str(n) for n in range(250)}


def test_wrong_input_is_told_at_once_and_loses_nothing_else(run, client: MlflowClient):
    for call, words in (
        (lambda: run.log({"good": 1, "bad": "x", "b/../c": 2}), "'bad': must be a number"),
        (lambda: run.log({"a": 1}, step=1.5), "step must be a whole number"),
        (lambda: run.log({"a": 1}, timestamp=-1), "timestamp must be from 0"),
        (lambda: run.log([1]), "dict of numbers"),
        (lambda: run.params({"good": 1, "long": "x" * 6001}), "6001 characters"),
        (lambda: run.tags({"good": 1, "": 2}), "was not logged"),
        (lambda: run.log_series("s", [1], [1, 2]), "1 steps for 2 values"),
        (lambda: run.log_series("s", 2**63 - 1, [1, 2]), "steps must be at most"),
        (lambda: run.log_series("s", 0, [1], [-1]), "timestamps must be at least 0"),
        (lambda: run.log_series("$", 0, [1]), "\\$"),
        (lambda: run.finish("DONE"), "status must be one of"),
    ):
        with pytest.raises(tracklog.BadInput, match=words):
            call()
    assert delivered(run)
    data = client.get_run(run.id).data
    assert (data.metrics, data.params, data.tags["good"]) == ({"good": 1.0}, {"good": "1"}, "1")


@pytest.mark.parametrize(
    "arguments",
    [
        {"url": "ftp://x"},
        {"url": "http://u:secret@x"},
        {"mode": "later"},
        {"experiment": ""},
        {"experiment": "x" * 501},
        {"name": "x" * 8001},
    ],
    ids=str,
)
def test_a_run_that_the_server_would_refuse_does_not_begin(arguments, spool: Path):
    with pytest.raises(tracklog.BadInput) as caught:
        tracklog.init(**arguments)
    assert "secret" not in str(caught.value)
    assert segments(spool) == []


def test_an_exception_fails_the_run_and_passes_on(tracking_server: Server, client: MlflowClient, new_name):
    with pytest.raises(ZeroDivisionError), tracklog.init(tracking_server.url, experiment=new_name()) as run:
        run.log({"a": 1 / 0})
    assert delivered(run)
    assert client.get_run(run.id).info.status == "FAILED"


def test_a_finished_run_takes_no_more_until_it_is_resumed(tracking_server: Server, client, new_name):
    run = tracklog.init(tracking_server.url, experiment=new_name())
    run.log({"a": 1})
    run.finish("KILLED")
    run.finish()
    with pytest.raises(ValueError, match="finished"):
        run.log({"a": 2})
    assert delivered(run)
    assert client.get_run(run.id).info.status == "KILLED"
    with tracklog.resume(run.id, tracking_server.url) as again:
        again.log({"a": 3}, step=1)
    assert delivered(again)
    assert client.get_run(run.id).info.status == "KILLED"
    assert history(client, run.id, "a") == [(0, 1), (1, 3)]


def test_what_the_server_refuses_is_told_once_and_kept(run, client: MlflowClient, spool: Path, caplog):
    run.params({"p": 1})
    run.log({"before": 1})
    run.params({"p": 2})
    run.log({"after": 2}, step=0)
    assert delivered(run)
    told = wait_until(lambda: [r.getMessage() for r in caplog.records if "refused" in r.getMessage()])
    run.log({"later": 3}, step=0)
    assert delivered(run)
    KEEPER.wake()
    assert len(told) == 1
    assert "param 'p'" in told[0]
    assert "Changing param values is not allowed" in told[0]
    (kept,) = spool.glob("*/*.rejected")
    assert '"value": "2"' in kept.read_text()
    data = client.get_run(run.id).data
    assert (data.params, data.metrics) == ({"p": "1"}, {"before": 1, "after": 2, "later": 3})
    assert len([r for r in caplog.records if "refused" in r.getMessage()]) == 1


def test_the_layer_below_gives_refusals_as_errors(tracking_server: Server, client, run_id: str):
    stream = KEEPER.open_stream(
        Target(run_id, tracking_server.url), from_environment(), tells_rejections=False
    )
    stream.append([PARAMS, {"p": "1"}])
    stream.append([PARAMS, {"p": "2"}])
    stream.append([POINTS, 3, 99, {"m": 0.5}])
    assert stream.flush(TIMEOUT_S)
    (refused,) = stream.new_rejections()
    assert refused.as_error().error_code == INVALID
    assert "Changing param values" in refused.as_error().message
    assert stream.new_rejections() == []
    stream.close()
    assert history(client, run_id, "m") == [(3, 0.5)]


def test_a_deleted_run_s_data_is_refused_as_a_whole_and_kept(run, client: MlflowClient, spool: Path, caplog):
    assert delivered(run)
    client.delete_run(run.id)
    run.log({"a": 1, "b": 2})
    assert delivered(run)
    (told,) = wait_until(lambda: [r.getMessage() for r in caplog.records if "refused" in r.getMessage()])
    assert "(2 points)" in told
    (kept,) = spool.glob("*/*.rejected")
    assert '"values": [2.0]' in kept.read_text()


def test_a_child_may_come_before_the_one_that_begins_the_run(tracking_server: Server, client, new_name):
    run_id = "ab" * 16
    with tracklog.resume(run_id, tracking_server.url) as early:
        early.log({"early": 1})
        assert not early.flush(1.5)
    late = tracklog.resume(run_id, tracking_server.url, experiment=new_name())
    late.finish()
    assert delivered(early)
    assert client.get_run(run_id).data.metrics == {"early": 1}


def test_threads_log_to_one_run(run, client: MlflowClient):
    def work(number: int) -> None:
        for value in range(300):
            run.log({f"t{number}": value})

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert delivered(run)
    found = [history(client, run.id, f"t{number}") for number in range(8)]
    assert [[value for _, value in points] for points in found] == [list(range(300))] * 8
    # The run counts its steps, and no two calls got the same.
    assert sorted(step for points in found for step, _ in points) == list(range(2400))


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_children_log_to_the_run_they_were_given(method, run, client: MlflowClient):
    run.log({"parent": 1})
    context = multiprocessing.get_context(method)
    children = [context.Process(target=log_as_child, args=(run, n)) for n in range(3)]
    for child in children:
        child.start()
    run.log({"parent": 2})
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert delivered(run)
    wait_until(lambda: len(client.get_run(run.id).data.tags) == 4 + 3)
    for number in range(3):
        assert history(client, run.id, f"p{number}") == [(s, s) for s in range(100)]
    assert history(client, run.id, "parent") == [(0, 1), (1, 2)]
    assert client.get_run(run.id).info.status == "RUNNING"


def test_a_child_forked_in_the_middle_of_logging_has_no_held_lock(run, client: MlflowClient):
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            run.log({"busy": 1})

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(10):
            pid = os.fork()
            if not pid:
                run.log({f"child{number}": 1}, step=0)
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert delivered(run)
    wait_until(lambda: len(client.get_run(run.id).data.metrics) == 11)


def test_a_pickled_run_is_the_same_run(run, client: MlflowClient):
    again = pickle.loads(pickle.dumps(run))
    assert again.id == run.id
    again.log({"a": 1})
    again._end(failed=False)
    assert delivered(again)
    assert client.get_run(run.id).info.status == "RUNNING"


def test_many_processes_log_to_one_run_through_one_sender(run, client: MlflowClient, spool: Path):
    code = """
        import sys, tracklog
        with tracklog.resume(sys.argv[1], sys.argv[2]) as run:
            for step in range(200):
                run.log({"shared": int(sys.argv[3]), "own" + sys.argv[3]: step}, step=step)
    """
    url = run.url.partition("/#")[0]
    programs = [start_program(code, run.id, url, str(n)) for n in range(PROCESSES)]
    for program in programs:
        _, err = program.communicate(timeout=60)
        assert program.returncode == 0, err
    assert delivered(run)
    assert len(senders(spool)) <= 1
    wait_until(lambda: len(segments(spool)) == 1)
    shared = Counter(history(client, run.id, "shared"))
    assert shared == {(step, float(n)): 1 for step in range(200) for n in range(PROCESSES)}
    for number in range(PROCESSES):
        assert history(client, run.id, f"own{number}") == [(s, s) for s in range(200)]


def test_a_program_that_just_ends_has_delivered_and_ended_its_run(
    tracking_server: Server, client: MlflowClient, new_name
):
    code = """
        import sys, tracklog
        run = tracklog.init(experiment=sys.argv[1])
        run.log({"a": 1})
        print(run.id)
        if sys.argv[2:] == ["prompt"]:
            # As after an error in a line or cell, which does not end the work.
            sys.ps1, sys.last_type = ">>> ", RuntimeError
        elif len(sys.argv) > 2:
            raise RuntimeError("as programs do")
    """
    out, err = run_program(code, new_name(), TRACKLOG_URL=tracking_server.url)
    assert client.get_run(out.strip()).info.status == "FINISHED"
    assert history(client, out.strip(), "a") == [(0, 1)]
    assert err == ""
    out, err = run_program(code, new_name(), "fail", TRACKLOG_URL=tracking_server.url, exit_code=1)
    assert client.get_run(out.strip()).info.status == "FAILED"
    out, err = run_program(code, new_name(), "prompt", TRACKLOG_URL=tracking_server.url)
    assert client.get_run(out.strip()).info.status == "FINISHED"


def test_the_unknown_is_refused_in_the_end(tracking_server: Server, spool: Path, monkeypatch, caplog):
    caplog.set_level(logging.ERROR)
    monkeypatch.setattr(delivery, "MISSING_RUN_PATIENCE_S", 0.2)
    monkeypatch.setattr(delivery, "MISSING_RUN_PAUSE_S", 0.1)
    run = tracklog.resume("0f" * 16, tracking_server.url, mode="offline")
    run.log({"a": 1})
    run._end(failed=False)
    outbox = outbox_for(spool, tracking_server.url)
    outbox.create()
    (segment,) = segments(spool)
    segment.rename(outbox.path / segment.name)
    with delivery.Delivery(outbox, Post(tracking_server.url, {})) as made:
        wait_until(lambda: made.deliver_next() is False and made.pending_bytes() == 0)
        (refused,) = made.rejected
    assert (refused.error_code, refused.points) == (NOT_FOUND, 1)
