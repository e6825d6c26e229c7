"""The mutation check: rules of the server, each broken once in a copy of its code, that the suite must catch.

`python -m tests.conformance.differential.mutations [RULE …]` says of each rule, or of those named, after how
many calls the suite noticed, and ends with 1 when one was not. DIFFERENTIAL_CALLS says how many calls it
may take, CALLS otherwise.
"""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conformance.differential.lanes import LANES
from tests.conformance.differential.mlflow_server import running_mlflow
from tests.conformance.differential.pair import Pair, api
from tests.conformance.differential.recording import AnotherCallError, Recorder, Replay
from tests.conformance.differential.script import play
from tests.support.seed import seed
from tests.support.server import running_server
from tests.support.source import ROOT

CALLS = 6_000
FOLDERS = ("contract", "ingest", "projector", "artifacts", "deploy")
INGEST, PROJECTOR, CONTRACT = (
    "ingest/tracklog_ingest",
    "projector/tracklog_projector",
    "contract/tracklog_contract",
)


@dataclass(frozen=True)
class Mutation:
    """A rule, and the change of one piece of text in one file that breaks it."""

    rule: str
    file: str
    old: str
    new: str


MUTATIONS = [
    Mutation("latest metric", f"{PROJECTOR}/sql/upsert_metrics.sql", "where\n    (", "where\n    true or ("),
    Mutation(
        "of equal points the first is the latest",
        f"{PROJECTOR}/sql/upsert_metrics.sql",
        "    > (metric.step",
        "    >= (metric.step",
    ),
    Mutation(
        "NaN is no more and no less than 0",
        f"{PROJECTOR}/columns.py",
        "(arrivals[before] < arrivals[last])",
        "(arrivals[before] >= 0)",
    ),
    Mutation(
        "NaN comes before missing",
        f"{PROJECTOR}/search/run_order.py",
        "classes.append(_NAN)",
        "classes.insert(0, _NAN)",
    ),
    Mutation(
        "NaN is above nothing",
        f"{PROJECTOR}/search/matching.py",
        """{matches} and {expression} < 'NaN'::float8" if comparator in (">", ">=")""",
        """{matches}" if comparator in (">", ">=")""",
    ),
    Mutation(
        "LIKE has no escape character",
        f"{PROJECTOR}/search/matching.py",
        'return value.replace("\\\\", "\\\\\\\\")',
        "return value",
    ),
    Mutation(
        "LIKE tells upper from lower case",
        f"{PROJECTOR}/search/matching.py",
        'f"{expression} like {pattern}"',
        'f"{expression} ilike {pattern}"',
    ),
    Mutation(
        "page tokens are checked",
        f"{PROJECTOR}/search/pages.py",
        'raise Rejected(INVALID, "Invalid page token, could not base64-decode") from None',
        "return None",
    ),
    Mutation(
        "a page token of models is for the same experiments in the same order",
        f"{PROJECTOR}/search/models.py",
        "else list(experiment_ids)",
        "else sorted(set(experiment_ids))",
    ),
    Mutation(
        "pages follow one another",
        f"{PROJECTOR}/search/keyset.py",
        """{'<' if self.descending else '>'} {arguments""",
        """{'<=' if self.descending else '>='} {arguments""",
    ),
    Mutation(
        "latest runs first",
        f"{PROJECTOR}/search/run_order.py",
        'Name(ATTRIBUTE, "start_time"), True)',
        'Name(ATTRIBUTE, "start_time"), False)',
    ),
    Mutation(
        "deleted runs are hidden",
        f"{PROJECTOR}/http.py",
        "{1: False, 2: True, 3: None}",
        "{1: None, 2: True, 3: None}",
    ),
    Mutation(
        "IS NULL finds what has no such key",
        f"{PROJECTOR}/search/run_filter.py",
        'absent = f"not exists ({rows})"',
        'absent = f"exists ({rows})"',
    ),
    Mutation(
        "IS NULL is the same beside another term",
        f"{PROJECTOR}/search/run_filter.py",
        'if condition.comparator == "IS NULL" else exists',
        'if condition.comparator == "IS NOT NULL" else exists',
    ),
    Mutation(
        "AND binds the terms of a filter",
        f"{PROJECTOR}/search/predicate.py",
        '{Both: " and ", Either: " or "}',
        '{Both: " or ", Either: " or "}',
    ),
    Mutation(
        "a model's metric is asked for by dataset and digest",
        f"{PROJECTOR}/search/models.py",
        """(("dataset_name", name), ("dataset_digest", digest))""",
        """(("dataset_name", name),)""",
    ),
    Mutation(
        "a history is ordered by time",
        f"{PROJECTOR}/series.py",
        "return points.at(np.lexsort(",
        "return points or points.at(np.lexsort(",
    ),
    Mutation(
        "equal points count once", f"{PROJECTOR}/columns.py", "if not fresh.all():", "if fresh.size < 0:"
    ),
    Mutation(
        "a run's name is its tag",
        f"{PROJECTOR}/fold.py",
        "if event.name:\n                    self._tags",
        "if not event.name:\n                    self._tags",
    ),
    Mutation(
        "an experiment's runs are deleted with it",
        f"{PROJECTOR}/rare.py",
        """    await connection.execute(SQL["set_runs_deleted"], entry.experiment_id, deleted)\n""",
        "",
    ),
    Mutation(
        "latest traces first",
        f"{PROJECTOR}/search/traces.py",
        '"t.timestamp_ms", "bigint", descending=True',
        '"t.timestamp_ms", "bigint", descending=False',
    ),
    Mutation("a param is written once", f"{INGEST}/runs.py", "elif old != value:", "elif old is value:"),
    Mutation(
        "experiments' names are unique",
        f"{INGEST}/experiments.py",
        "if (self.workspace, self.name) in state.names:",
        "if (self.name, self.workspace) in state.names:",
    ),
    Mutation(
        "a deleted run takes no writes",
        f"{INGEST}/runs.py",
        "        run.check_active()\n",
        "        run.check_active  # noqa\n",
    ),
    Mutation(
        "a tag is cut at 8000 characters",
        f"{CONTRACT}/limits.py",
        "TAG_VALUE_CHARS_MAX: Final = 8000",
        "TAG_VALUE_CHARS_MAX: Final = 7999",
    ),
    Mutation(
        "a page has 50,000 runs",
        f"{CONTRACT}/limits.py",
        "SEARCH_MAX: Final = 50_000",
        "SEARCH_MAX: Final = 50_001",
    ),
    Mutation(
        "a batch has 1,000 metrics",
        f"{CONTRACT}/limits.py",
        "BATCH_METRICS_MAX: Final = 1000",
        "BATCH_METRICS_MAX: Final = 999",
    ),
    Mutation(
        "steps have 64 bits",
        f"{CONTRACT}/limits.py",
        "INT64_MAX: Final = 2**63 - 1",
        "INT64_MAX: Final = 2**63 - 2",
    ),
    Mutation(
        "errors say what MLflow says",
        f"{INGEST}/state.py",
        """The run {self.run_id.hex} must be in the 'active' state.""",
        """The run {self.run_id.hex} is deleted.""",
    ),
]


