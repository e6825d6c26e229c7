"""What the log knows of artifacts: listed as recorded, counted exactly, the same after a rebuild."""

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import asyncpg
import pytest

from tests.support.ledger import Rooms, projecting, serving
from tests.support.rooms import new_run
from tests.support.seed import seed
from tracklog_artifacts.config import ArtifactConfig
from tracklog_artifacts.ledger import Intent, Listed, StoredFile
from tracklog_artifacts.local import LocalStore
from tracklog_artifacts.settle import Settler
from tracklog_contract.errors import INVALID, NOT_FOUND, QUOTA, Rejected
from tracklog_contract.ids import new_run_id
from tracklog_contract.limits import Quotas
from tracklog_contract.trace_events import TraceStarted
from tracklog_ingest.experiments import CreateExperiment, SetExperimentDeleted
from tracklog_ingest.models import CreateModel, DeleteModel
from tracklog_ingest.runs import CreateRun, SetRunDeleted
from tracklog_ingest.traces import StartTrace
from tracklog_projector.rebuild import rebuild

SMALL = Quotas(run_artifact_bytes=1_000, experiment_artifact_bytes=1_700)
LONG = "\U00020000" * 63
# Names that sort otherwise as texts with "/" than as tuples, and long ones.
NAMES = ("a", "a-b", "a.b", "ab", "größe", "損失", LONG, "z" * 255)
OPERATIONS = 250
HOUR_S = 3600.0


@pytest.fixture
async def rooms(database: str) -> AsyncIterator[Rooms]:
    """A server's rooms with small quotas."""
    async with projecting(database), serving(database, SMALL) as rooms:
        yield rooms


async def make_run(rooms: Rooms, experiment_id: int) -> str:
    """A new run's id."""
    run, _ = await rooms.ingest.submit(CreateRun(experiment_id, new_run_id(0, 1), "", "", 0, {}))
    return str(run.run_id.hex)


async def make_experiment(rooms: Rooms, location: str | None = None) -> int:
    number: int = await rooms.ingest.submit(CreateExperiment(uuid.uuid4().hex, location, {}, now_ms=0))
    return number


def path(text: str) -> tuple[str, ...]:
    return tuple(text.split("/"))


def file(text: str, size: int, sha256: str = "", etag: str = "") -> StoredFile:
    return StoredFile(path(text), size, sha256, etag)


def intent(text: str, size: int | None, *, upload_id: str = "", expires_in_s: float = HOUR_S) -> Intent:
    return Intent(path(text), size, time.time() + expires_in_s, upload_id)


async def intended(rooms: Rooms, directory: str, limit: int = 1_000) -> list[Intent]:
    """What was intended at and below a path, by pages of so many."""
    found: list[Intent] = []
    while True:
        after = found[-1].path if found else None
        page = await rooms.ledger.intents_below(path(directory), after=after, limit=limit)
        found += page
        if len(page) < limit:
            return found


async def refused(awaitable: Any) -> str:
    with pytest.raises(Rejected) as caught:
        await awaitable
    return caught.value.error_code


class Model:
    """What the ledger should know, kept simply."""

    def __init__(self, roots: Sequence[str], chance: random.Random) -> None:
        self.files: dict[str, int] = {}
        self.roots = roots
        self._chance = chance

    def some_path(self) -> str:
        depth = self._chance.choice((1, 1, 2, 2, 3, 14))
        names = [self._chance.choice(NAMES) for _ in range(depth)]
        return "/".join([self._chance.choice(self.roots), *names])

    def directory(self) -> str:
        """A directory there is, often; sometimes anything."""
        known = self._chance.choice([*self.files, self.some_path()])
        above = [str(parent) for parent in PurePosixPath(known).parents if str(parent) != "."]
        return self._chance.choice([known, *above])

    def remove(self, gone: str) -> None:
        self.files = {p: size for p, size in self.files.items() if p != gone and not p.startswith(f"{gone}/")}

    def entries(self, directory: str) -> list[tuple[str, int | None]]:
        found: dict[str, int | None] = {}
        for known, size in self.files.items():
            if known.startswith(f"{directory}/"):
                name, more, _ = known.removeprefix(f"{directory}/").partition("/")
                found[f"{directory}/{name}"] = None if more else size
        return sorted(found.items(), key=lambda item: item[0].encode())

    def tree(self, directory: str) -> list[tuple[str, int | None]]:
        below = [item for item in self.files.items() if item[0].startswith(f"{directory}/")]
        return sorted(below, key=lambda item: item[0].encode())


