"""What the benchmark sends is what it means to send, and its table says what was measured."""

import uuid

import numpy as np
import pytest

from tests.bench.figures import Figure, Outcome
from tests.bench.load import Load
from tests.bench.native import series_template, step_template, whole_run_requests
from tests.bench.payloads import EPOCH_MS, STEP_MS, runs
from tests.bench.report import Results, table, verdict
from tracklog_contract.points import PointBlock
from tracklog_ingest.native_wire import Decoded, decode

RATE = Figure("rate", "points/s", "more", times=20, at_least=1_000)
TIME = Figure("time", "ms", at_most=10)
NATIVE = Figure("native rate", "points/s", "more", times=50, base=RATE)


def decoded(request: bytes) -> Decoded:
    return decode(request.partition(b"\r\n\r\n")[2])


def steps_of(points: PointBlock) -> list[int]:
    return np.frombuffer(points.steps, "<i8").tolist()


def test_a_template_of_series_says_what_is_filled_in() -> None:
    producer, run_id = uuid.uuid4(), uuid.uuid4()
    template = series_template(("a", "b"), 3, seed=1)
    request = decoded(template.filled(producer.bytes, 7, 30, run_id.hex))
    assert (request.producer_id, request.sequence, request.rejected) == (producer, 7, ())
    [part] = request.parts
    assert (part.run_id, part.points.keys, part.points.counts) == (run_id, ("a", "b"), (3, 3))
    assert steps_of(part.points) == [30, 31, 32] * 2
    assert template.points == part.points.points == 6


def test_a_template_filled_again_keeps_nothing_of_the_first_time() -> None:
    template = step_template(("a", "b"), seed=1)
    template.filled(uuid.uuid4().bytes, 2**40, 2**40, uuid.uuid4().hex)
    producer, run_id = uuid.uuid4(), uuid.uuid4()
    request = decoded(template.filled(producer.bytes, 1, 0, run_id.hex))
    [part] = request.parts
    assert (request.producer_id, request.sequence, part.run_id) == (producer, 1, run_id)
    assert steps_of(part.points) == [0, 0]
    assert np.frombuffer(part.points.timestamps, "<i8").tolist() == [EPOCH_MS] * 2


def test_a_template_of_many_runs_has_each_of_them() -> None:
    run_ids = [uuid.uuid4() for _ in range(3)]
    template = step_template(("a", "b"), 1, [run_id.hex for run_id in run_ids])
    request = decoded(template.filled(uuid.uuid4().bytes, 1, 5))
    assert [part.run_id for part in request.parts] == run_ids
    assert {tuple(steps_of(part.points)) for part in request.parts} == {(5, 5)}
    times = np.frombuffer(request.parts[2].points.timestamps, "<i8").tolist()
    assert times == [EPOCH_MS + 5 * STEP_MS] * 2


def test_whole_runs_are_sent_from_beginning_to_end_in_order() -> None:
    contents = list(runs(5))
    requests = list(whole_run_requests("12", contents, 2))
    sent = [decoded(request.request) for request in requests]
    assert [request.sequence for request in sent] == [1, 2, 3]
    assert len({request.producer_id for request in sent}) == 1
    parts = [part for request in sent for part in request.parts]
    assert [part.params for part in parts] == [content.params for content in contents]
    assert all(part.begin and part.begin.experiment_id == 12 and part.points.points == 6 for part in parts)
    assert [content for request in requests for content in request.runs.values()] == contents


def results_of(**samples: dict[Figure, list[float]]) -> Results:
    results = Results()
    for name, figures in samples.items():
        results.outcomes["measure", name.replace("_", "-")] = Outcome(samples=figures)
    return results


def test_the_table_has_medians_and_ratios_to_mlflow() -> None:
    results = results_of(
        mlflow={RATE: [90.0, 100.0, 500.0], TIME: [50.0]},
        fasttrackml_sqlite={RATE: [300.0]},
        tracklog={RATE: [2_500.0], TIME: [5.0], NATIVE: [9_000.0]},
    )
    heading, *lines = table(results.rows()).splitlines()
    assert heading.split() == ["unit", "MLflow", "FastTrackML", "tracklog", "target"]
    assert [line.split() for line in lines] == [
        [
            "rate",
            "points/s",
            "100",
            "300",
            "(3.00x)",
            "2,500",
            "(25.0x)",
            ">=",
            "20x,",
            ">=",
            "1,000",
            "holds",
        ],
        ["time", "ms", "50.0", "-", "5.00", "(10.0x)", "<=", "10", "holds"],
        ["native", "rate", "points/s", "-", "-", "9,000", "(90.0x)", ">=", "50x", "holds"],
    ]
    assert verdict(results.rows()) == "All 3 targets measured hold."


@pytest.mark.parametrize(
    ("rate", "holds"), [(1_999.0, False), (2_000.0, True), (900.0, False)], ids=["ratio", "both", "neither"]
)
def test_a_row_holds_when_all_its_targets_do(rate: float, holds: bool) -> None:
    [row] = results_of(mlflow={RATE: [100.0]}, tracklog={RATE: [rate]}).rows()
    assert row.holds is holds


def test_without_mlflow_only_limits_are_judged() -> None:
    rows = results_of(tracklog={RATE: [1_000.0], NATIVE: [1.0]}).rows()
    assert [row.holds for row in rows] == [True, None]


def test_an_answer_other_than_mlflows_is_tracklogs_failure_and_a_remark_on_a_peers_numbers() -> None:
    results = results_of(mlflow={TIME: [1.0]}, fasttrackml_sqlite={TIME: [1.0]}, tracklog={TIME: [1.0]})
    for (_, name), outcome in results.outcomes.items():
        outcome.must_match["runs found"] = 3 if name == "mlflow" else 2
    results.compare_answers()
    assert results.failures == ["measure: runs found: MLflow says 3, tracklog 2"]
    told = table(results.rows())
    assert "1.00 [1] (1.00x)" in told
    assert told.endswith("[1] FastTrackML answers otherwise than MLflow: runs found")


def test_the_generators_share_is_noted() -> None:
    outcome = Outcome()
    load = Load(elapsed_s=2.0, generator_cpu_s=0.5)
    load.latencies_s.extend([0.001] * 99 + [0.1])
    outcome.note_load(RATE, load)
    assert outcome.generator_cpu == [0.25]
    assert outcome.notes["rate"][0]["latency_p99_ms"] == 100.0
