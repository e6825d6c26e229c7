"""`python -m tests.bench`: measure both servers, print the table, write it as JSON with every sample."""

import argparse
import datetime as dt
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import msgspec

from tests.bench.disk import disk
from tests.bench.endurance import endurance
from tests.bench.figures import Outcome
from tests.bench.footprint import resident, start
from tests.bench.machine import describe
from tests.bench.progress import elapsed_s, say
from tests.bench.reads import history, search
from tests.bench.report import Results, as_json, table, verdict
from tests.bench.servers import ServerName
from tests.bench.settings import Settings, quick
from tests.bench.writes import log_batch, log_metric, runs_created

RESULTS_DIR = Path("bench-results")
BOTH: tuple[ServerName, ...] = ("mlflow", "tracklog")


@dataclass(frozen=True)
class Measure:
    """Something to measure, and on which servers."""

    name: str
    run: Callable[[ServerName, Settings], Outcome]
    servers: tuple[ServerName, ...] = BOTH
    by_default: bool = True


MEASURES = (
    Measure("log-batch", log_batch),
    Measure("log-metric", log_metric),
    Measure("runs", runs_created),
    Measure("search", search),
    Measure("history", history),
    Measure("start", start),
    Measure("memory", resident),
    Measure("disk", disk, servers=("tracklog",)),
    Measure("endurance", endurance, servers=("tracklog",), by_default=False),
)


def main() -> int:
    """Measure what the command line asks for.

    Returns: 0 when everything could be measured, whatever the numbers; 1 when something failed to work.
    """
    options = _parser().parse_args()
    settings = quick(options.base_dir) if options.quick else Settings(options.base_dir)
    signal.signal(signal.SIGTERM, _stop)
    results = Results()
    machine = describe(options.base_dir)
    say(
        "machine: {cores} cores, load {load_average_1min:.1f}, a commit takes {commit_ms:.1f} ms".format(
            **machine
        )
    )
    for measure in MEASURES:
        if measure.name in options.only or (not options.only and _wanted(measure, options.endurance)):
            _measure(
                measure, [s for s in measure.servers if options.servers in (s, "both")], settings, results
            )
    results.compare_answers()
    rows = results.rows()
    print(table(rows))
    print()
    for failure in results.failures:
        print(f"FAILED: {failure}")
    print(verdict(rows))
    if options.quick:
        print("A quick run: sizes and times are too small for its numbers to mean much.")
    print(f"Every sample: {_write(results, machine, settings)}")
    return 1 if results.failures else 0


def _measure(measure: Measure, servers: list[ServerName], settings: Settings, results: Results) -> None:
    for server in servers:
        say(f"{server}: {measure.name} begins")
        try:
            results.outcomes[measure.name, server] = measure.run(server, settings)
        except Exception as error:
            # The other measures are still worth having; the exit code tells.
            traceback.print_exc()
            results.failures.append(f"{measure.name} on {server}: {error}")


def _wanted(measure: Measure, with_endurance: bool) -> bool:
    return measure.by_default or (with_endurance and measure.run is endurance)


def _write(results: Results, machine: Mapping[str, Any], settings: Settings) -> Path:
    RESULTS_DIR.mkdir(exist_ok=True)
    path = RESULTS_DIR / f"bench-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}.json"
    told = asdict(settings) | {"base_dir": str(settings.base_dir)}
    text = msgspec.json.format(msgspec.json.encode(as_json(results, machine, told, elapsed_s())), indent=1)
    path.write_bytes(text + b"\n")
    return path


def _stop(number: int, _: FrameType | None) -> NoReturn:
    """Leave through every `finally`, which stops the servers and removes their directories."""
    raise SystemExit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    names = [measure.name for measure in MEASURES]
    parser.add_argument(
        "--only",
        action="append",
        choices=names,
        default=[],
        help="measure only this; may be given several times",
    )
    parser.add_argument("--servers", choices=(*BOTH, "both"), default="both", help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything works")
    parser.add_argument("--endurance", action="store_true", help="also fifty million points into tracklog")
    parser.add_argument(
        "--base-dir",
        type=Path,
        default=Path(tempfile.gettempdir()),
        help="where the data directories are made and removed again; default: %(default)s",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