def plain(items: Sequence[Listed]) -> list[tuple[str, int | None]]:
    return [("/".join(item.path), item.size_bytes) for item in items]


async def pages(rooms: Rooms, directory: str) -> list[tuple[str, int | None]]:
    """A tree, a few files at a time."""
    found: list[Listed] = []
    while True:
        after = found[-1].path if found else None
        page = await rooms.ledger.tree(path(directory), after=after, limit=7)
        found += page
        if len(page) < 7:
            return plain(found)


async def check(rooms: Rooms, model: Model, directory: str) -> None:
    assert plain(await rooms.ledger.entries(path(directory))) == model.entries(directory)
    assert await pages(rooms, directory) == model.tree(directory)


async def totals(dsn: str) -> dict[tuple[int, str], tuple[int, int]]:
    """What admission counts: files and bytes by experiment and run."""
    rows = await fetch(
        dsn, "select experiment_id, run_id, files, bytes from tracklog_admission.artifact_total"
    )
    return {(row[0], row[1].hex): (row[2], row[3]) for row in rows}


async def fetch(dsn: str, statement: str) -> list[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(statement))
    finally:
        await connection.close()


async def test_whatever_is_recorded_is_listed_at_once_and_after_a_rebuild(database: str) -> None:
    chance = random.Random(seed("ledger"))
    async with projecting(database), serving(database) as rooms:
        experiment_id = await make_experiment(rooms)
        runs = [await make_run(rooms, experiment_id) for _ in range(2)]
        roots = [f"{experiment_id}/{run_id}/artifacts" for run_id in runs]
        model = Model([*roots, f"{experiment_id}/traces/tr-1/artifacts"], chance)
        for _ in range(OPERATIONS):
            if chance.random() < 0.7:
                many = {model.some_path(): chance.randrange(10**9) for _ in range(chance.randrange(1, 9))}
                # A name is a file or a directory, in this test.
                new = {p: size for p, size in many.items() if fits(p, {*model.files, *many} - {p})}
                model.files.update(new)
                await rooms.ledger.stored([file(p, size) for p, size in new.items()])
            else:
                gone = model.directory()
                model.remove(gone)
                await rooms.ledger.removed(path(gone))
            await check(rooms, model, model.directory())
        # Chance may have removed everything.
        model.files[f"{roots[0]}/last"] = 5
        await rooms.ledger.stored([file(f"{roots[0]}/last", 5)])
        for directory in (*roots, str(experiment_id)):
            await check(rooms, model, directory)
        counted = {
            (experiment_id, run_id): sums(size for p, size in model.files.items() if run_id in p)
            for run_id in runs
        }
        whole = sums(model.files.values())
        assert await totals(database) == {**counted, (experiment_id, "0" * 32): whole}
        views = "select path, files, bytes from tracklog_view.artifact_directory order by path"
        before = await fetch(database, views)
        assert (str(experiment_id), *whole) in [tuple(row) for row in before]
        usage = await fetch(database, "select * from tracklog_view.usage order by scope, subject")
        await rebuild(database, lambda line: None)
        assert await fetch(database, views) == before
        assert await fetch(database, "select * from tracklog_view.usage order by scope, subject") == usage
        await check(rooms, model, str(experiment_id))


def fits(new: str, others: set[str]) -> bool:
    """Is no other path below this one, nor this below another."""
    return not any(p.startswith(f"{new}/") or new.startswith(f"{p}/") for p in others)


