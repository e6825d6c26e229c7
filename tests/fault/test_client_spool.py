"""The client's spool when programs are killed, disks are full and files are damaged."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

import tracklog
from tests.support.fake_lane import fake_lane
from tests.support.spools import run_program, segments, wait_until
from tracklog import records, rejections, stream
from tracklog.journal import Journal, Range, State
from tracklog.records import DATA_START, HEADER, POINTS, scan
from tracklog.source import Source
from tracklog.spool import Outbox, outbox_for, write_whole

pytestmark = pytest.mark.usefixtures("spool")


def values_in(path: Path) -> list[float]:
    """The values of key "a" in a segment, which must be whole."""
    data = path.read_bytes()[DATA_START:]
    found = scan(data, 0)
    assert (found.end, found.rest) == (len(data), "")
    return [record.fields[2]["a"] for record in found.records if record.kind == POINTS]


def offline_run(values: range) -> tracklog.Run:
    run = tracklog.init(mode="offline")
    for value in values:
        run.log({"a": value})
    return run


def read_all(source: Source) -> list[records.Record]:
    found = []
    while more := source.read(1 << 20):
        found += more
        source.acknowledge(more[-1].end)
    return found


def test_what_was_logged_survives_sigkill(spool: Path):
    code = """
        import os, signal, tracklog
        run = tracklog.init(mode="offline")
        for value in range(1000):
            run.log({"a": value})
        os.kill(os.getpid(), signal.SIGKILL)
    """
    run_program(code, exit_code=-signal.SIGKILL)
    (segment,) = segments(spool)
    assert values_in(segment) == list(range(1000))


@pytest.mark.alone
def test_what_no_server_has_is_made_to_outlive_a_power_cut_within_a_second(spool: Path, monkeypatch):
    synced: list[tuple[Path, int]] = []

    def note(fd: int) -> None:
        synced.append((Path(os.readlink(f"/proc/self/fd/{fd}")), os.fstat(fd).st_size))

    monkeypatch.setattr(stream, "sync_file", note)
    run = offline_run(range(10))
    (segment,) = segments(spool)
    size, logged_at = segment.stat().st_size, time.monotonic()
    wait_until(lambda: (segment, size) in synced)
    assert time.monotonic() - logged_at < 2  # one second, and the patience that a busy machine needs
    # Nothing new is nothing to sync.
    count = len(synced)
    time.sleep(1.1)
    assert len(synced) == count
    run.log({"a": 10})
    run._end(failed=False)
    run._stream.sync()
    assert synced[-1] == (segment, segment.stat().st_size)


def test_a_segment_cut_at_any_byte_gives_its_whole_records_and_goes_away(spool: Path, tmp_path: Path):
    run = offline_run(range(3))
    run._end(failed=False)
    (segment,) = segments(spool)
    data = segment.read_bytes()
    stream_name = segment.name.partition(".")[0]
    ends = [record.end for record in scan(data[DATA_START:], DATA_START).records]
    outbox = Outbox(tmp_path, None)
    path = outbox.segment_path(stream_name, 0)
    for size in range(ends[0], len(data) + 1):
        path.write_bytes(data[:size])
        source = Source(outbox, stream_name, [0], 0, 0)
        found = read_all(source)
        source.close()
        assert [record.end for record in found] == [end for end in ends if end <= size]
        assert source.finished
        assert list(tmp_path.iterdir()) == []


def test_a_cut_record_of_a_program_that_lives_is_waited_for(spool: Path, tmp_path: Path):
    run = offline_run(range(3))
    (segment,) = segments(spool)
    stream_name = segment.name.partition(".")[0]
    whole = records.frame(run._stream._pack([POINTS, 3, 1, {"a": 3.0}]))
    source = Source(Outbox(segment.parent, None), stream_name, [0], 0, 0)
    read_all(source)
    os.write(run._stream._fd, whole[:5])
    assert source.read(1 << 20) == []
    os.write(run._stream._fd, whole[5:])
    (found,) = source.read(1 << 20)
    assert found.fields[2] == {"a": 3.0}
    source.close()


def test_damage_in_the_middle_is_kept_and_told_not_read(spool: Path):
    run = offline_run(range(50))
    run._end(failed=False)
    (segment,) = segments(spool)
    data = bytearray(segment.read_bytes())
    ends = [record.end for record in scan(bytes(data[DATA_START:]), DATA_START).records]
    data[ends[20] + 12] ^= 0xFF
    segment.write_bytes(data)
    outbox = Outbox(segment.parent, None)
    stream_name = segment.name.partition(".")[0]
    source = Source(outbox, stream_name, [0], 0, 0)
    assert len(read_all(source)) == 21
    source.close()
    (told,) = rejections.untold(outbox, stream_name)
    assert "damaged" in told.message
    (kept,) = segment.parent.glob("*.damaged")
    assert kept.read_bytes() == data[ends[20] :]


def test_segments_follow_one_another_and_each_names_its_run(spool: Path, monkeypatch):
    monkeypatch.setattr(stream, "SEGMENT_BYTES", 2000)
    run = offline_run(range(200))
    run._end(failed=False)
    paths = segments(spool)
    assert len(paths) > 3
    assert [value for path in paths for value in values_in(path)] == list(range(200))
    headers = [scan(path.read_bytes()[DATA_START:], 0).records[0] for path in paths]
    assert {(header.kind, header.fields[0]["run_id"]) for header in headers} == {(HEADER, run.id)}
    with fake_lane() as lane:
        outbox = outbox_for(spool, lane.url)
        source = Source(Outbox(paths[0].parent, None), paths[0].name[:24], list(range(len(paths))), 0, 0)
        found = [record for record in read_all(source) if record.kind == POINTS]
        assert [record.fields[2]["a"] for record in found] == list(range(200))
        assert segments(spool) == []
        assert not outbox.path.exists()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_segments_of_its_own(spool: Path, monkeypatch):
    monkeypatch.setattr(stream, "SEGMENT_BYTES", 2000)
    run = offline_run(range(10))
    pid = os.fork()
    for value in range(10, 210):
        run.log({"a": -value if not pid else value})
    if not pid:
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    run._end(failed=False)
    by_stream: dict[str, list[float]] = {}
    for path in segments(spool):
        by_stream.setdefault(path.name[:24], []).extend(values_in(path))
    assert sorted(by_stream.values()) == [[-value for value in range(10, 210)], list(range(210))]


def test_a_full_disk_is_told_once_and_logging_goes_on_when_there_is_room(spool: Path, monkeypatch, caplog):
    """The disk takes a part of a record, then nothing, then everything again."""
    monkeypatch.setattr(stream, "RETRY_AFTER_S", 0.05)
    run = offline_run(range(10))
    real_write = os.write

    def first_half(fd: int, data: Any) -> int:
        return real_write(fd, data[: len(data) // 2])

    def full(fd: int, data: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    for write in (first_half, full):
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", write)
            for _ in range(5):
                run.log({"a": -1.0})
            time.sleep(0.1)
            run.log({"a": -1.0})
    time.sleep(0.1)
    for value in range(10, 20):
        run.log({"a": value})
    run._end(failed=False)
    assert [value for path in segments(spool) for value in values_in(path)] == list(range(20))
    told = [record for record in caplog.records if "nothing can be logged for now" in record.getMessage()]
    assert len(told) == 1
    assert "12 calls before were lost" in caplog.text


def test_a_limit_of_the_system_leaves_only_whole_records(spool: Path):
    """The kernel itself cuts a write short: RLIMIT_FSIZE does what a full disk does."""
    code = """
        import resource, tracklog
        run = tracklog.init(mode="offline")
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
        for value in range(1000):
            run.log({"a": value})
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        import time
        time.sleep(1.1)
        run.log({"a": 1000})
    """
    _, err = run_program(code)
    (segment,) = segments(spool)
    values = values_in(segment)
    assert values[-1] == 1000
    assert values[:-1] == list(range(len(values) - 1))
    assert 50 < len(values) < 500
    assert err.count("nothing can be logged for now") == 1


def test_the_spool_s_limit_holds_and_frees(spool: Path, monkeypatch, caplog):
    monkeypatch.setattr(stream, "RETRY_AFTER_S", 0.05)
    monkeypatch.setenv("TRACKLOG_SPOOL_BYTES_MAX", "20000")
    run = offline_run(range(2000))
    (segment,) = segments(spool)
    assert 15_000 < segment.stat().st_size <= 20_000
    kept = len(values_in(segment))
    assert 100 < kept < 2000
    assert caplog.text.count("the spool is full (20000 bytes; TRACKLOG_SPOOL_BYTES_MAX)") == 1
    monkeypatch.setattr(stream, "spool_bytes", lambda path: 0)
    time.sleep(0.1)
    run.log({"a": 1.0})
    assert len(values_in(segment)) == kept + 1
    run._end(failed=False)


def test_a_spool_that_cannot_be_made_stops_nothing(tmp_path: Path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRACKLOG_SPOOL_DIR", str(tmp_path / "file" / "spool"))
    with tracklog.init(mode="offline") as run:
        run.log({"a": 1})
        assert not run.flush(1)
    assert caplog.text.count("nothing can be logged for now") == 1


def test_memory_does_not_grow_with_what_is_logged():
    run = offline_run(range(1000))
    process = psutil.Process()
    before = process.memory_info().rss
    for value in range(100_000):
        run.log({"a": value, "b": 1.5})
    assert process.memory_info().rss - before < 2 * 2**20
    run._end(failed=False)


def test_the_journal_remembers_the_last_state_that_was_written_whole(tmp_path: Path):
    path = tmp_path / "journal"
    states = [State(b"p" * 16, n, (Range("s", 0, 16, 16 + n),), {"s": (0, 16)}) for n in range(1, 6)]
    with Journal(path) as journal:
        assert journal.state is None
        for state in states:
            journal.write(state, durably=True)
    whole = path.read_bytes()
    slot = len(whole) // 2
    start = slot * (len(states) % 2)
    for cut in range(0, 36, 7):
        torn = bytearray(whole)
        torn[start + cut : start + slot] = bytes(slot - cut)
        path.write_bytes(torn)
        with Journal(path) as journal:
            assert journal.state == states[-2]
    path.write_bytes(whole)
    with Journal(path) as journal:
        assert journal.state == states[-1]
        many = State(b"q" * 16, 9, (), {f"{n:024x}": (n, 99) for n in range(5000)})
        journal.write(many, durably=False)
    with Journal(path) as journal:
        assert journal.state == many


ONLY_THE_BASE = """
    import sys

    class Blocked:
        # Whatever is no part of Python, of the base dependencies or of these packages.
        ours = {"tracklog", "tracklog_artifacts", "tracklog_contract", "tracklog_server"}
        allowed = {"msgpack", "tqdm", *ours, *sys.stdlib_module_names}

        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] not in self.allowed:
                raise ModuleNotFoundError(f"{name} is not in the base installation")

    sys.meta_path.insert(0, Blocked())
