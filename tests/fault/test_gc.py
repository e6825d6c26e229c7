"""Garbage collection: what was deleted is gone for good, whenever it is stopped; all else stays as it was."""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest

from tests.fault.test_replay import all_answers, differences, fetch, usage
from tests.support.api import Api
from tests.support.gc import gc, gc_command
from tests.support.ledger import Rooms, serving
from tests.support.mixed_load import MixedLoad
from tests.support.native import Producer, ints, series
from tests.support.rebuild import rebuild
from tests.support.rooms import appending, fold_all, new_run, prepare
from tests.support.seed import seed
from tests.support.server import Server, clean_environment, running_server
from tests.support.trace_load import TraceLoad
from tracklog_artifacts.config import ArtifactConfig
from tracklog_artifacts.ledger import Intent, StoredFile
from tracklog_artifacts.local import LocalStore
from tracklog_contract.errors import Rejected
from tracklog_contract.points import block_of
from tracklog_ingest.purge import PurgeRuns
from tracklog_ingest.runs import LogToRun, SetRunDeleted
from tracklog_projector.fresh import ROWS_MAX
from tracklog_server.embedded import socket_dsn

OPERATIONS = 250
KILLS = 5
POINTS = 1_000_000
BIG_REQUESTS = 4
# numpy, asyncpg and the rest take about 110 MiB before anything is done.
MEMORY_MAX = 320 * 2**20

# Runs a command, and says last on stderr how many KiB of memory it took.
MEASURE = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
    " print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)"
)

T = TypeVar("T")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server for all tests of the module."""
    with running_server() as running:
        yield running


@pytest.fixture
def api(server: Server) -> Iterator[Api]:
    with Api(server.url) as api:
        yield api


def with_rooms(server: Server, work: Callable[[Rooms], Awaitable[T]]) -> T:
    """What `work` gives, with rooms of this process on the server's database."""

    async def run() -> T:
        async with serving(socket_dsn(server.data_dir.resolve() / "postgres-socket")) as rooms:
            return await work(rooms)

    return asyncio.run(run())


def store(server: Server, files: dict[str, bytes]) -> None:
    """Put files into the store and record them."""
    for path, data in files.items():
        target = server.data_dir / "artifacts" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    recorded = [StoredFile(tuple(path.split("/")), len(data)) for path, data in files.items()]
    with_rooms(server, lambda rooms: rooms.ledger.stored(recorded))


def files_on_disk(server: Server, *, below: str = "") -> set[str]:
    root = server.data_dir / "artifacts"
    found = {str(path.relative_to(root)) for path in (root / below).rglob("*") if path.is_file()}
    return {path for path in found if not path.startswith(".")}


def recorded(server: Server) -> set[str]:
    views = {row[0] for row in fetch(server, "select path from tracklog_view.artifact")}
    admission = {row[0] for row in fetch(server, "select path from tracklog_admission.artifact")}
    assert views == admission
    return views


def create_run(api: Api, experiment_id: str) -> str:
    run = api.post("runs/create", {"experiment_id": experiment_id, "tags": [{"key": "t", "value": "v"}]})
    run_id: str = run["run"]["info"]["run_id"]
    metrics = [{"key": "loss", "value": step, "timestamp": step, "step": step} for step in range(50)]
    params = [{"key": "p", "value": run_id}]
    api.post("runs/log-batch", {"run_id": run_id, "metrics": metrics, "params": params})
    dataset = {"name": "d", "digest": run_id[:8], "source_type": "s", "source": "s"}
    api.post("runs/log-inputs", {"run_id": run_id, "datasets": [{"dataset": dataset}]})
    return run_id


def left_to_do(server: Server) -> tuple[Any, ...]:
    """Purges that are not complete, and points of purged runs that are in the log all the same."""
    points = """
    select count(*) from tracklog_log.entry join tracklog_admission.run using (partition, run_id)
    where purged and kind = 14
    """
    return (
        fetch(server, "select * from tracklog_admission.purge"),
        fetch(server, "select * from tracklog_admission.log_sweep"),
        fetch(server, points),
    )


