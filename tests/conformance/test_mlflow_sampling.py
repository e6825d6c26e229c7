"""Charts ask for samples of long series: the points that MLflow's own SQL picks, with SQLite as the judge."""

import random
import sqlite3

import pytest

from tests.conformance.refusals import INVALID

INTERVAL = "metrics/get-history-bulk-interval"
COUNTS = [1, 2, 3, 11, 12, 100, 101, 2499, 2500, 2501, 7919, 10_000]
LIMITS = [1, 2, 3, 4, 7, 10, 99, 100, 101, 1000, 2499, 2500]
# The first point of each of `most` equal buckets, and the last point, which MLflow always shows; it shows
# `most` points, so the last bucket's first one gives way to it.
SAMPLE = """
with ranked as (
    select step, timestamp, value, ntile(:most) over by_step as bucket, row_number() over by_step as number
    from point where step between :start and :end
    window by_step as (order by step, timestamp, value)
),
first as (select bucket, min(number) as number from ranked group by bucket)
select step, timestamp, value from ranked
where number in (select number from first where bucket < :most) or number = (select max(number) from ranked)
order by number
"""


def expected(points, most, start=-(2**63), end=2**63 - 1):
    """What to answer of (step, timestamp, value) points."""
    with sqlite3.connect(":memory:") as judge:
        judge.execute("create table point (step integer, timestamp integer, value real)")
        judge.executemany("insert into point values (?, ?, ?)", set(points))
        return judge.execute(SAMPLE, {"most": most, "start": start, "end": end}).fetchall()


def sampled(api, run_id, most, **interval):
    fields = {"run_ids": [run_id], "metric_key": "m", "max_results": most, **interval}
    points = api.get(INTERVAL, fields).get("metrics", [])
    assert {(point["run_id"], point["key"]) for point in points} <= {(run_id, "m")}
    return [(point["step"], point["timestamp"], point["value"]) for point in points]


def log(api, run_id, points):
    for begin in range(0, len(points), 1000):
        batch = [
            {"key": "m", "step": step, "timestamp": timestamp, "value": value}
            for step, timestamp, value in points[begin : begin + 1000]
        ]
        api.post("runs/log-batch", {"run_id": run_id, "metrics": batch})


@pytest.mark.parametrize("count", COUNTS)
def test_a_series_is_sampled_as_ntile_does(api, run_id, count):
    points = [(step, 1000 + step, step * 0.5) for step in range(count)]
    log(api, run_id, points)
    for most in LIMITS:
        assert sampled(api, run_id, most) == expected(points, most), most


@pytest.mark.parametrize("seed", range(6))
def test_any_series_is_sampled_as_ntile_does(api, run_id, seed):
    numbers = random.Random(seed)
    steps, times = numbers.choice([(5, 3), (400, 2), (10**6, 10**6)])
    count = numbers.choice([10, 300, 3000])
    points = [
        (numbers.randint(-steps, steps), numbers.randint(0, times), float(numbers.randint(0, 9)))
        for _ in range(count)
    ]
    log(api, run_id, points + points[: count // 3])
    for _ in range(20):
        most = numbers.choice([*LIMITS, numbers.randint(1, 2500)])
        low, high = sorted((numbers.randint(-steps, steps), numbers.randint(-steps, steps)))
        answer = sampled(api, run_id, most, start_step=low, end_step=high)
        assert answer == expected(points, most, low, high), (most, low, high)
        assert sampled(api, run_id, most) == expected(points, most), most


def test_several_runs_are_sampled_one_after_the_other(api, client, experiment):
    runs = [client.create_run(experiment).info.run_id for _ in range(3)]
    for run_id in runs[:2]:
        log(api, run_id, [(step, 0, 0.0) for step in range(12)])
    asked = [runs[1], "f" * 32, runs[0], runs[2]]
    points = api.get(INTERVAL, {"run_ids": asked, "metric_key": "m", "max_results": 4})["metrics"]
    assert [(point["run_id"], point["step"]) for point in points] == [
        (run_id, step) for run_id in (runs[1], runs[0]) for step in (0, 3, 6, 11)
    ]


def test_an_interval_without_points_is_empty(api, run_id):
    log(api, run_id, [(5, 0, 1.0)])
    assert sampled(api, run_id, 10, start_step=6, end_step=9) == []
    assert sampled(api, run_id, 10, start_step=5, end_step=5) == [(5, 0, 1.0)]
    assert api.get(INTERVAL, {"run_ids": [run_id], "metric_key": "other"}) == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"start_step": 1},
        {"end_step": 1},
        {"start_step": 2, "end_step": 1},
        {"max_results": 0},
        {"max_results": 2501},
        {"max_results": "many"},
        {"run_ids": []},
        {"run_ids": ["f" * 32] * 101},
        {"metric_key": ""},
    ],
    ids=lambda fields: repr(fields)[:30],
)
def test_a_sample_asked_for_wrongly_is_refused(api, run_id, fields):
    answer = api.call("GET", INTERVAL, {"run_ids": [run_id], "metric_key": "m", **fields})
    assert (answer.status, answer.error_code) == (400, INVALID)


def test_whole_histories_of_several_runs(api, client, experiment):
    runs = [client.create_run(experiment).info.run_id for _ in range(2)]
    for run_id in runs:
        log(api, run_id, [(step, 10 - step, 0.0) for step in range(5)])
    fields = {"run_id": runs, "metric_key": "m", "max_results": 8}
    points = api.get("/ajax-api/2.0/mlflow/metrics/get-history-bulk", fields)["metrics"]
    by_time = [(run_id, step) for run_id in sorted(runs) for step in (4, 3, 2, 1, 0)]
    assert [(point["run_id"], point["step"]) for point in points] == by_time[:8]
