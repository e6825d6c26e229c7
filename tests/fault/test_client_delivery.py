"""Whatever a server, a network or a kill does to delivery: logging goes on, and each value arrives once."""

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

import tracklog
from tests.support.fake_lane import FakeLane, error, fake_lane
from tests.support.spools import (
    problems,
    run_program,
    segments,
    sender_logs,
    senders,
    start_program,
    sync,
    wait_until,
)
from tracklog import delivery, keeper, rejections, sources
from tracklog import sync as sync_module
from tracklog.delivery import Delivery
from tracklog.launch import start_sender
from tracklog.post import Post
from tracklog.spool import outbox_for

TIMEOUT_S = 20.0

pytestmark = pytest.mark.usefixtures("spool")


def values_of(lane: FakeLane, run: tracklog.Run, key: str = "a") -> list[float]:
    """What arrived of a key, in order of the steps; fails when a point came twice."""
    points = lane.runs[run.id].points
    assert set(points.values()) <= {1}
    return [value for name, _, _, value in sorted(points) if name == key]


def numbers(lane: FakeLane) -> list[tuple[bytes, int]]:
    return [(request["producer"], request["sequence"]) for request in lane.requests]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def log(run: tracklog.Run, values: range) -> None:
    for value in values:
        run.log({"a": value}, step=value)


def test_what_was_not_answered_is_sent_again_with_the_same_number(lane: FakeLane):
    lane.script += [None, error(503, "TEMPORARILY_UNAVAILABLE", "busy"), None, error(500, "X", "oops")]
    with tracklog.init(lane.url) as run:
        log(run, range(50))
    assert run.flush(TIMEOUT_S)
    assert values_of(lane, run) == list(range(50))
    assert lane.runs[run.id].statuses == ["FINISHED"]
    first, second, third = numbers(lane)[:3]
    assert first == second == third
    assert [sequence for _, sequence in sorted(set(numbers(lane)))] == list(
        range(1, len(set(numbers(lane))) + 1)
    )


@pytest.mark.parametrize("status", [429, 503])
def test_the_server_s_retry_after_is_heeded(lane: FakeLane, status: int):
    lane.script += [error(status, "TEMPORARILY_UNAVAILABLE", "busy", Retry_After="1")]
    started = time.monotonic()
    with tracklog.init(lane.url) as run:
        log(run, range(3))
    assert run.flush(TIMEOUT_S)
    assert time.monotonic() - started >= 1
    assert values_of(lane, run) == [0, 1, 2]


def test_a_gap_is_bridged_by_a_new_producer(lane: FakeLane):
    run = tracklog.init(lane.url)
    log(run, range(5))
    assert run.flush(TIMEOUT_S)
    before = numbers(lane)
    stored = lane.runs[run.id]
    lane.forget()
    lane.runs[run.id] = stored
    log(run, range(5, 9))
    run.finish()
    assert run.flush(TIMEOUT_S)
    assert values_of(lane, run) == list(range(9))
    assert numbers(lane)[-1][0] != before[-1][0]


def test_a_record_that_spoils_its_request_is_set_aside_and_the_rest_arrives(
    lane: FakeLane, spool: Path, caplog
):
    lane.refuses = lambda request: any(
        "poison" in run.get("points", {}).get("keys", []) for run in request["runs"]
    )
    run = tracklog.init(lane.url)
    other = tracklog.init(lane.url)
    log(run, range(40))
    run.log({"poison": 1.5}, step=7)
    log(run, range(40, 60))
    log(other, range(20))
    run.finish()
    other.finish()
    assert run.flush(TIMEOUT_S)
    assert other.flush(TIMEOUT_S)
    assert values_of(lane, run) == list(range(60))
    assert values_of(lane, other) == list(range(20))
    (kept,) = spool.glob("*/*.rejected")
    (line,) = kept.read_text().splitlines()
    assert json.loads(line)["data"]["series"]["poison"]["values"] == [1.5]
    told = wait_until(
        lambda: [r.getMessage() for r in caplog.records if "made to be refused" in r.getMessage()]
    )
    assert len(told) == 1


def test_data_waits_for_a_server_that_is_not_there_yet(spool: Path, caplog):
    port = free_port()
    run = tracklog.init(f"http://127.0.0.1:{port}")
    log(run, range(10))
    assert not run.flush(0.5)
    wait_until(lambda: [r for r in caplog.records if "cannot be reached" in r.getMessage()])
    with fake_lane(port) as lane:
        log(run, range(10, 20))
        assert run.flush(TIMEOUT_S)
        assert values_of(lane, run) == list(range(20))
        wait_until(lambda: not problems(spool))
    # It goes away, and comes back with what it knew.
    log(run, range(20, 25))
    assert not run.flush(0.3)
    with fake_lane(port, lane):
        run.finish()
        assert run.flush(TIMEOUT_S)
    assert values_of(lane, run) == list(range(25))
    assert len([r for r in caplog.records if "cannot be reached" in r.getMessage()]) <= 2