DONE = ([], [], [(0,)])


def test_what_was_deleted_is_gone_and_a_rebuild_gives_the_same_answers(server: Server, api: Api) -> None:
    load = MixedLoad(api, random.Random(seed("gc")))
    load.run(OPERATIONS)
    traces = TraceLoad(server.url, api, random.Random(seed("gc of traces")), list(load.keys)[:3])
    traces.run(150)
    # Ids that are told apart by what happened to them.
    doomed_experiment, kept_experiment = traces.experiments
    dead, restored, kept = [create_run(api, kept_experiment) for _ in range(3)]
    inside = create_run(api, doomed_experiment)
    models = []
    for number in (doomed_experiment, kept_experiment):
        model = {"experiment_id": number, "name": "m", "params": [{"key": "a", "value": "b"}]}
        models.append(api.post("logged-models", model)["model"]["info"]["model_id"])
        point = {"run_id": dead, "key": "k", "value": 1, "timestamp": 1, "model_id": models[-1]}
        api.post("runs/log-metric", point)
    model_id, kept_model = models
    load.models.append(kept_model)
    for run_id in (dead, restored):
        api.post("runs/delete", {"run_id": run_id})
    api.post("runs/restore", {"run_id": restored})
    api.post("experiments/delete", {"experiment_id": doomed_experiment})
    gone_files = {
        f"{kept_experiment}/{dead}/artifacts/d/a": b"dead",
        f"{doomed_experiment}/{inside}/artifacts/b": b"inside",
    }
    kept_files = {f"{kept_experiment}/{kept}/artifacts/c": b"kept"}
    api.post("runs/restore", {"run_id": dead})
    api.post("experiments/restore", {"experiment_id": doomed_experiment})
    store(
        server, {**gone_files, **kept_files, f"{doomed_experiment}/models/{model_id}/artifacts/m": b"model"}
    )
    api.post("runs/delete", {"run_id": dead})
    api.post("experiments/delete", {"experiment_id": doomed_experiment})

    before = all_answers(api, load, traces)
    head = fetch(server, "select * from tracklog_log.head")
    told = gc(server.data_dir)
    assert "would purge" in told
    assert gc(server.data_dir, "--dry-run") == told
    assert differences(before, all_answers(api, load, traces)) == []
    assert fetch(server, "select * from tracklog_log.head") == head
    assert recorded(server) == files_on_disk(server)
    # Too young.
    assert "would purge 0 runs" in gc(server.data_dir, "--older-than", "1h")

    positions = fetch(server, "select position, recorded_at, principal from tracklog_log.entry order by 1")
    done = gc(server.data_dir, "--delete")
    assert done.splitlines()[0] == told.splitlines()[0].replace("would purge", "purging")
    assert left_to_do(server) == DONE
    assert recorded(server) == files_on_disk(server) == set(kept_files)
    for run_id in (dead, inside):
        assert gone(api, "runs/get", {"run_id": run_id})
        assert gone(api, "artifacts/list", {"run_id": run_id})
        assert gone(api, "runs/restore", {"run_id": run_id}, "POST")
        assert gone(api, "runs/set-tag", {"run_id": run_id, "key": "k", "value": "v"}, "POST")
        assert api.get("metrics/get-history", {"run_id": run_id, "metric_key": "loss"}) == {}
    assert gone(api, f"logged-models/{model_id}", {"allow_deleted": "true"})
    assert "metrics" not in api.get(f"logged-models/{kept_model}")["model"].get("data", {})
    assert gone(api, "experiments/get", {"experiment_id": doomed_experiment})
    assert gone(api, "experiments/restore", {"experiment_id": doomed_experiment}, "POST")
    # A purged run stays so when its experiment comes back, also for points alone, which go their own way.
    for change in ("delete", "restore"):
        api.post(f"experiments/{change}", {"experiment_id": kept_experiment})
    assert gone(api, "runs/log-metric", {"run_id": dead, "key": "k", "value": 1, "timestamp": 1}, "POST")
    assert api.get("runs/get", {"run_id": kept})["run"]["info"]["lifecycle_stage"] == "active"
    # Its name is free again, and its id is not given again.
    named = api.post("experiments/create", {"name": "traces 0"})["experiment_id"]
    assert int(named) > int(doomed_experiment)
    # A run's id is never free again, not even for the client that chose it.
    with Producer(server.url) as producer:
        begin = {"experiment_id": kept_experiment}
        answer = producer.log({"run_id": dead, "begin": begin, "points": series(a=[1.0])})
        assert [item["error_code"] for item in answer["rejected"]] == ["RESOURCE_DOES_NOT_EXIST"]
    for run_id in (restored, kept):
        assert len(api.get("metrics/get-history", {"run_id": run_id, "metric_key": "loss"})["metrics"]) == 50
    assert orphan_rows(server) == []
    # Entries stay, in their order, with who wrote them and when.
    after = fetch(server, "select position, recorded_at, principal from tracklog_log.entry order by 1")
    assert after[: len(positions)] == positions
    purged_by = {row[2].partition(" (")[0] for row in after[len(positions) : -2]}
    assert "tracklog gc" in purged_by

    answers = all_answers(api, load, traces)
    counted = usage(server)
    rebuild(server)
    assert differences(answers, all_answers(api, load, traces)) == []
    assert usage(server) == counted
    assert "would purge 0 runs with 0 points and 0 files of 0 bytes, 0 logged models, 0 traces" in gc(
        server.data_dir
    )