"""


def test_the_base_dependencies_are_enough(spool: Path):
    log = (
        ONLY_THE_BASE
        + """
    import tracklog
    with tracklog.init(mode="offline", experiment="base", params={"p": 1}) as run:
        run.log({"a": 1})
        run.log_series("s", [1, 2], [3.0, 4.0])
    print(run.id)
    """
    )
    out, err = run_program(log)
    assert err == ""
    sync = (
        ONLY_THE_BASE
        + """
    from tracklog_server.cli import main
    sys.exit(main(["sync", "--url", sys.argv[1]]))
    """
    )
    with fake_lane() as lane:
        said, _ = run_program(sync, lane.url)
        assert "has everything: 3 points" in said
        assert lane.runs[out.strip()].points.total() == 3
    assert all("Content-Encoding" not in headers for headers in lane.headers)
    server = """
    import importlib.util, sys
    from tracklog_server.cli import main
    importlib.util.find_spec = lambda name: None
    sys.exit(main(["server"]))
    """
    _, err = run_program(server, exit_code=1)
    assert "pip install 'tracklog[server]'" in err


def test_threads_may_write_the_same_file_at_the_same_time(tmp_path: Path):
    with ThreadPoolExecutor(8) as threads:
        for written in [threads.submit(write_whole, tmp_path / "url", b"x" * 1000) for _ in range(2000)]:
            written.result()
    assert (tmp_path / "url").read_bytes() == b"x" * 1000
    assert list(tmp_path.iterdir()) == [tmp_path / "url"]


def test_importing_is_light(tmp_path: Path):
    """Measured with compiled modules, as an installed package has them."""
    code = """
import time
began = time.process_time()
import tracklog
took_ms = 1000 * (time.process_time() - began)
import json, sys
heavy = {"numpy", "mlflow", "asyncio", "ssl", "http.client", "urllib.request", "tqdm", "importlib.metadata"}
print(json.dumps([took_ms, sorted(heavy & set(sys.modules))]))
"""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    took_ms = []
    for _ in range(6):
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
        took, heavy = json.loads(done.stdout)
        assert heavy == []
        took_ms.append(took)
    assert min(took_ms) < 50, took_ms
