"""`python -m tests.bench.search_scale --runs N`: how long searches over many runs take, through HTTP.

Server, database and client run on this machine. Besides the time of each answer it tells the processor time
that the server and its database spent on it, which says more on a machine that has other work.
"""

import argparse
import datetime as dt
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.bench.machine import describe
from tests.bench.processes import await_quiet, processor_s
from tests.bench.progress import say
from tests.bench.queries import DEEP, Scope, Search, searches
from tests.bench.scale_load import Loaded, load
from tests.bench.servers import Server, data_directory, running
from tests.bench.wire import Api, next_page_token
from tests.support.postgres import temporary_cluster
from tracklog_server.embedded import PARAMETERS

RESULTS_DIR: Final = Path("bench-results")
SECONDS_PER_SEARCH: Final = 2.0
SAMPLES_MIN: Final = 5
SAMPLES_MAX: Final = 50
DEEP_PAGE: Final = 1_000
JUMP_RUNS: Final = 10_000
# As the server sets its own PostgreSQL, but for what makes the loading durable.
DATABASE: Final = {**PARAMETERS, "fsync": "off", "full_page_writes": "off", "max_connections": "60"}


@dataclass(frozen=True)
class Timing:
    """One search: wall-clock milliseconds of each answer, and processor milliseconds an answer."""

    name: str
    filter: str
    order_by: Sequence[str]
    found: int
    samples_ms: list[float]
    processor_ms: float

    @property
    def median_ms(self) -> float:
        """The time that half of the answers did not exceed."""
        return statistics.median(self.samples_ms)

    @property
    def p95_ms(self) -> float:
        """The time that 95 of 100 answers did not exceed."""
        ordered = sorted(self.samples_ms)
        return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]


def main() -> int:
    """Load, measure, print and write what the command line asks for; 0 when all could be measured."""
    options = _parser().parse_args()
    machine = describe(options.base_dir)
    with data_directory(options.base_dir) as data_dir:
        data_dir.mkdir()
        with temporary_cluster(settings=DATABASE, parent=data_dir.parent) as dsn:
            loaded = load(dsn, options.runs, data_dir)
            with running("tracklog", data_dir, dsn) as server, Api(server.port) as api:
                await_quiet(server.leader_pids)
                timings = [*_first_pages(server, api, loaded, options.runs)]
                deep = [*_deep_pages(server, api, loaded)]
    print(_table(timings, deep, loaded))
    print(f"Every sample: {_write(timings, deep, loaded, machine)}")
    return 0


def _first_pages(server: Server, api: Api, loaded: Loaded, runs: int) -> Iterator[Timing]:
    for search in searches(runs):
        timing = _timed(server, api, search, search.fields(_scopes(loaded)))
        say(f"{timing.name}: {timing.median_ms:.1f} ms, processor {timing.processor_ms:.1f} ms")
        yield timing


def _deep_pages(server: Server, api: Api, loaded: Loaded) -> Iterator[tuple[Timing, Timing]]:
    """The first page and the DEEP_PAGE-th of some searches."""
    for search in DEEP:
        fields = search.fields(_scopes(loaded))
        token = _token_after(api, fields, (DEEP_PAGE - 1) * search.limit)
        if not token:
            say(f"{search.name}: too few runs for {DEEP_PAGE:,} pages")
            continue
        first = _timed(server, api, search, fields)
        last = _timed(server, api, search, {**fields, "page_token": token})
        say(f"{search.name}: page 1 {first.median_ms:.1f} ms, page {DEEP_PAGE:,} {last.median_ms:.1f} ms")
        yield first, last


def _token_after(api: Api, fields: Mapping[str, Any], runs: int) -> str:
    """The token of the page that begins after so many runs, "" when there are too few.

    Tokens continue with pages of any length.
    """
    token = ""
    while runs:
        step = min(runs, JUMP_RUNS)
        token = next_page_token(api.post("runs/search", {**fields, "max_results": step, "page_token": token}))
        if not token:
            break
        runs -= step
    return token


def _timed(server: Server, api: Api, search: Search, fields: Mapping[str, Any]) -> Timing:
    answer = api.post("runs/search", fields)  # a warm-up
    samples: list[float] = []
    begun, used_s = time.perf_counter(), processor_s(server.leader_pids)
    while len(samples) < SAMPLES_MIN or (
        len(samples) < SAMPLES_MAX and time.perf_counter() - begun < SECONDS_PER_SEARCH
    ):
        before = time.perf_counter()
        answer = api.post("runs/search", fields)
        samples.append(1000 * (time.perf_counter() - before))
    used_ms = 1000 * (processor_s(server.leader_pids) - used_s) / len(samples)
    found = answer.count(b'"lifecycle_stage"')
    return Timing(search.name, search.filter, search.order_by, found, samples, used_ms)


def _scopes(loaded: Loaded) -> dict[Scope, list[str]]:
    return {"one": loaded.experiment_ids[:1], "all": loaded.experiment_ids}


def _table(timings: Sequence[Timing], deep: Sequence[tuple[Timing, Timing]], loaded: Loaded) -> str:
    lines = [f"{'search':40} {'median ms':>10} {'p95 ms':>10} {'processor ms':>12} {'runs':>6}"]
    lines += [
        f"{t.name:40} {t.median_ms:10.1f} {t.p95_ms:10.1f} {t.processor_ms:12.1f} {t.found:6}"
        for t in timings
    ]
    median_ms = statistics.median(t.median_ms for t in timings)
    processor_ms = statistics.median(t.processor_ms for t in timings)
    lines.append(f"{'median of all':40} {median_ms:10.1f} {'':10} {processor_ms:12.1f}")
    lines += [
        f"page {DEEP_PAGE:,}, {last.name}: {last.median_ms:.1f} ms (processor {last.processor_ms:.1f} ms),"
        f" page 1: {first.median_ms:.1f} ms (processor {first.processor_ms:.1f} ms)"
        for first, last in deep
    ]
    per_run = {room: f"{size / loaded.runs:,.0f}" for room, size in sorted(loaded.bytes_by_room.items())}
    lines.append(
        f"{loaded.runs:,} runs: appended {loaded.appended_per_s:,.0f}/s, folded {loaded.folded_per_s:,.0f}/s;"
        f" bytes a run: {per_run}"
    )
    return "\n".join(lines)


def _write(
    timings: Sequence[Timing],
    deep: Sequence[tuple[Timing, Timing]],
    loaded: Loaded,
    machine: Mapping[str, Any],
) -> Path:
    told = {
        "machine": machine,
        "loaded": asdict(loaded),
        "searches": [_told(timing) for timing in timings],
        "deep": [{"first": _told(first), "deep": _told(last)} for first, last in deep],
    }
    RESULTS_DIR.mkdir(exist_ok=True)
    path = RESULTS_DIR / f"search-scale-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n")
    return path


def _told(timing: Timing) -> dict[str, Any]:
    return asdict(timing) | {"median_ms": timing.median_ms, "p95_ms": timing.p95_ms}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.search_scale", description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000, help="in the large experiment; %(default)s")
    parser.add_argument(
        "--base-dir",
        type=Path,
        default=Path(tempfile.gettempdir()),
        help="where the data is, and removed again: 10 GB for a million runs; default: %(default)s",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