@contextlib.contextmanager
def mutated(mutation: Mutation) -> Iterator[dict[str, str]]:
    """The environment in which `tracklog` runs the code with this change."""
    home = Path(tempfile.mkdtemp(prefix="tracklog-mutation-"))
    home.chmod(0o755)
    try:
        for folder in FOLDERS:
            shutil.copytree(ROOT / folder, home / folder, ignore=shutil.ignore_patterns("__pycache__"))
        path = home / mutation.file
        text = path.read_text()
        assert text.count(mutation.old) == 1, f"{mutation.rule}: not once in {mutation.file}: {mutation.old}"
        path.write_text(text.replace(mutation.old, mutation.new))
        yield {"PYTHONPATH": os.pathsep.join(str(home / folder) for folder in FOLDERS)}
    finally:
        shutil.rmtree(home)


def recorded(number: int, calls: int) -> list[Any]:
    """MLflow's answers to the calls that are made of every mutation, while nothing is broken.

    Each call of a mutation is the same until it is noticed, so MLflow need not answer it again.
    """
    with running_mlflow() as their_url, running_server() as ours:
        recorder = Recorder(api(their_url))
        difference = _first_difference(recorder, ours.url, number, calls)[1]
        assert not difference, f"the suite fails with nothing broken:\n{difference}"
        return recorder.answered


def noticed_after(mutation: Mutation, number: int, calls: int, answered: list[Any]) -> tuple[int, str]:
    """How many calls it took to notice, and the first difference; 0 and "" when none showed."""
    with mutated(mutation) as environment:
        try:
            with running_server(None, environment=environment) as ours:
                return _first_difference(Replay(answered), ours.url, number, calls)
        except AnotherCallError:
            # Answers that may differ on purpose did, and what is called next depends on them.
            with running_mlflow() as their_url, running_server(None, environment=environment) as ours:
                return _first_difference(api(their_url), ours.url, number, calls)


def _first_difference(theirs: Any, our_url: str, number: int, calls: int) -> tuple[int, str]:
    with contextlib.closing(Pair(theirs, api(our_url))) as pair:
        play(pair, f"{number} 0", calls, differences_max=1)
        return (pair.calls, str(pair.differences[0])) if pair.differences else (0, "")


def main() -> int:
    """Check the rules named in the arguments, or all; 1 when one of them was not noticed, else 0."""
    chosen = [mutation for mutation in MUTATIONS if not sys.argv[1:] or mutation.rule in sys.argv[1:]]
    number, calls = seed("mutations"), int(os.environ.get("DIFFERENTIAL_CALLS", CALLS))
    answered = recorded(number, calls)
    missed = 0
    with ThreadPoolExecutor(LANES) as workers:
        checks = {
            workers.submit(noticed_after, mutation, number, calls, answered): mutation for mutation in chosen
        }
        for check in as_completed(checks):
            mutation, (after, difference) = checks[check], check.result()
            missed += not after
            print(f"{f'after {after:6} calls' if after else 'NOT NOTICED':20} {mutation.rule}", flush=True)
            if difference:
                print("    " + difference[:300].replace("\n", "\n    "), flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} noticed within {calls} calls")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