def sums(sizes: Any) -> tuple[int, int]:
    listed = list(sizes)
    return len(listed), sum(listed)


async def test_the_longest_paths_are_recorded_and_longer_ones_refused(rooms: Rooms) -> None:
    experiment_id = await make_experiment(rooms)
    root = f"{experiment_id}/{await make_run(rooms, experiment_id)}/artifacts"
    names = [LONG] * 15 + ["x"]
    longest = "/".join([root, *names, "n" * (4095 - len("/".join([root, *names]).encode()))])
    assert len(longest.encode()) == 4096
    await rooms.ledger.stored([file(longest, 1), file(f"{root}/{'x/' * 60}f", 1)])
    assert await rooms.ledger.file(path(longest)) is not None
    assert len(await pages(rooms, root)) == 2
    for bad in (f"{longest}n", f"{root}/{'n' * 256}", f"{root}/{'x/' * 61}f", f"{root}//f", f"{root}/a\0b"):
        assert await refused(rooms.ledger.stored([file(bad, 1)])) == INVALID
    for bad_file in (file(f"{root}/f", -1), file(f"{root}/f", 10**15 + 1), file(f"{root}/f", 1, "AB" * 32)):
        assert await refused(rooms.ledger.stored([bad_file])) == INVALID
    await rooms.ledger.removed(path(root))
    assert await rooms.ledger.entries(path(str(experiment_id))) == []


async def test_artifacts_belong_to_what_there_is(rooms: Rooms) -> None:
    experiment_id = await make_experiment(rooms)
    custom_id = await make_experiment(rooms, "mlflow-artifacts:/team/vision/")
    run_id, custom = await make_run(rooms, experiment_id), await make_run(rooms, custom_id)
    gone = await make_run(rooms, experiment_id)
    for number in (experiment_id, custom_id):
        await rooms.ingest.submit(StartTrace(number, TraceStarted(f"tr-{number}", 0, "OK")))
        await rooms.ingest.submit(CreateModel(f"m-{number}", number, "m", "", "", {}, {}, 0))
    fine = {
        f"{experiment_id}/{run_id}/artifacts/f": run_id,
        f"{experiment_id}/models/m-{experiment_id}/artifacts/f": "",
        f"{experiment_id}/traces/tr-{experiment_id}/artifacts/f": "",
        f"{experiment_id}/traces/tr-not-yet/artifacts/f": "",
        f"{experiment_id}/shared/f": "",
        f"team/vision/{custom}/artifacts/f": custom,
        f"team/vision/models/m-{custom_id}/artifacts/f": "",
        f"team/vision/traces/tr-{custom_id}/artifacts/f": "",
    }
    await rooms.ledger.stored([file(text, 1) for text in fine])
    rows = await fetch_all(rooms, "select path, run_id, experiment_id from tracklog_admission.artifact")
    assert {row[0]: row[1].hex if row[1] else "" for row in rows} == fine
    assert {row[2] for row in rows if row[0].startswith("team")} == {custom_id}
    for text in fine:
        assert [item.path for item in await rooms.ledger.entries(path(text)[:-1])] == [path(text)]

    await rooms.ingest.submit(SetRunDeleted(gone, deleted=True, now_ms=0))
    await rooms.ingest.submit(DeleteModel(f"m-{custom_id}", 0))
    for text, code in {
        f"{experiment_id}/{'f' * 32}/artifacts/f": NOT_FOUND,
        f"{experiment_id}/models/m-none/artifacts/f": NOT_FOUND,
        f"team/vision/models/m-{custom_id}/artifacts/f": INVALID,
        "9999/f": NOT_FOUND,
        "team/vision/f": NOT_FOUND,
        "elsewhere": NOT_FOUND,
        f"{experiment_id}/{gone}/artifacts/f": INVALID,
    }.items():
        for call in (rooms.ledger.stored([file(text, 1)]), rooms.ledger.intended([intent(text, 1)])):
            assert await refused(call) == code, text
    await rooms.ingest.submit(SetExperimentDeleted(experiment_id, deleted=True, now_ms=0))
    assert await refused(rooms.ledger.stored([file(f"{experiment_id}/f", 1)])) == INVALID
    # What is deleted can still be read, and cleared.
    kept = path(f"{experiment_id}/{run_id}/artifacts")
    assert len(await rooms.ledger.entries(kept)) == 1
    await rooms.ledger.removed(kept)
    assert await rooms.ledger.entries(kept) == []


