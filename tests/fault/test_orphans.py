"""Files that only the store has: recorded as those of whom they lie with, where that is allowed."""

import functools
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.ledger import Rooms, projecting, serving
from tracklog_artifacts.ledger import Intent, StoredFile
from tracklog_artifacts.local import LocalStore
from tracklog_contract.ids import new_run_id
from tracklog_contract.limits import Quotas
from tracklog_contract.trace_events import TraceStarted
from tracklog_ingest.experiments import CreateExperiment
from tracklog_ingest.models import CreateModel, DeleteModel
from tracklog_ingest.runs import CreateRun, SetRunDeleted
from tracklog_ingest.traces import StartTrace
from tracklog_projector.artifacts import ArtifactQueries
from tracklog_server.orphans import FILES_AT_ONCE, OrphanPlan, Orphans

SMALL = Quotas(run_artifact_bytes=5_000)
# Far from now: what is younger than that is of no interest.
UNTIL_S = 4e9


@pytest.fixture
async def rooms(database: str) -> AsyncIterator[Rooms]:
    """A server's rooms with a small quota."""
    async with projecting(database), serving(database, SMALL) as rooms:
        yield rooms


async def make_run(rooms: Rooms, experiment_id: int) -> str:
    """A new run's id."""
    run, _ = await rooms.ingest.submit(CreateRun(experiment_id, new_run_id(0, 1), "", "", 0, {}))
    return str(run.run_id.hex)


def write(root: Path, text: str, size: int = 1) -> None:
    target = root / text
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(bytes(size))


async def compared(rooms: Rooms, store: LocalStore, *, adopt: bool, act: bool = False) -> str:
    """What a comparison tells."""
    plan = OrphanPlan(UNTIL_S, adopt=adopt, act=act, principal="me")
    orphans = Orphans(store, rooms.ledger, ArtifactQueries(rooms.queries), plan)
    return "\n".join([line async for line in orphans.compare()])


async def test_orphans_are_recorded_where_they_lie(rooms: Rooms, tmp_path: Path) -> None:
    experiment_id, custom_id = [
        await rooms.ingest.submit(CreateExperiment(uuid.uuid4().hex, location, {}, now_ms=0))
        for location in (None, "mlflow-artifacts:/team/vision")
    ]
    one, dead = [await make_run(rooms, experiment_id) for _ in range(2)]
    full, custom = await make_run(rooms, experiment_id), await make_run(rooms, custom_id)
    for name in ("m-kept", "m-dead"):
        await rooms.ingest.submit(CreateModel(name, experiment_id, "m", "", "", {}, {}, 0))
    await rooms.ingest.submit(StartTrace(experiment_id, TraceStarted("tr-1", 0, "OK")))
    await rooms.ingest.submit(SetRunDeleted(dead, deleted=True, now_ms=0))
    await rooms.ingest.submit(DeleteModel("m-dead", 0))
    store = LocalStore(tmp_path)
    # More than is recorded at once, and one that is more than its run may have, in the midst of them.
    theirs = [f"{experiment_id}/{one}/artifacts/d/{number}" for number in range(FILES_AT_ONCE + 20)]
    theirs += [
        f"{experiment_id}/models/m-kept/artifacts/model.pkl",
        f"{experiment_id}/traces/tr-1/artifacts/traces.json",
        f"team/vision/{custom}/artifacts/weights",
        f"{experiment_id}/{full}/artifacts/fits",
    ]
    too_much = f"{experiment_id}/{full}/artifacts/too-much"
    nobodys = [
        f"{experiment_id}/{dead}/artifacts/f",
        f"{experiment_id}/models/m-dead/artifacts/f",
        f"{experiment_id}/{'f' * 32}/artifacts/f",
        f"{experiment_id}/shared/f",
        "elsewhere/f",
    ]
    known, coming = [f"{experiment_id}/{one}/artifacts/{name}" for name in ("known", "coming")]
    for text in (*theirs, *nobodys, known, coming):
        write(tmp_path, text)
    write(tmp_path, too_much, 5_001)
    await rooms.ledger.stored([StoredFile(tuple(known.split("/")), 1)])
    await rooms.ledger.intended([Intent(tuple(coming.split("/")), 1, UNTIL_S)])
    young = f"{experiment_id}/{one}/artifacts/young"
    write(tmp_path, young)
    os.utime(tmp_path / young, (UNTIL_S + 1,) * 2)

    compare = functools.partial(compared, rooms, store)
    everything = len(theirs) + len(nobodys) + 1
    told = await compare(adopt=False)
    assert f"{everything} files in the store that the log does not know, {everything + 5_000:,} bytes" in told
    assert f"    {len(theirs) + 1} of them, {len(theirs) + 5_001:,} bytes, lie where runs" in told
    told = await compare(adopt=True)
    assert f"would record {len(theirs) + 1} files" in told
    assert f"\n{len(nobodys)} files in the store that the log does not know" in told
    assert (await rooms.ledger.tree((), after=None, limit=10_000))[0].path == tuple(known.split("/"))

    told = await compare(adopt=True, act=True)
    assert f"recorded {len(theirs)} files that only the store had, {len(theirs)} bytes" in told
    assert f"{len(nobodys) + 1} files in the store that the log does not know" in told
    assert f"    {too_much}: " in told
    listed = {"/".join(item.path): item for item in await rooms.ledger.tree((), after=None, limit=10_000)}
    assert set(listed) == {*theirs, known}
    stat = await store.stat(tuple(theirs[0].split("/")))
    assert stat is not None
    assert (listed[theirs[0]].size_bytes, listed[theirs[0]].etag) == (1, stat.etag)
    rows = await rooms.queries._pool.fetch(
        "select distinct principal from tracklog_log.entry where kind = 40 and position > $1",
        await rooms.queries._pool.fetchval("select min(position) from tracklog_log.entry where kind = 40"),
    )
    assert [row[0] for row in rows] == ["me"]
    assert "would record 1 files" in await compare(adopt=True)

    assert f"{len(nobodys) + 1} deleted files" in await compare(adopt=False, act=True)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {text for text in left if not text.startswith(".")} == {*theirs, known, coming, young}
