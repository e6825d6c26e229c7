"""Fills a database with a sweep, straight into the log and admission, and has the views made of it."""

import asyncio
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.bench.database import fetch
from tests.bench.progress import say
from tests.bench.servers import environment
from tests.bench.sweep import Sweep
from tests.support.rooms import appending, prepare
from tracklog_contract.limits import Quotas
from tracklog_ingest.experiments import CreateExperiment

# One experiment has all the runs that are asked for, and four more have a fiftieth of that each.
SIDE_EXPERIMENTS: Final = 4
PER_SIDE_RUN: Final = 50
_REPORT_EVERY_S: Final = 10.0
_SIZES: Final = """
select n.nspname as room, sum(pg_total_relation_size(c.oid))::bigint as bytes
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('tracklog_log', 'tracklog_admission', 'tracklog_view') and c.relkind = 'r'
group by n.nspname
"""


@dataclass(frozen=True)
class Loaded:
    """What was loaded: the experiments, the large one first; runs a second; and bytes on disk by schema."""

    experiment_ids: list[str]
    runs: int
    appended_per_s: float
    folded_per_s: float
    bytes_by_room: dict[str, int]


def load(dsn: str, runs: int, directory: Path) -> Loaded:
    """Append the runs, then let `tracklog rebuild` fold them."""
    asyncio.run(prepare(dsn))
    started = time.perf_counter()
    experiment_ids = asyncio.run(_append(dsn, runs))
    appended_s = time.perf_counter() - started
    count = runs + SIDE_EXPERIMENTS * (runs // PER_SIDE_RUN)
    say(f"appended {count:,} runs, {count / appended_s:,.0f} a second; folding them")
    started = time.perf_counter()
    command = [str(Path(sys.executable).with_name("tracklog")), "rebuild", "--database-url", dsn]
    subprocess.run(command, env=environment(directory), cwd=directory, check=True)
    folded_s = time.perf_counter() - started
    say(f"folded {count / folded_s:,.0f} runs a second")
    sizes = fetch(dsn, _SIZES)
    return Loaded(
        experiment_ids,
        count,
        count / appended_s,
        count / folded_s,
        {row["room"]: row["bytes"] for row in sizes},
    )


async def _append(dsn: str, runs: int) -> list[str]:
    counts = [runs, *[runs // PER_SIDE_RUN] * SIDE_EXPERIMENTS]
    experiment_ids = []
    async with appending(dsn, quotas=Quotas(experiment_runs=runs)) as appender:
        for number, count in enumerate(counts):
            experiment_id = await appender.submit(CreateExperiment(f"sweep {number}", None, {}, now_ms=0))
            await _append_sweep(appender, Sweep(experiment_id, count, seed=number))
            experiment_ids.append(str(experiment_id))
    return experiment_ids


async def _append_sweep(appender: Any, sweep: Sweep) -> None:
    reported = time.monotonic()
    for commands in sweep.commands():
        answers = await asyncio.gather(*(appender.submit(command) for command in commands))
        if answers[0].rejected:
            raise RuntimeError(f"ingest refused a part of the sweep: {answers[0].rejected[0]}")
        if time.monotonic() - reported > _REPORT_EVERY_S:
            reported = time.monotonic()
            say(f"appended up to entry {answers[0].position:,}")
