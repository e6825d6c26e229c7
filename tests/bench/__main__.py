"""`python -m tests.bench`: measure tracklog and its peers, print the table, write every sample as JSON."""

import argparse
import datetime as dt
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import msgspec

from tests.bench.client_calls import client_calls
from tests.bench.crowd import crowd
from tests.bench.disk import disk
from tests.bench.endurance import endurance
from tests.bench.figures import Outcome
from tests.bench.files import large_file, small_files, through_the_server
from tests.bench.footprint import resident, start
from tests.bench.machine import describe
from tests.bench.peers import PEERS, SERVERS, Contestant, MissingPeer
from tests.bench.progress import elapsed_s, say
from tests.bench.reads import history, search
from tests.bench.report import Results, as_json, table, verdict
from tests.bench.runs import runs_created
from tests.bench.settings import Settings, quick
from tests.bench.stores import stores
from tests.bench.sustained import native, thin
from tests.bench.writes import log_batch, log_metric

RESULTS_DIR = Path("bench-results")


@dataclass(frozen=True)
class Measure:
    """Something to measure, and of whom."""

    name: str
    run: Callable[[Any, Settings], Outcome]
    contestants: Sequence[Contestant] = SERVERS
    by_default: bool = True


MEASURES = (
    Measure("log-batch", log_batch),
    Measure("native", native, ("tracklog",)),
    Measure("thin", thin, ("tracklog",)),
    Measure("log-metric", log_metric),
    Measure("runs", runs_created),
    Measure("search", search),
    Measure("history", history),
    Measure("client", client_calls, (*PEERS, "tracklog")),
    Measure("small-files", small_files, ("mlflow", "tracklog")),
    Measure("large-file", large_file, ("tracklog",)),
    Measure("through-server", through_the_server, ("mlflow", "tracklog")),
    # Its PostgreSQL is not the server's to start.
    Measure("start", start, ("mlflow", "fasttrackml-sqlite", "tracklog")),
    Measure("memory", resident),
    Measure("disk", disk),
    Measure("stores", stores, ("tracklog",)),
    Measure("endurance", endurance, ("tracklog",), by_default=False),
    Measure("crowd", crowd, ("tracklog",), by_default=False),
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
        if measure.name in options.only or (not options.only and measure.by_default):
            _measure(measure, (*options.peers, "tracklog"), settings, results)
    results.compare_answers()
    _print(results, quick_run=options.quick)
    print(f"Every sample: {_write(results, machine, settings)}")
    return 1 if results.failures else 0


def _measure(measure: Measure, chosen: Sequence[Contestant], settings: Settings, results: Results) -> None:
    for name in measure.contestants:
        if name not in chosen or name in results.skipped:
            continue
        say(f"{name}: {measure.name} begins")
        try:
            results.outcomes[measure.name, name] = measure.run(name, settings)
        except MissingPeer as reason:
            say(f"{name} is skipped: {reason}")
            results.skipped[name] = str(reason)
        except Exception as error:
            # The other measures are still worth having; the exit code tells.
            traceback.print_exc()
            results.failures.append(f"{measure.name} on {name}: {error}")


def _print(results: Results, *, quick_run: bool) -> None:
    rows = results.rows()
    print(table(rows))
    print()
    for name, reason in results.skipped.items():
        print(f"{name} is skipped, since it cannot be installed: {reason}")
    for failure in results.failures:
        print(f"FAILED: {failure}")
    print(verdict(rows))
    share = results.generator_cpu_max
    if share is not None:
        print(f"Generating the load took at most {share:.0%} of one core (each row's share is in the JSON).")
    if quick_run:
        print("A quick run: sizes and times are too small for its numbers to mean much.")


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


def _peers(text: str) -> list[Contestant]:
    names = [] if text == "none" else text.split(",")
    chosen = [peer for peer in PEERS if peer in names]
    if len(chosen) != len(names):
        raise argparse.ArgumentTypeError(f"choose from {', '.join(PEERS)}, or none")
    return chosen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    apart = ", ".join(measure.name for measure in MEASURES if not measure.by_default)
    parser.add_argument(
        "--only",
        action="append",
        choices=[measure.name for measure in MEASURES],
        default=[],
        help=f"measure only this; may be given several times. Measured only when named: {apart}",
    )
    parser.add_argument(
        "--peers",
        type=_peers,
        default=list(PEERS),
        metavar="NAME,...",
        help=f"whom tracklog is compared with: of {', '.join(PEERS)}, or none; default: all",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything works")
    parser.add_argument(
        "--base-dir",
        type=Path,
        default=Path(tempfile.gettempdir()),
        help="where the data directories are made and removed again; default: %(default)s",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