def test_a_server_that_is_away_is_told_once_for_values_and_files(spool: Path, monkeypatch, caplog):
    monkeypatch.setattr(keeper.KEEPER, "_exit_timeout_s", 2.0)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    run = tracklog.init(url)
    run.log({"a": 1})
    run.log_file(b"small", "f")
    outboxes = {run._stream.outbox.path, run._file_stream.outbox.path}
    wait_until(lambda: outboxes <= keeper.KEEPER._troubled.keys())

    def told(words: str) -> int:
        return sum(url in r.getMessage() and words in r.getMessage() for r in caplog.records)

    assert told("Nothing is lost") == 1
    keeper.KEEPER.wait_at_exit()
    assert told("not everything is with") == 1
    with fake_lane(port):
        run.finish()
        assert run.flush(TIMEOUT_S)
        run = tracklog.resume(run.id, url)
        # What was told of is looked at when there is something to be delivered.
        wait_until(lambda: run.log({"a": 2}) or told("takes what is logged again"))
        run.finish()
        assert run.flush(TIMEOUT_S)
    assert told("takes what is logged again") == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((404, {"Tracklog_Version": ""}, b"<html>"), "does not answer as a tracklog server"),
        ((400, {"Tracklog_Version": ""}, b"<html>"), "does not answer as a tracklog server"),
        ((200, {}, b"hello"), "does not answer as a tracklog server"),
        ((401, {}, b""), "set TRACKLOG_TOKEN"),
        ((302, {"Location": "/login"}, b""), "cannot take anything"),
    ],
    ids=["404", "400 of a proxy", "200 of another", "401", "302"],
)
def test_what_is_no_tracklog_server_loses_nothing(lane: FakeLane, spool: Path, answer, words):
    lane.script += [answer] * 1000
    run = tracklog.init(lane.url)
    log(run, range(3))
    (told,) = wait_until(lambda: problems(spool))
    assert words in told
    # Not to be asked again at once, except by hand.
    assert len(lane.headers) < 10
    lane.script.clear()
    run.finish()
    code, said = sync(str(spool))
    assert (code, values_of(lane, run)) == (0, [0, 1, 2]), said


def test_a_killed_sender_s_request_is_sent_again_as_it_was(lane: FakeLane, spool: Path):
    lane.script += [None, *[error(503, "TEMPORARILY_UNAVAILABLE", "busy")] * 5]
    run = tracklog.init(lane.url)
    log(run, range(10))
    wait_until(lambda: len(lane.headers) >= 3)
    (sender,) = senders(spool)
    # More has come meanwhile, which must not slip into the request that may have been stored.
    log(run, range(10, 30))
    sender.kill()
    sender.wait(10)
    lane.script.clear()
    run.finish()
    assert run.flush(TIMEOUT_S)
    assert values_of(lane, run) == list(range(30))
    first, second = lane.requests[:2]
    assert first == second
    assert lane.runs[run.id].statuses == ["FINISHED"]


@pytest.mark.alone
def test_logging_never_waits_for_a_server_that_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        run = tracklog.init(f"http://127.0.0.1:{silent.getsockname()[1]}")
        silent.settimeout(10)
        connection, _ = silent.accept()
        started = time.monotonic()
        log(run, range(1000))
        assert time.monotonic() - started < 1
        started = time.monotonic()
        assert not run.flush(0.2)
        assert time.monotonic() - started < 1
        run.finish()
        connection.close()


def test_a_program_ends_though_the_server_is_away_and_sync_delivers_later(spool: Path):
    port = free_port()
    code = """
        import sys, tracklog
        with tracklog.init(sys.argv[1], experiment="e") as run:
            run.log({"a": 1}, step=0)
        print(run.id)
    """
    url = f"http://127.0.0.1:{port}"
    out, err = run_program(code, url)
    assert "cannot be reached" in err
    assert str(spool) in err
    code_before, said = sync(str(spool), "--timeout", "1")
    assert code_before == 1, said
    assert "cannot be reached" in said
    assert "run tracklog sync again" in said
    with fake_lane(port) as lane:
        code_after, said = sync(str(spool))
        assert (code_after, "has everything: 1 points" in said) == (0, True), said
        assert lane.runs[out.strip()].points.total() == 1
        assert sync(str(spool))[0] == 0
        assert lane.runs[out.strip()].points.total() == 1
    assert segments(spool) == []