def gone(api: Api, path: str, fields: Any, method: str = "GET") -> bool:
    """Is what a request is about not there."""
    answer = api.call(method, path, fields)
    return answer.status == 404 and answer.error_code == "RESOURCE_DOES_NOT_EXIST"


def orphan_rows(server: Server) -> list[Any]:
    """Rows of the views and of admission that belong to runs that are not there."""
    of_views = ("param", "tag", "metric", "metric_fresh", "run_document", "run_dataset", "run_model", "chunk")
    found = []
    for table in (*(f"tracklog_view.{name}" for name in of_views), "tracklog_view.model_metric"):
        rows = fetch(server, f"select run_id from {table} except select run_id from tracklog_view.run")
        found += [(table, row) for row in rows]
    for table in ("param", "tag"):
        rows = fetch(
            server,
            f"select run_id from tracklog_admission.{table} except"
            " select run_id from tracklog_admission.run where not purged",
        )
        found += [(table, row) for row in rows]
    return found


def test_what_was_touched_since_it_was_found_stays(server: Server, api: Api) -> None:
    experiment_id = api.post("experiments/create", {"name": "touched"})["experiment_id"]
    run_id = create_run(api, experiment_id)
    api.post("runs/delete", {"run_id": run_id})
    where = f"select last_position from tracklog_admission.run where run_id = '{run_id}'"
    found = fetch(server, where)[0][0]
    # It is deleted again, but not for long.
    api.post("runs/restore", {"run_id": run_id})
    api.post("runs/delete", {"run_id": run_id})

    def purge(position: int) -> int:
        runs = [(uuid.UUID(run_id), position)]
        purged: int = with_rooms(server, lambda rooms: rooms.ingest.submit(PurgeRuns("me", runs)))
        return purged

    assert purge(found) == 0
    api.post("runs/restore", {"run_id": run_id})
    assert purge(fetch(server, where)[0][0]) == 0
    api.post("runs/delete", {"run_id": run_id})
    assert [purge(fetch(server, where)[0][0]) for _ in range(2)] == [1, 0]
    assert gone(api, "runs/get", {"run_id": run_id})


