"""Whatever happens to a network, a disk or a process: a file that was logged arrives as it was, and once."""

import contextlib
import errno
import io
import json
import os
import pty
import random
import re
import signal
import subprocess
import sys
import termios
import textwrap
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import tracklog
from tests.support.fake_artifacts import UNANSWERED
from tests.support.fake_lane import FakeLane, fake_lane
from tests.support.seed import seed
from tests.support.spools import run_program, segments, senders, start_program, sync, wait_until
from tracklog import files
from tracklog.launch import start_sender
from tracklog.spool import outbox_for
from tracklog.upload import PART_THREADS

TIMEOUT_S = 20.0
MIB = 2**20
KILLS = int(os.environ.get("CLIENT_FILE_KILLS", "3"))

pytestmark = pytest.mark.usefixtures("spool")


@pytest.fixture
def parts(lane: FakeLane) -> FakeLane:
    """A server that wants anything above half a MiB in parts of a MiB."""
    lane.artifacts.single_max = MIB // 2
    lane.artifacts.part_size = MIB
    return lane


def content_of(lane: FakeLane, run: tracklog.Run) -> dict[str, bytes]:
    return lane.artifacts.content(run.id)


def put_twice(lane: FakeLane) -> dict[tuple[str, int], int]:
    """What has begun to be put more than once, and how often."""
    return {what: count for what, count in lane.artifacts.started.items() if count > 1}


def data_files(spool: Path) -> list[Path]:
    return [path for path in spool.rglob("*") if path.suffix in (".data", ".sha256", ".refused")]