async def fetch_all(rooms: Rooms, statement: str) -> list[Any]:
    return list(await rooms.queries._pool.fetch(statement))


async def test_bytes_are_counted_as_they_are_replaced_removed_and_intended(rooms: Rooms) -> None:
    experiment_id = await make_experiment(rooms)
    one, two = [f"{experiment_id}/{await make_run(rooms, experiment_id)}/artifacts" for _ in range(2)]
    ledger = rooms.ledger
    await ledger.stored([file(f"{one}/a", 600), file(f"{one}/b", 400)])
    assert await refused(ledger.stored([file(f"{one}/c", 1)])) == QUOTA
    # Replaced by less, there is room for the difference, and by the same for nothing.
    await ledger.stored([file(f"{one}/a", 500)])
    assert await refused(ledger.stored([file(f"{one}/c", 101)])) == QUOTA
    await ledger.stored([file(f"{one}/c", 100)])
    # All of it or nothing: d alone would fit.
    assert await refused(ledger.stored([file(f"{two}/d", 700), file(f"{two}/e", 1)])) == QUOTA
    await ledger.stored([file(f"{two}/d", 700)])
    assert await refused(ledger.stored([file(f"{two}/e", 1)])) == QUOTA
    await ledger.removed(path(f"{one}/b"))
    await ledger.stored([file(f"{two}/e", 300)])
    await ledger.removed(path(two))
    # What is intended counts as what is there, beyond what it will replace, and is given back once.
    await ledger.intended([intent(f"{one}/a", 700), intent(f"{two}/f", 800, upload_id="u")])
    assert await refused(ledger.intended([intent(f"{two}/g", 101)])) == QUOTA
    await ledger.intended([intent(f"{two}/g", 100), intent(f"{two}/h", None)])
    assert await refused(ledger.stored([file(f"{two}/i", 101)])) == QUOTA
    await ledger.stored([file(f"{one}/a", 700), file(f"{two}/f", 800)])
    assert [found.path[-1] for found in await intended(rooms, two)] == ["g", "h"]
    await ledger.forgotten(await intended(rooms, two))
    await ledger.forgotten([intent(f"{two}/g", 100)])
    await ledger.stored([file(f"{two}/i", 100)])
    assert await refused(ledger.stored([file(f"{two}/j", 1)])) == QUOTA


async def test_an_expired_intent_counts_no_more_and_is_still_told(rooms: Rooms) -> None:
    experiment_id = await make_experiment(rooms)
    root = f"{experiment_id}/{await make_run(rooms, experiment_id)}/artifacts"
    await rooms.ledger.intended([intent(f"{root}/a", 900, expires_in_s=1.0, upload_id="u")])
    assert await refused(rooms.ledger.intended([intent(f"{root}/b", 101)])) == QUOTA
    await asyncio.sleep(1.1)
    await rooms.ledger.intended([intent(f"{root}/b", 900), intent(f"{root}/c", 100)])
    told = await intended(rooms, root)
    assert [(found.path[-1], found.size_bytes, found.upload_id) for found in told] == [
        ("a", 900, "u"),
        ("b", 900, ""),
        ("c", 100, ""),
    ]
    # It comes late: what it had reserved is not given back a second time.
    assert await refused(rooms.ledger.stored([file(f"{root}/a", 900)])) == QUOTA
    await rooms.ledger.forgotten(told)
    await rooms.ledger.stored([file(f"{root}/a", 900), file(f"{root}/b", 100)])
    assert await intended(rooms, root) == []