async def test_a_purge_may_stand_between_points_that_are_folded_together(database: str) -> None:
    # So many keys that their latest points are packed, under the run and a position.
    points = block_of((f"k{number}", ([0], [0], [1.0])) for number in range(ROWS_MAX + 1))
    await prepare(database)
    async with appending(database) as appender:
        kept, dead = [(await new_run(appender, name)).hex for name in ("kept", "dead")]
        await appender.submit(LogToRun(kept, points))
        await appender.submit(LogToRun(dead, points))
        await appender.submit(SetRunDeleted(dead, deleted=True, now_ms=0))
        async with asyncpg.create_pool(database, min_size=1, max_size=1) as pool:
            position = await pool.fetchval("select position from tracklog_log.head")
            assert await appender.submit(PurgeRuns("me", [(uuid.UUID(dead), position)])) == 1
            await appender.submit(LogToRun(kept, points))
            assert await fold_all(database) == position + 2
            rows = await pool.fetch("select run_id, sum(points) from tracklog_view.chunk group by run_id")
            assert [(row[0].hex, row[1]) for row in rows] == [(kept, 2 * (ROWS_MAX + 1))]
            assert await pool.fetchval("select count(*) from tracklog_view.run") == 1


def test_quotas_are_given_back(server: Server, api: Api) -> None:
    experiment_id = api.post("experiments/create", {"name": "quotas"})["experiment_id"]
    runs = [create_run(api, experiment_id) for _ in range(3)]
    store(server, {f"{experiment_id}/{run_id}/artifacts/f": b"12345" for run_id in runs})
    upload = Intent((experiment_id, runs[0], "artifacts", "u"), 7, time.time() + 3600)
    with_rooms(server, lambda rooms: rooms.ledger.intended([upload]))
    counts = f"""
    select experiment.runs, files, bytes, reserved
    from tracklog_admission.experiment as experiment
    join tracklog_admission.artifact_total as total using (partition, experiment_id)
    where experiment_id = {experiment_id} and run_id = '00000000-0000-0000-0000-000000000000'
    """
    assert fetch(server, counts) == [(3, 3, 15, 7)]
    for run_id in runs[:2]:
        api.post("runs/delete", {"run_id": run_id})
    # An earlier one was stopped on its way through the log, and knew nothing of these.
    fetch(server, "insert into tracklog_admission.log_sweep values (0, 2, 1) returning until")
    gc(server.data_dir, "--delete")
    assert left_to_do(server) == DONE
    assert fetch(server, counts) == [(1, 1, 5, 0)]
    assert recorded(server) & files_on_disk(server, below=experiment_id) == {
        f"{experiment_id}/{runs[2]}/artifacts/f"
    }


