"""Generated calls get the same answers from tracklog as from MLflow's own server.

`DIFFERENTIAL_CALLS` says how many calls instead of CALLS, 0 for none; `TEST_SEED` repeats a run. Where the
answers are to differ, the tables in `differential/differences.py`, `messages.py` and `one_sided.py` say why.
"""

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.conformance.differential.call import Call
from tests.conformance.differential.coverage import EXEMPT, Coverage, exemption, served
from tests.conformance.differential.lanes import play_lanes, running_lanes
from tests.conformance.differential.one_sided import CASES, OneSided, named
from tests.conformance.differential.pair import Pair
from tests.conformance.differential.shrink import shrunk
from tests.support.seed import seed

CALLS = 20_000
# With fewer, not every card of every deck is dealt.
CALLS_THAT_COVER = 15_000
CALLS_MORE = 5_000
FURTHER_ROUNDS = 6
DIFFERENCES_SHOWN = 20
DIFFERENCES_SHRUNK = 3

calls = int(os.environ.get("DIFFERENTIAL_CALLS", CALLS))
pytestmark = pytest.mark.skipif(calls == 0, reason="DIFFERENTIAL_CALLS=0")


@pytest.fixture(scope="module")
def lanes() -> Iterator[list[Pair]]:
    """Several pairs of servers, new and empty."""
    with running_lanes() as pairs:
        yield pairs


def test_generated_calls_get_mlflow_s_own_answers(lanes, capsys):
    with capsys.disabled():
        print()
        number = seed("differential")
    play_lanes(lanes, number, calls)
    covers = calls >= CALLS_THAT_COVER
    for further in range(FURTHER_ROUNDS if covers else 0):
        # Chances may leave out what is rare, though not for ever.
        if not Coverage(lanes).missing():
            break
        play_lanes(lanes, f"{number} more {further}", CALLS_MORE)
    coverage = Coverage(lanes)
    with capsys.disabled():
        print(coverage.report())
    found = sum(len(pair.differences) for pair in lanes)
    assert not found, f"{found} of {coverage.calls} calls:\n{told(lanes)}"
    if covers:
        assert coverage.missing() == []


def told(lanes):
    """The first differences, the very first with the fewest calls that lead to them."""
    texts = []
    for pair in lanes:
        for number, difference in enumerate(pair.differences[:DIFFERENCES_SHOWN]):
            text = str(difference)
            if number < DIFFERENCES_SHRUNK:
                steps = shrunk(pair, difference.steps)
                how = (
                    f"these {len(steps)} calls"
                    if steps
                    else "all calls of its round, but not again with them"
                )
                lines = "\n".join(f"        {step}" for step in steps or difference.steps)
                text += f"\n    by {how}:\n{lines}"
            texts.append(text)
    return "\n".join(texts)


def test_every_endpoint_is_generated_or_exempt_with_a_reason():
    endpoints = served()
    assert {
        "POST runs/create",
        "GET /3.0/mlflow/server-info",
        "PUT /2.0/mlflow-artifacts/artifacts/{path}",
    } <= endpoints
    # No exemption outlives its endpoints.
    assert {exemption(name) for name in endpoints} - {None} == set(EXEMPT.values())


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.endpoint.partition(' ')[2]}-{case.why.split()[0]}"
)
def test_calls_that_only_one_of_them_takes(place, case: OneSided):
    pair, *names = place
    call = replace(case.call, fields=named(case.fields, *names))
    for outcome, (status, code) in zip(pair.outcomes(call), (case.theirs, case.ours), strict=True):
        assert outcome.status == status, outcome
        assert code is None or outcome.error_code == code, outcome


def test_nan_measured_on_a_model_stays_nan(place):
    # MLflow keeps it as 0, which nobody measured.
    pair, _, run, model = place
    metric = {"key": "nan", "value": "NaN", "timestamp": 1, "model_id": model}
    assert pair.send(Call("POST runs/log-metric", {"run_id": run, **metric})) is not None
    answers = pair.outcomes(Call("GET logged-models/{model_id}", path=f"logged-models/{model}"))
    values = [[point["value"] for point in answer.body["model"]["data"]["metrics"]] for answer in answers]
    assert values == [[0.0], ["NaN"]]


@pytest.fixture(scope="module")
def place(lanes):
    """A pair of servers, and the names of a new experiment, run and model on it."""
    pair = lanes[0]
    pair.start_round()
    names = []
    for call in OneSided.beginnings():
        pair.send(replace(call, fields=named(call.fields, *names)))
        names.append(pair.steps[-1].made)
    return pair, *names
