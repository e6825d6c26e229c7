"""Generated calls get the same answers from tracklog as from MLflow's own server.

Off by default, since it takes minutes: `make differential`. `DIFFERENTIAL_CALLS` says how many calls;
`TEST_SEED` repeats a run. Where the answers are to differ, the
tables in `differential/differences.py` and `differential/one_sided.py` say why.
"""

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.conformance.differential.coverage import missing, report
from tests.conformance.differential.mlflow_server import running_mlflow
from tests.conformance.differential.one_sided import CASES, OneSided, named
from tests.conformance.differential.pair import Pair
from tests.conformance.differential.script import play
from tests.support.seed import seed
from tests.support.server import running_server

CALLS = int(os.environ.get("DIFFERENTIAL_CALLS", "0"))
DIFFERENCES_SHOWN = 20
pytestmark = pytest.mark.skipif(CALLS == 0, reason="make differential runs it")


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Both servers, new and empty."""
    with running_mlflow() as their_url, running_server() as ours:
        pair = Pair(their_url, ours.url)
        yield pair
        pair.close()


def test_generated_calls_get_mlflow_s_own_answers(pair, capsys):
    play(pair, seed("differential"), CALLS)
    with capsys.disabled():
        print(f"\n{report(pair)}")
    shown = "\n".join(pair.differences[:DIFFERENCES_SHOWN])
    assert not pair.differences, f"{len(pair.differences)} of {pair.calls} calls:\n{shown}"
    assert missing(pair) == []


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.endpoint.partition(' ')[2]}-{case.why.split()[0]}"
)
def test_calls_that_only_one_of_them_takes(pair, case: OneSided):
    experiment, run = pair.names.last("experiment"), pair.names.last("run")
    call = replace(case.call, fields=named(case.fields, experiment, run))
    for outcome, (status, code) in zip(pair.outcomes(call), (case.theirs, case.ours), strict=True):
        assert outcome.status == status, outcome
        assert code is None or outcome.error_code == code, outcome