def told(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    return [r.getMessage() for r in caplog.records if words in r.getMessage()]


def test_files_are_those_of_the_call_whatever_becomes_of_them(parts: FakeLane, spool: Path, tmp_path: Path):
    """A tree with an empty file, small and large ones; bytes and streams; all changed at once afterwards."""
    chance = random.Random(1)
    tree = {
        "empty": b"",
        "a/small": b"small",
        "a/b/middle": chance.randbytes(400_000),
        "large": chance.randbytes(3 * MIB + 5),
    }
    for name, data in tree.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    stream = (tmp_path / "large").open("rb")
    stream.seek(MIB)
    with stream, tracklog.init(parts.url) as run:
        run.log_artifacts(tmp_path, "tree")
        run.log_artifacts(tmp_path / "a")
        run.log_artifact(tmp_path / "a" / "small", "one/two")
        run.log_artifact(str(tmp_path / "a"), "dir")
        run.log_file(b"bytes", "x/bytes")
        run.log_file(memoryview(tree["large"]), "view")
        run.log_file(stream, "stream")
        for name in tree:
            (tmp_path / name).write_bytes(b"changed")
        (tmp_path / "a" / "small").unlink()
    assert run.flush(TIMEOUT_S)
    assert content_of(parts, run) == {
        **{f"tree/{name}": data for name, data in tree.items()},
        "small": b"small",
        "b/middle": tree["a/b/middle"],
        "one/two/small": b"small",
        "dir/a/small": b"small",
        "dir/a/b/middle": tree["a/b/middle"],
        "x/bytes": b"bytes",
        "view": tree["large"],
        "stream": tree["large"][MIB:],
    }
    assert put_twice(parts) == {}
    wait_until(lambda: not data_files(spool) and not segments(spool))


def test_the_last_of_many_versions_is_the_one_that_stays(parts: FakeLane):
    parts.artifacts.bytes_per_s = 5 * MIB
    with tracklog.init(parts.url) as run:
        for size in (10, 2 * MIB, 20, 700_000, 30):
            run.log_file(bytes([size % 251]) * size, "checkpoint")
    assert run.flush(TIMEOUT_S)
    assert content_of(parts, run) == {"checkpoint": bytes([30]) * 30}


def test_an_older_version_that_had_to_wait_for_the_run_stays_behind(lane: FakeLane):
    """The server gets to know the run after the first version has been asked about, before the last."""
    lane.artifacts.knows = lambda owner: False
    with tracklog.init(lane.url) as run:
        run.log_file(b"first", "a")
        wait_until(lambda: lane.artifacts.asked)
        lane.artifacts.knows = lambda owner: True
        run.log_file(b"last", "a")
    assert run.flush(TIMEOUT_S)
    assert content_of(lane, run) == {"a": b"last"}
    assert lane.artifacts.puts.total() == 1


def test_what_the_server_has_is_not_sent_again(lane: FakeLane):
    run = tracklog.init(lane.url)
    for _ in range(2):
        run.log_file(b"same", "a")
        assert run.flush(TIMEOUT_S)
    run.log_file(b"other", "a")
    run.finish()
    assert run.flush(TIMEOUT_S)
    assert lane.artifacts.puts[f"{run.id}/a", 0] == 2
    assert content_of(lane, run) == {"a": b"other"}


def test_a_large_file_holds_up_neither_values_nor_small_files(parts: FakeLane):
    parts.artifacts.bytes_per_s = MIB / 2
    run = tracklog.init(parts.url)
    run.log_file(bytes(8 * MIB), "large")
    wait_until(lambda: parts.artifacts.started)
    run.log({"a": 1})
    run.log_file(b"s", "small")
    wait_until(lambda: parts.runs[run.id].points and "small" in content_of(parts, run))
    assert "large" not in content_of(parts, run)
    parts.artifacts.bytes_per_s = None
    run.finish()
    assert run.flush(TIMEOUT_S)
    assert content_of(parts, run)["large"] == bytes(8 * MIB)


def test_a_store_that_fails_in_every_way_gets_everything_in_the_end(parts: FakeLane):
    """Connections lost in the middle of bodies, errors of both kinds, an upload that somebody gave up."""
    parts.artifacts.script += [None, 503, None, 403, 500, None]
    data = random.Random(2).randbytes(5 * MIB)
    with tracklog.init(parts.url) as run:
        run.log_file(data, "large")
        for number in range(20):
            run.log_file(b"%d" % number, f"small/{number}")
        wait_until(lambda: not parts.artifacts.script and parts.artifacts.uploads)
        with parts.artifacts.lock:
            parts.artifacts.uploads.clear()
    assert run.flush(TIMEOUT_S)
    small = {f"small/{number}": b"%d" % number for number in range(20)}
    assert content_of(parts, run) == {"large": data, **small}


def test_parts_whose_answers_were_lost_are_not_sent_again(parts: FakeLane):
    """On new connections and on such as were used before, one by one and several at a time."""
    answered = [0] * PART_THREADS
    parts.artifacts.script += [UNANSWERED, *answered, UNANSWERED, UNANSWERED, *answered, UNANSWERED]
    data = random.Random(3).randbytes(20 * MIB)
    with tracklog.init(parts.url) as run:
        run.log_file(data, "large")
    assert run.flush(TIMEOUT_S)
    assert not parts.artifacts.script
    assert content_of(parts, run) == {"large": data}
    assert put_twice(parts) == {}


def test_files_wait_for_a_server_and_for_the_run(spool: Path):
    """Nothing listens at first; then the server knows the run only after a while."""
    with fake_lane() as gone:
        port = int(gone.url.rpartition(":")[2])
    with tracklog.init(gone.url) as run:
        run.log_file(b"early", "a")
    assert not run.flush(0.3)
    with fake_lane(port) as lane:
        asked = lane.artifacts.asked
        lane.artifacts.knows = lambda owner: len(asked) > 1
        assert run.flush(TIMEOUT_S)
        assert content_of(lane, run) == {"a": b"early"}


@pytest.mark.alone
def test_parts_that_are_there_are_not_sent_again_after_kills(parts: FakeLane, spool: Path):
    """SIGKILL of the sender in the middle of a multipart upload, again and again."""
    chance = random.Random(seed("client_files"))
    store = parts.artifacts
    store.part_size, store.bytes_per_s = MIB // 2, 2 * MIB
    # Far more than the kills let through, however fast the machine is.
    count = 9 * PART_THREADS * KILLS
    data = chance.randbytes(count * store.part_size)
    outbox = outbox_for(spool, parts.url).for_files()
    with tracklog.init(parts.url) as run:
        run.log_file(data, "large")
    arrived: set[tuple[str, int]] = set()

    def more_than_before() -> bool:
        return len(store.puts) > len(arrived) + chance.randrange(2)

    for _ in range(KILLS):
        wait_until(more_than_before)
        wait_until(lambda: any(str(outbox.path) in process.cmdline() for process in senders(spool)))
        (sender,) = [process for process in senders(spool) if str(outbox.path) in process.cmdline()]
        with store.lock:
            arrived = set(store.puts)
            sender.kill()
        psutil.wait_procs([sender], 5)
        if started := start_sender(outbox):
            started.wait()
        assert "large" not in content_of(parts, run)
    store.bytes_per_s = None
    assert run.flush(TIMEOUT_S)
    assert content_of(parts, run) == {"large": data}
    # What had arrived at a kill is never put again; of what was in flight each is begun again.
    assert {store.started[part] for part in arrived} == {1}
    assert len(store.started) == count
    assert store.started.total() <= count + PART_THREADS * KILLS


def test_files_of_a_killed_program_arrive_and_what_it_had_not_logged_leaves_nothing(
    parts: FakeLane, spool: Path, tmp_path: Path
):
    code = """
        import os, sys, tracklog
        run = tracklog.init(sys.argv[1])
        print(run.id, flush=True)
        run.log_file(b"x" * 700_000, "whole")
        run.log_file(open(sys.argv[2], "rb"), "never whole")
    """
    os.mkfifo(tmp_path / "fifo")
    program = start_program(code, parts.url, str(tmp_path / "fifo"))
    assert program.stdout is not None
    run_id = program.stdout.readline().strip()
    with (tmp_path / "fifo").open("wb") as fifo:
        fifo.write(bytes(MIB))
        fifo.flush()
        wait_until(lambda: any(path.stat().st_size > 700_000 for path in data_files(spool)))
        program.send_signal(signal.SIGKILL)
        program.communicate()
    # It may have been killed before it could start a sender.
    if started := start_sender(outbox_for(spool, parts.url).for_files()):
        started.wait()
    wait_until(lambda: parts.artifacts.content(run_id) == {"whole": b"x" * 700_000})
    wait_until(lambda: not data_files(spool))


def test_a_file_that_is_not_copied_must_stay_as_it_was(parts: FakeLane, spool: Path, tmp_path: Path, caplog):
    for name in ("kept", "changed", "deleted"):
        (tmp_path / name).write_bytes(name.encode() * 100_000)
    parts.artifacts.knows = lambda owner: False
    with tracklog.init(parts.url) as run:
        run.log_artifacts(tmp_path, copy=False)
        assert sum(path.lstat().st_size for path in data_files(spool)) < 1000
        (tmp_path / "changed").write_bytes(b"CHANGED" * 100_000)
        (tmp_path / "deleted").unlink()
        parts.artifacts.knows = lambda owner: True
    assert run.flush(TIMEOUT_S)
    assert content_of(parts, run) == {"kept": b"kept" * 100_000}
    wait_until(lambda: told(caplog, "has changed since") and told(caplog, "no longer there"))
    assert (tmp_path / "kept").exists()


def test_refused_files_are_told_once_and_kept(parts: FakeLane, spool: Path, caplog):
    parts.artifacts.refuses = lambda owner, path: "over the quota" if "bad" in path else ""
    with tracklog.init(parts.url) as run:
        run.log_file(b"s", "bad/small")
        run.log_file(b"l" * MIB, "bad/large")
        run.log_file(b"g", "good")
    assert run.flush(TIMEOUT_S)
    assert content_of(parts, run) == {"good": b"g"}
    wait_until(lambda: len(told(caplog, "over the quota")) == 2)
    (lines,) = [path.read_text().splitlines() for path in spool.glob("*/*.rejected")]
    kept = {json.loads(line)["key"]: json.loads(line)["data"] for line in lines}
    assert kept["bad/small"]["content"] == "cw=="
    assert Path(kept["bad/large"]["file"]).read_bytes() == b"l" * MIB


def test_a_full_spool_is_told_once_and_values_go_on(lane: FakeLane, spool: Path, monkeypatch, caplog):
    monkeypatch.setenv("TRACKLOG_SPOOL_BYTES_MAX", str(4 * MIB))
    run = tracklog.init(mode="offline")
    for number in range(5):
        run.log_file(bytes(MIB), f"large{number}")
        run.log_file(b"small", f"small{number}")
    run.log({"a": 1})
    assert len(told(caplog, "no room")) == 1
    run.finish()
    code, out = sync("--url", lane.url)
    assert code == 0, out
    # A tenth of the spool is left to values.
    assert sorted(content_of(lane, run)) == sorted(
        [f"large{n}" for n in range(3)] + [f"small{n}" for n in range(5)]
    )
    assert lane.runs[run.id].points


def test_a_full_disk_is_told_once_and_leaves_nothing(spool: Path, monkeypatch, caplog):
    def full(fd: int, data: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    run = tracklog.init(mode="offline")
    with monkeypatch.context() as patch:
        patch.setattr(files, "write_all", full)
        run.log_file(bytes(MIB), "a")
        run.log_file(bytes(MIB), "b")
    assert len(told(caplog, "No space left on device")) == 1
    assert data_files(spool) == []
    run.log_file(bytes(MIB), "c")
    run.finish()
    assert len(data_files(spool)) == 1


def test_offline_runs_bring_their_files_by_sync(lane: FakeLane, spool: Path, tmp_path: Path):
    """One that has ended, and one that still logs, to which its data files must follow."""
    (tmp_path / "linked").write_bytes(b"l" * MIB)
    with tracklog.init(mode="offline") as run:
        run.log_file(b"small", "a")
        run.log_file(b"L" * MIB, "b")
        run.log_artifact(tmp_path / "linked", copy=False)
    still = tracklog.init(mode="offline")
    still.log_file(b"1" * MIB, "1")
    _, out = sync("--url", lane.url)
    assert content_of(lane, run) == {"a": b"small", "b": b"L" * MIB, "linked": b"l" * MIB}, out
    assert "4 files" in out
    still.log_file(b"2" * MIB, "2")
    still.finish()
    assert sync("--url", lane.url)[0] == 0
    assert content_of(lane, still) == {"1": b"1" * MIB, "2": b"2" * MIB}
    assert data_files(spool) == []


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_logs_files_too(lane: FakeLane):
    run = tracklog.init(lane.url)
    run.log_file(b"0", "before")
    pid = os.fork()
    run.log_file(b"1" * 300_000, "child" if not pid else "parent")
    if not pid:
        run.flush(TIMEOUT_S)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    run.finish()
    assert run.flush(TIMEOUT_S)
    assert sorted(content_of(lane, run)) == ["before", "child", "parent"]


@pytest.mark.parametrize(
    "log",
    [
        lambda run: run.log_file(b"", "d/a#b"),
        lambda run: run.log_file(b"", "d/file:x"),
        lambda run: run.log_artifact("/nowhere/at all"),
        lambda run: run.log_artifact("/dev/null"),
        lambda run: run.log_artifacts("/dev/null"),
        lambda run: run.log_file("text", "a"),
        lambda run: run.log_file(io.StringIO("text"), "a"),
        *(
            lambda run, path=path: run.log_file(b"", path)
            for path in ("", "/", "/a", "a//b", "../a", "a/..", ". .", "a\0b", "a\\b", "\ud800", "n" * 256, 5)
        ),
    ],
)
def test_what_can_be_no_file_raises_at_once(log: Callable[[tracklog.Run], None], spool: Path):
    with tracklog.init(mode="offline") as run, pytest.raises(tracklog.BadInput):
        log(run)
    assert not list(spool.glob("*-files/*.data"))


def test_a_terminal_shows_how_far_large_files_are(parts: FakeLane, tmp_path: Path):
    """And nothing else is ever written there."""
    code = """
        import sys, tracklog
        from tracklog import progress
        progress.SHOWN_FROM_BYTES = 1000
        run = tracklog.init(sys.argv[1])
        run.log_file(bytes(5 << 20), "large")
        run.finish(timeout_s=20)
        run.download("large", to=sys.argv[2])
    """
    parts.artifacts.bytes_per_s = 8 * MIB
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        program = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), parts.url, str(tmp_path)], stderr=theirs
        )
        os.close(theirs)
        shown = b""
        # A terminal that nobody has open any more is an error to read from.
        with contextlib.suppress(OSError):
            while piece := terminal.read(4096):
                shown += piece
    assert program.wait(20) == 0, shown
    lines = [line for line in shown.decode().replace("\r", "\n").splitlines() if line.strip()]
    assert {line.partition(":")[0] for line in lines} == {"uploading", "downloading"}
    assert run_program(code, parts.url, str(tmp_path)) == ("", "")


def test_memory_does_not_grow_with_files(lane: FakeLane, spool: Path, tmp_path: Path):
    """Neither the program's nor the sender's, with large files and small ones."""
    code = """
        import resource, sys, tracklog
        run = tracklog.init(sys.argv[1])
        run.log_file(b"", "warm")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        run.log_artifacts(sys.argv[2])
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
        print(run.id)
    """
    for name, size in [("large", 100 * MIB), *((f"middle{number}", MIB) for number in range(20))]:
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    out, _ = run_program(code, lane.url, str(tmp_path))
    grown, run_id = out.split()
    assert int(grown) < 16
    wait_until(lambda: len(lane.artifacts.content(run_id)) == 22)
    assert len(lane.artifacts.content(run_id)["large"]) == 100 * MIB
    for sender in senders(spool):
        (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{sender.pid}/status").read_text())
        assert int(peak) < 80 * 1024