def test_it_may_be_killed_at_any_moment_and_ends_the_same(server: Server, api: Api) -> None:
    chance = random.Random(seed("killed gc"))
    experiment_id = api.post("experiments/create", {"name": "killed"})["experiment_id"]
    runs = [create_run(api, experiment_id) for _ in range(60)]
    files = {
        f"{experiment_id}/{run_id}/artifacts/{n}/f": run_id.encode() for run_id in runs for n in range(4)
    }
    store(server, files)
    dead = runs[:50]
    started = time.monotonic()
    gc(server.data_dir)
    dry_s = time.monotonic() - started
    for number in range(KILLS):
        # Something is to be done by each of them.
        for run_id in dead[number::KILLS]:
            api.post("runs/delete", {"run_id": run_id})
        command = gc_command(server.data_dir, "--delete")
        process = subprocess.Popen(command, env=clean_environment(), stdout=subprocess.DEVNULL)
        try:
            process.wait(chance.uniform(0.6, 1.6) * dry_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    gc(server.data_dir, "--delete")
    assert left_to_do(server) == DONE
    kept_files = {path for path in files if path.split("/")[1] in runs[50:]}
    assert files_on_disk(server, below=experiment_id) == kept_files
    assert {path for path in recorded(server) if path.startswith(f"{experiment_id}/")} == kept_files
    purges = fetch(server, "select run_id from tracklog_log.entry where kind = 42")
    assert sorted(row[0].hex for row in purges if row[0].hex in dead) == sorted(dead)
    assert all(gone(api, "runs/get", {"run_id": run_id}) for run_id in dead)
    found = api.post("runs/search", {"experiment_ids": [experiment_id], "run_view_type": "ALL"})
    assert {run["info"]["run_id"] for run in found["runs"]} == set(runs[50:])


def test_orphans_are_told_either_way_and_removed_when_asked(server: Server, api: Api) -> None:
    experiment_id = api.post("experiments/create", {"name": "orphans"})["experiment_id"]
    run_id = create_run(api, experiment_id)
    root = f"{experiment_id}/{run_id}/artifacts"
    store(server, {f"{root}/{name}": b"1" for name in ("a", "a-b", "a!/x", "lost", "z")})
    artifacts = server.data_dir / "artifacts"
    (artifacts / root / "lost").unlink()
    for name in ("a.b", "stray/x"):
        (artifacts / root / name).parent.mkdir(exist_ok=True)
        (artifacts / root / name).write_bytes(b"123")
        os.utime(artifacts / root / name, (0, 0))
    (artifacts / root / "young").write_bytes(b"1")
    for told in (gc(server.data_dir), gc(server.data_dir, "--delete")):
        assert "2 files in the store that the log does not know, 6 bytes" in told
        assert f"    {root}/a.b\n    {root}/stray/x\n" in told
        assert f"1 files in the log that the store lacks, 1 bytes\n    {root}/lost" in told
    told = gc(server.data_dir, "--delete", "--delete-orphans", "1h")
    assert "2 deleted files in the store that the log does not know" in told
    left = files_on_disk(server, below=experiment_id)
    assert left == {f"{root}/{name}" for name in ("a", "a-b", "a!/x", "young", "z")}

    listed = {"run_id": run_id}
    adopt = ("--adopt-orphans", "0s")
    assert f"would record 1 files that only the store had, 1 bytes\n    {root}/young\n" in gc(
        server.data_dir, *adopt
    )
    assert "young" not in str(api.get("artifacts/list", listed))
    told = gc(server.data_dir, *adopt, "--record")
    assert f"recorded 1 files that only the store had, 1 bytes\n    {root}/young\n" in told
    assert "unfinished" not in told
    assert {"path": "young", "is_dir": False, "file_size": 1} in api.get("artifacts/list", listed)["files"]
    assert "would record 0 files" in gc(server.data_dir, *adopt)
    last = "select principal from tracklog_log.entry order by position desc limit 1"
    assert fetch(server, last)[0][0].startswith("tracklog gc (")


def test_stale_uploads_and_intents_are_given_up(server: Server, api: Api) -> None:
    experiment_id = api.post("experiments/create", {"name": "uploads"})["experiment_id"]
    root = (experiment_id, create_run(api, experiment_id), "artifacts")
    long_ago = time.time() - 100_000
    came, never = Intent((*root, "came"), 3, long_ago), Intent((*root, "never"), 3, long_ago, "u")
    with_rooms(server, lambda rooms: rooms.ledger.intended([came, never]))
    target = server.data_dir / "artifacts" / Path(*came.path)
    target.parent.mkdir(parents=True)
    target.write_bytes(b"123")
    upload_id = asyncio.run(LocalStore(server.data_dir / "artifacts").create_multipart((*root, "parts")))
    told = gc(server.data_dir, "--uploads-older-than", "0s")
    assert "would give up 1 unfinished multipart uploads\nwould settle 2 expired uploads" in told
    told = gc(server.data_dir, "--delete", "--uploads-older-than", "0s")
    assert "gave up 1 unfinished multipart uploads\nsettled 2 expired uploads" in told
    with pytest.raises(Rejected):
        asyncio.run(LocalStore(server.data_dir / "artifacts").parts((*root, "parts"), upload_id))
    assert "/".join(came.path) in recorded(server)
    left = "select path, upload_id from tracklog_admission.upload_intent"
    assert fetch(server, f"{left} where experiment_id = {experiment_id}") == []


def test_uploads_that_may_be_gone_on_with_are_kept(server: Server, api: Api) -> None:
    experiment_id = api.post("experiments/create", {"name": "goes on"})["experiment_id"]
    root = (experiment_id, create_run(api, experiment_id), "artifacts")
    lasts_s = ArtifactConfig().multipart_expires_s
    resumed = begun(server, (*root, "resumed"), age_s=3 * lasts_s)
    young = begun(server, (*root, "young"), age_s=lasts_s - 3600)
    begun(server, (*root, "old"), age_s=lasts_s + 3600)
    # Of both the log knows a file of theirs, but of the old one another upload.
    intents = [
        Intent((*root, "resumed"), 3, time.time() + lasts_s - 3600, resumed),
        Intent((*root, "old"), 3, time.time() + lasts_s, "another"),
    ]
    with_rooms(server, lambda rooms: rooms.ledger.intended(intents))
    assert "would give up 1 unfinished multipart uploads" in gc(server.data_dir)
    assert "gave up 1 unfinished multipart uploads" in gc(server.data_dir, "--delete")
    assert unfinished(server) == {resumed, young}
    remembered = with_rooms(server, lambda rooms: rooms.ledger.intents((*root, "resumed")))
    assert [intent.upload_id for intent in remembered] == [resumed]
    assert "gave up 1 un" in gc(server.data_dir, "--delete", "--uploads-older-than", f"{lasts_s - 7200}s")
    assert unfinished(server) == {resumed}
    assert "gave up 1 un" in gc(server.data_dir, "--delete", "--uploads-older-than", "30m")
    assert unfinished(server) == set()


def begun(server: Server, path: tuple[str, ...], *, age_s: float) -> str:
    """Begin an upload in parts, so long ago; its id."""
    root = server.data_dir / "artifacts"
    upload_id = asyncio.run(LocalStore(root).create_multipart(path))
    about = root / ".incoming" / "multipart" / upload_id / "about"
    about.write_text(json.dumps({"path": path, "began_s": time.time() - age_s}))
    return upload_id


def unfinished(server: Server) -> set[str]:
    """The uploads in parts that are in the store."""
    return {path.name for path in (server.data_dir / "artifacts" / ".incoming" / "multipart").iterdir()}


def test_a_run_of_millions_of_points_takes_little_memory(server: Server, api: Api) -> None:
    experiment_id = api.post("experiments/create", {"name": "big"})["experiment_id"]
    run_id = create_run(api, experiment_id)
    values = random.Random(1).randbytes(8 * POINTS)
    with Producer(server.url) as producer:
        for number in range(BIG_REQUESTS):
            points = {
                "keys": ["k"],
                "counts": [POINTS],
                "first_steps": [number * POINTS],
                "timestamps": ints(*range(POINTS)),
                "values": values,
            }
            producer.log({"run_id": run_id, "points": points})
    api.post("runs/delete", {"run_id": run_id})
    log_bytes = f"select sum(octet_length(payload)) from tracklog_log.entry where run_id = '{run_id}'"
    assert fetch(server, log_bytes)[0][0] > 6 * POINTS * BIG_REQUESTS
    # By way of a small process: what a large one starts counts as that large itself at first.
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, *gc_command(server.data_dir, "--delete")],
        env=clean_environment(), capture_output=True, check=True, text=True,
    )  # fmt: skip
    assert f"with {POINTS * BIG_REQUESTS + 50:,} points" in measured.stdout
    memory_bytes = int(measured.stderr.split()[-1]) * 1024
    print(f"memory: {memory_bytes / 2**20:.0f} MiB")
    assert memory_bytes < MEMORY_MAX
    assert fetch(server, log_bytes)[0][0] < 10_000
    assert left_to_do(server) == DONE