def test_sync_takes_over_from_a_running_sender_and_hands_back(lane: FakeLane, spool: Path):
    lane.script += [error(503, "TEMPORARILY_UNAVAILABLE", "busy", Retry_After="50")]
    run = tracklog.init(lane.url)
    log(run, range(10))
    wait_until(lambda: lane.headers)
    assert len(senders(spool)) == 1
    code, said = sync(str(spool))
    assert (code, values_of(lane, run)) == (0, list(range(10))), said
    assert "has everything: 10 points" in said
    log(run, range(10, 20))
    run.finish()
    assert run.flush(TIMEOUT_S)
    assert values_of(lane, run) == list(range(20))


def test_there_is_one_sender(lane: FakeLane, spool: Path):
    run = tracklog.init(lane.url)
    assert run.flush(TIMEOUT_S)
    assert start_sender(run._stream.outbox) is None
    assert len(senders(spool)) == 1


def test_a_sender_ends_when_nothing_is_left(lane: FakeLane, spool: Path):
    with tracklog.init(lane.url) as run:
        log(run, range(3))
    assert run.flush(TIMEOUT_S)
    (sender,) = senders(spool)
    sender.wait(15)
    assert "Traceback" not in sender_logs(spool)


def test_what_a_killed_program_has_left_goes_with_the_next_program_s(spool: Path):
    port = free_port()
    code = """
        import os, signal, sys, tracklog
        run = tracklog.init(sys.argv[1])
        for value in range(int(sys.argv[2])):
            run.log({"a": value}, step=value)
        print(run.id, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    url = f"http://127.0.0.1:{port}"
    out, _ = run_program(code, url, "500", exit_code=-signal.SIGKILL)
    for sender in senders(spool):
        sender.kill()
    with fake_lane(port) as lane, tracklog.init(url) as run:
        log(run, range(3))
        run.finish()
        assert run.flush(TIMEOUT_S)
        wait_until(lambda: not segments(spool))
        assert values_of(lane, run) == [0, 1, 2]
        left = lane.runs[out.strip()]
        assert sorted(value for _, _, _, value in left.points) == list(range(500))
        assert set(left.points.values()) == {1}


def test_a_child_s_data_carries_the_begin_that_the_parent_has_not_shipped_yet(spool: Path):
    port = free_port()
    run = tracklog.init(f"http://127.0.0.1:{port}", experiment="of the parent")
    with tracklog.resume(run.id, f"http://127.0.0.1:{port}") as child:
        log(child, range(5))
    with fake_lane(port) as lane:
        run.finish()
        assert run.flush(TIMEOUT_S)
        assert child.flush(TIMEOUT_S)
        assert values_of(lane, run) == list(range(5))
    parts = [part for request in lane.requests for part in request["runs"]]
    assert [part["begin"]["experiment_name"] for part in parts] == ["of the parent"] * len(parts)
    assert not list(spool.glob("*/*.rejected"))


def test_offline_runs_are_delivered_once_also_while_they_are_being_logged(lane: FakeLane, spool: Path):
    run = tracklog.init(mode="offline", experiment="e", name="n")
    assert run.url is None
    log(run, range(100))
    assert not run.flush(5)
    assert sync(str(spool), "--url", lane.url)[0] == 0
    assert values_of(lane, run) == list(range(100))
    log(run, range(100, 150))
    assert sync(str(spool), "--url", lane.url)[0] == 0
    run.finish()
    assert sync(str(spool), "--url", lane.url)[0] == 0
    assert values_of(lane, run) == list(range(150))
    assert lane.runs[run.id].statuses == ["FINISHED"]
    assert segments(spool) == []


def test_an_offline_program_may_be_killed_and_its_data_synced_in_pieces(lane: FakeLane, spool: Path):
    code = """
        import sys, tracklog
        run = tracklog.init(mode="offline")
        print(run.id, flush=True)
        step = 0
        while True:
            run.log({"a": step}, step=step)
            step += 1
            print(step, flush=True)
    """
    program = start_program(code, TRACKLOG_URL=lane.url)
    assert program.stdout is not None
    run_id = program.stdout.readline().strip()
    logged = [program.stdout.readline() for _ in range(300)][-1]
    assert sync(str(spool))[0] == 0
    program.kill()
    logged = [*program.stdout.read().split(), logged.strip()]
    program.communicate()
    assert sync(str(spool))[0] == 0
    points = lane.runs[run_id].points
    assert set(points.values()) == {1}
    # The kill may have come between the record and the line that tells of it.
    assert max(map(int, logged)) <= len(points) <= max(map(int, logged)) + 1


def test_sync_tells_what_was_refused(lane: FakeLane, spool: Path):
    run = tracklog.init(lane.url, mode="offline")
    log(run, range(3))
    run.log({"poison": 1.0}, step=9)
    run.finish()
    lane.refuses = lambda request: any(
        "poison" in part.get("points", {}).get("keys", []) for part in request["runs"]
    )
    code, said = sync(str(spool))
    assert code == 1
    assert "made to be refused" in said
    assert "the server refused 1 items; they are kept in" in said
    assert values_of(lane, run) == [0, 1, 2]
    code, said = sync(str(spool))
    assert (code, "nothing to deliver" in said) == (0, True)


@pytest.mark.parametrize("arguments", [["/nowhere/at/all"], ["--url", "no url"]])
def test_sync_says_what_is_wrong_with_its_arguments(arguments):
    code, said = sync(*arguments)
    assert code == 1
    assert said.startswith("tracklog: ")
    assert len(said.splitlines()) == 1


def test_a_kill_after_a_refusal_was_kept_does_not_keep_it_twice(lane: FakeLane, spool: Path, monkeypatch):
    """The next sender asks again, and gets the same answer again."""
    monkeypatch.setattr(delivery, "MISSING_RUN_PATIENCE_S", 0.0)
    run = tracklog.resume("ef" * 16, lane.url, mode="offline")
    log(run, range(3))
    run._end(failed=False)
    outbox = outbox_for(spool, lane.url)
    outbox.create()
    (segment,) = segments(spool)
    segment.rename(outbox.path / segment.name)
    with Delivery(outbox, Post(lane.url, {})) as first, monkeypatch.context() as patch:
        patch.setattr(first, "_acknowledge", _killed)
        with pytest.raises(InterruptedError):
            first.deliver_next()
    with Delivery(outbox, Post(lane.url, {})) as second:
        assert second.deliver_next()
        assert not second.deliver_next()
    assert lane.requests[0] == lane.requests[1]
    (stream,) = rejections.streams_with_rejections(outbox)
    assert len(rejections.untold(outbox, stream)) == 1


def _killed(*_: object) -> None:
    raise InterruptedError


def test_a_fork_during_the_start_of_a_sender_leaves_its_lock_alone(lane: FakeLane, spool: Path):
    """A child that lives on must not keep the lock that was handed to the sender."""
    run = tracklog.init(lane.url)
    children = []
    for _ in range(30):
        pid = os.fork()
        if not pid:
            time.sleep(30)
            os._exit(0)
        children.append(pid)
        time.sleep(0.005)
    try:
        assert run.flush(TIMEOUT_S)
        for sender in senders(spool):
            sender.kill()
            sender.wait(10)
        log(run, range(3))
        run.finish()
        assert run.flush(TIMEOUT_S)
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    assert values_of(lane, run) == [0, 1, 2]


def test_more_streams_than_may_be_open_at_once_are_all_delivered(
    lane: FakeLane, spool: Path, monkeypatch, capsys
):
    monkeypatch.setattr(sources, "SOURCES_MAX", 3)
    runs = [tracklog.init(mode="offline") for _ in range(10)]
    for run in runs:
        log(run, range(5))
        run.finish()
    assert sync_module.run(None, lane.url, os.environ) == 0
    assert "has everything: 50 points" in capsys.readouterr().out
    assert [values_of(lane, run) for run in runs] == [list(range(5))] * 10
    assert segments(spool) == []


def test_a_sender_that_cannot_work_is_not_started_without_end_and_is_told_of(
    lane: FakeLane, spool: Path, monkeypatch, caplog
):
    monkeypatch.setattr(keeper, "RESTART_PAUSE_S", 0.01)
    outbox = outbox_for(spool, lane.url)
    outbox.create()
    # Nobody can open this as a journal.
    outbox.file("journal").mkdir()
    run = tracklog.init(lane.url)
    log(run, range(3))
    wait_until(lambda: "senders end again and again" in caplog.text)
    assert caplog.text.count("senders end again and again") == 1
    assert "IsADirectoryError" in sender_logs(spool)
    outbox.file("journal").rmdir()
    run.finish()
    assert run.flush(TIMEOUT_S)
    assert values_of(lane, run) == [0, 1, 2]


def test_without_a_python_to_start_the_user_is_told_and_sync_delivers(
    lane: FakeLane, spool: Path, monkeypatch, caplog
):
    monkeypatch.setattr(sys, "executable", "")
    run = tracklog.init(lane.url)
    log(run, range(3))
    run.finish()
    wait_until(lambda: "no sender can be started" in caplog.text)
    monkeypatch.undo()
    assert sync(str(spool))[0] == 0
    assert values_of(lane, run) == [0, 1, 2]
