"""Requests a second of an experiment: what counts, that it counts once, and who is held back by it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from tests.support.ledger import Rooms, projecting, serving
from tests.support.rooms import points_of
from tracklog_artifacts.ledger import StoredFile
from tracklog_contract.caller import ANYONE, CALLER, Caller
from tracklog_contract.errors import TooMany
from tracklog_contract.ids import new_run_id
from tracklog_contract.trace_events import TraceStarted
from tracklog_ingest.experiments import CreateExperiment, SetExperimentTag
from tracklog_ingest.models import CreateModel
from tracklog_ingest.runs import CreateRun, LogToRun
from tracklog_ingest.traces import StartTrace
from tracklog_projector.traces import TraceQueries
from tracklog_server.access.request_rates import OneRequest

SEARCH = {"filter": "", "order_by": [], "deleted": False, "limit": 5, "page_token": ""}
TRACES = {"filter": "", "order_by": [], "limit": 5, "page_token": ""}


class Asked:
    """Counts for one experiment, and refuses whatever touches it."""

    def __init__(self, limited: int) -> None:
        self.limited = limited

    def limits(self, experiment_id: int) -> bool:
        return experiment_id == self.limited

    async def take(self, experiment_ids: Iterable[int]) -> None:
        if self.limited in set(experiment_ids):
            raise TooMany("full", retry_after_s=1)


@pytest.fixture
async def rooms(database: str) -> AsyncIterator[Rooms]:
    async with projecting(database), serving(database) as rooms:
        yield rooms


async def new_world(rooms: Rooms) -> tuple[int, str]:
    """An experiment with one of everything, and its run."""
    number = await rooms.ingest.submit(CreateExperiment(f"e{time.monotonic_ns()}", None, {}, now_ms=0))
    run, _ = await rooms.ingest.submit(CreateRun(number, new_run_id(0, 1), "", "", 0, {}))
    await rooms.ingest.submit(CreateModel(f"m-{number}", number, "m", "", "", {}, {}, 0))
    await rooms.ingest.submit(StartTrace(number, TraceStarted(f"tr-{number}", 0, "OK")))
    await rooms.ingest.submit(LogToRun(run.run_id.hex, points_of("m", [1])))
    return number, run.run_id.hex


def requests(rooms: Rooms, number: int, run_id: str) -> dict[str, Any]:
    """What may be asked of an experiment by its id, or by that of anything in it: functions."""
    ingest, queries, ledger, traces = rooms.ingest, rooms.queries, rooms.ledger, TraceQueries(rooms.queries)
    root = (str(number), run_id, "artifacts")
    return {
        "points": lambda: ingest.submit(LogToRun(run_id, points_of("m", [2]))),
        "params": lambda: ingest.submit(LogToRun(run_id, params={"p": "1"})),
        "new run": lambda: ingest.submit(CreateRun(number, new_run_id(0, 1), "", "", 0, {})),
        "tag": lambda: ingest.submit(SetExperimentTag(number, "k", "v")),
        "new file": lambda: ledger.stored([StoredFile((*root, "f"), 1)]),
        "run": lambda: queries.run_document(run_id),
        "history": lambda: queries.metric_history(run_id, "m"),
        "artifact URI": lambda: queries.artifact_uri(run_id),
        "experiment": lambda: queries.experiment(number),
        "runs": lambda: queries.search_runs([number], **SEARCH),
        "models": lambda: queries.search_models(
            [number], datasets=(), filter="", order_by=(), limit=1, page_token=""
        ),
        "datasets": lambda: queries.dataset_summaries([number]),
        "model": lambda: queries.logged_model(f"m-{number}"),
        "files": lambda: ledger.entries(root),
        "trace": lambda: traces.trace(f"tr-{number}"),
        "traces": lambda: traces.search([number], **TRACES),
        "traces by id": lambda: traces.traces([f"tr-{number}"], None),
    }


async def test_every_way_to_an_experiment_counts_for_it_and_no_other(rooms: Rooms) -> None:
    limited, free = await new_world(rooms), await new_world(rooms)
    CALLER.set(Caller(requests=Asked(limited[0])))
    try:
        # Twice: what is known of a run by then must not let its points pass.
        for _ in range(2):
            for request in requests(rooms, *free).values():
                await request()
            passed = []
            for name, request in requests(rooms, *limited).items():
                try:
                    await request()
                    passed.append(name)
                except TooMany:
                    continue
            assert passed == []
            # Decided together, each is refused for its own experiment only.
            mixed = [
                requests(rooms, *world)[kind]() for kind in ("params", "tag") for world in (limited, free)
            ]
            outcomes = await asyncio.gather(*mixed, return_exceptions=True)
            assert [isinstance(outcome, TooMany) for outcome in outcomes] == [True, False] * 2
    finally:
        CALLER.set(ANYONE)


async def test_a_request_counts_once_for_each_experiment_unless_it_was_refused() -> None:
    class Bucket:
        taken, full = 0, False

        async def take(self) -> None:
            if self.full:
                raise TooMany("full", retry_after_s=1)
            self.taken += 1

    one, two = Bucket(), Bucket()
    request = OneRequest({1: one, 2: two})  # type: ignore[dict-item] # all it asks of them is `take`
    await request.take([1, 3])
    await request.take([1])
    two.full = True
    for _ in range(2):
        with pytest.raises(TooMany):
            await request.take([1, 2])
    two.full = False
    await request.take([2, 1])
    assert (one.taken, two.taken) == (1, 1)
    assert [request.limits(number) for number in (1, 2, 3)] == [True, True, False]