async def test_all_intents_are_settled_page_by_page(rooms: Rooms, tmp_path: Path) -> None:
    experiment_id = await make_experiment(rooms)
    root = f"{experiment_id}/{await make_run(rooms, experiment_id)}/artifacts"
    # Paths that differ only after what the index holds of them, and such as sort otherwise by their names.
    deep = f"{root}/{LONG}/{LONG}/{LONG}/{LONG}/{LONG}/{LONG}/{LONG}/{LONG}"
    texts = [*(f"{folder}/{name}" for folder in (root, deep, f"{root}/a!", f"{root}/d") for name in NAMES)]
    many = f"{root}/d/{NAMES[0]}"
    uploads = [intent(text, 3) for text in texts] + [intent(many, 3, upload_id=str(n)) for n in range(9)]
    await rooms.ledger.intended(uploads)
    in_order = sorted(uploads, key=lambda upload: ("/".join(upload.path), upload.upload_id))
    for limit in (1, 2, 7, 100):
        for below, inside in ((root, in_order), (f"{root}/d", [u for u in in_order if u.path[3] == "d"])):
            told = await intended(rooms, below, limit)
            assert [(u.path, u.upload_id) for u in told] == [(u.path, u.upload_id) for u in inside]
    assert [upload.upload_id for upload in await rooms.ledger.intents(path(many))] == ["", *"012345678"]
    assert await rooms.ledger.intents(path(root)) == []

    store = LocalStore(tmp_path)
    arrived = [text for text in texts if not text.startswith(deep)]
    for text in arrived:
        target = tmp_path / text
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"123")
    settler = Settler(store, rooms.ledger, ArtifactConfig(settle_uploads_max=5))
    rounds, after = 1, await settler.sweep(None)
    while after is not None:
        rounds, after = rounds + 1, await settler.sweep(after)
    assert rounds >= len(texts) / 5
    assert sorted("/".join(upload.path) for upload in await intended(rooms, root)) == sorted(
        set(texts) - set(arrived)
    )
    listed = await rooms.ledger.tree(path(root), after=None, limit=100)
    assert {"/".join(item.path) for item in listed} == set(arrived)


async def test_a_quota_of_bytes_is_exact_whoever_writes(database: str) -> None:
    async with projecting(database), serving(database, SMALL) as one, serving(database, SMALL) as two:
        experiment_id = await make_experiment(one)
        roots = [f"{experiment_id}/{await make_run(one, experiment_id)}/artifacts" for _ in range(3)]

        async def write(number: int) -> int:
            ledger = (one, two)[number % 2].ledger
            files = [file(f"{roots[number % 3]}/{number}/{part}", 3) for part in range(3)]
            try:
                await ledger.stored(files)
            except Rejected:
                return 0
            return 9

        accepted = await asyncio.gather(*(write(number) for number in range(240)))
        # 1,700 has room for 188 times 9.
        assert sum(accepted) == 188 * 9
        counted = await totals(database)
        assert counted[experiment_id, "0" * 32] == (188 * 3, 188 * 9)


async def test_a_complete_that_is_sent_again_appends_nothing(database: str) -> None:
    async with projecting(database), serving(database) as rooms:
        run_id = await new_run(rooms.ingest, "again")
        rows = await fetch(database, "select experiment_id from tracklog_admission.run")
        files = [file(f"{rows[0][0]}/{run_id.hex}/artifacts/{n}", n, "0f" * 32, "e") for n in range(2500)]
        await rooms.ledger.stored(files)
        events = "select count(*) as n from tracklog_log.entry where kind = 40"
        assert (await fetch(database, events))[0]["n"] == 3
        await rooms.ledger.intended([intent("/".join(files[7].path), 7)])
        await rooms.ledger.stored(files)
        assert (await fetch(database, events))[0]["n"] == 3
        assert await intended(rooms, files[0].path[0]) == []
        assert len(await rooms.ledger.entries(files[0].path[:-1])) == 2500
