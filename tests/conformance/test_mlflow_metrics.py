"""Metric points come back exactly: every integer and double, once each, in MLflow's order."""

import math
import random
import struct

import mlflow
import pytest
from mlflow.entities import Metric

from tests.conformance.refusals import INVALID

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
DOUBLES = [
    0.1 + 0.2,
    -0.0,
    5e-324,
    -2.2250738585072011e-308,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    -1.7976931348623157e308,
    9007199254740993.0,
    1 / 3,
    math.inf,
    -math.inf,
    math.nan,
]
# (value, timestamp, step), and the value that is then the latest: by step, then time, then value; NaN as 0.
LATEST = [
    (1.0, 5, 2, 1.0),
    (2.0, 9, 1, 1.0),
    (3.0, 4, 2, 1.0),
    (7.0, 5, 2, 7.0),
    (6.0, 5, 2, 7.0),
    (math.nan, 5, 2, 7.0),
    (-1.0, 6, 2, -1.0),
    (math.nan, 6, 2, math.nan),
    (-2.0, 6, 2, math.nan),
    (0.5, 6, 2, 0.5),
    (-math.inf, 0, INT64_MAX, -math.inf),
    (math.inf, 0, INT64_MAX, math.inf),
    (8.0, INT64_MAX, INT64_MAX - 1, math.inf),
]


def bits(value):
    """A double's bits, with which NaN is itself and -0.0 is not 0.0."""
    return struct.pack("<d", value)


def points_of(history):
    return [(bits(point.value), point.timestamp, point.step) for point in history]


@pytest.mark.parametrize("value", DOUBLES, ids=repr)
def test_a_double_comes_back_bit_for_bit(client, experiment, run_id, value):
    client.log_metric(run_id, "single", value, timestamp=1)
    client.log_batch(run_id, [Metric("batch", value, 1, 0)])
    for key in ("single", "batch"):
        assert points_of(client.get_metric_history(run_id, key)) == [(bits(value), 1, 0)]
        assert bits(client.get_run(run_id).data.metrics[key]) == bits(value)
        (found,) = client.search_runs([experiment])
        assert bits(found.data.metrics[key]) == bits(value)


def test_int64_extremes_come_back_exactly(client, run_id):
    logged = [
        (1.0, timestamp, step)
        for timestamp in (0, 1, 2**53 + 1, INT64_MAX)
        for step in (INT64_MIN, -(2**53) - 1, -1, 0, 2**53 + 1, INT64_MAX)
    ]
    client.log_batch(run_id, [Metric("m", *point) for point in logged[::2]])
    for value, timestamp, step in logged[1::2]:
        client.log_metric(run_id, "m", value, timestamp=timestamp, step=step)
    by_time = sorted((bits(v), t, s) for v, t, s in logged)
    assert points_of(client.get_metric_history(run_id, "m")) == sorted(by_time, key=lambda p: (p[1], p[2]))


@pytest.mark.parametrize("one_batch", [True, False], ids=["one batch", "one by one"])
def test_the_latest_point_has_the_greatest_step_then_time_then_value(client, run_id, one_batch):
    latest = []
    for count, (value, timestamp, step, _) in enumerate(LATEST, 1):
        if one_batch:
            points = [Metric(f"m{count}", *point[:3]) for point in LATEST[:count]]
            client.log_batch(run_id, points)
            latest.append(client.get_run(run_id).data.metrics[f"m{count}"])
        else:
            client.log_metric(run_id, "m", value, timestamp=timestamp, step=step)
            latest.append(client.get_run(run_id).data.metrics["m"])
    assert [bits(value) for value in latest] == [bits(expected) for *_, expected in LATEST]


def test_searches_see_the_latest_value(client, experiment, run_id):
    for value, step in ((1.0, 1), (5.0, 3), (9.0, 2)):
        client.log_metric(run_id, "m", value, step=step)
    for condition, found in (("= 5", 1), ("> 5", 0), ("= 9", 0), ("!= 9", 1)):
        assert len(client.search_runs([experiment], f"metrics.m {condition}")) == found


def test_history_is_sorted_by_time_then_step_then_value(client, run_id):
    for value, timestamp, step, _ in LATEST:
        client.log_metric(run_id, "m", value, timestamp=timestamp, step=step)
    as_zero = lambda value: 0.0 if math.isnan(value) else value  # noqa: E731 - MLflow stores NaN as 0 and a flag
    expected = sorted((t, s, as_zero(v), math.isnan(v)) for v, t, s, _ in LATEST)
    history = client.get_metric_history(run_id, "m")
    assert [(p.timestamp, p.step, as_zero(p.value), math.isnan(p.value)) for p in history] == expected


def test_a_point_sent_again_is_read_once(client, run_id):
    batch = [Metric("m", value, 3, 4) for value in DOUBLES]
    for _ in range(3):
        client.log_batch(run_id, batch + batch)
        client.log_metric(run_id, "m", math.nan, timestamp=3, step=4)
        # Equal to the -0.0 that came first, so it stays that one.
        client.log_metric(run_id, "m", 0.0, timestamp=3, step=4)
    values = [bits(point.value) for point in client.get_metric_history(run_id, "m")]
    assert sorted(values) == sorted(map(bits, DOUBLES))


def test_the_order_in_which_points_came_does_not_matter(client, run_id):
    numbers = random.Random(7)
    points = [(numbers.uniform(-1, 1), numbers.randrange(5), numbers.randrange(40)) for _ in range(400)]
    logged = points + numbers.sample(points, 200)
    numbers.shuffle(logged)
    for begin in range(0, len(logged), 60):
        client.log_batch(run_id, [Metric("m", *point) for point in logged[begin : begin + 60]])
    expected = sorted({(t, s, v) for v, t, s in points})
    history = client.get_metric_history(run_id, "m")
    assert [(point.timestamp, point.step, point.value) for point in history] == expected
    last = max((s, t, v) for v, t, s in points)
    assert client.get_run(run_id).data.metrics["m"] == last[2]


def test_a_long_history_is_read_in_pages(api, client, run_id):
    for begin in range(0, 26_000, 1000):
        batch = [
            {"key": "m", "value": step % 97, "timestamp": step // 3, "step": step}
            for step in range(begin, begin + 1000)
        ]
        api.post("runs/log-batch", {"run_id": run_id, "metrics": batch})
    # The client asks for 25,000 at a time.
    assert [point.step for point in client.get_metric_history(run_id, "m")] == list(range(26_000))

    steps, token = [], ""
    while True:
        fields = {"run_id": run_id, "metric_key": "m", "max_results": 1777, "page_token": token}
        page = api.get("metrics/get-history", fields)
        assert len(page["metrics"]) == min(1777, 26_000 - len(steps))
        steps += [point["step"] for point in page["metrics"]]
        if not (token := page.get("next_page_token", "")):
            break
    assert steps == list(range(26_000))


def test_keys_are_told_apart(client, run_id):
    keys = ["m", "M", "m ", " m", "m.1", "m-1", "a/b", "é", "x" * 250, "损失"]
    client.log_batch(run_id, [Metric(key, number, 0, 0) for number, key in enumerate(keys)])
    assert client.get_run(run_id).data.metrics == {key: float(n) for n, key in enumerate(keys)}
    for number, key in enumerate(keys):
        assert [point.value for point in client.get_metric_history(run_id, key)] == [number]


@pytest.mark.parametrize("timestamp", [-1, INT64_MAX + 1, INT64_MIN])
def test_a_time_before_1970_or_beyond_64_bits_is_refused(api, client, run_id, timestamp):
    point = {"key": "m", "value": 1, "timestamp": timestamp}
    assert api.call("POST", "runs/log-metric", {"run_id": run_id, **point}).error_code == INVALID
    assert api.call("POST", "runs/log-batch", {"run_id": run_id, "metrics": [point]}).error_code == INVALID
    assert client.get_run(run_id).data.metrics == {}


@pytest.mark.parametrize("step", [INT64_MAX + 1, INT64_MIN - 1, 0.5])
def test_a_step_beyond_64_bits_or_between_numbers_is_refused(api, client, run_id, step):
    point = {"key": "m", "value": 1, "timestamp": 1, "step": step}
    assert api.call("POST", "runs/log-metric", {"run_id": run_id, **point}).error_code == INVALID
    assert api.call("POST", "runs/log-batch", {"run_id": run_id, "metrics": [point]}).error_code == INVALID
    assert client.get_run(run_id).data.metrics == {}


def test_a_bulk_history_tells_a_run_that_is_named_twice_once(api, client, run_id):
    client.log_metric(run_id, "m", 1.5, timestamp=7)
    mlflow.flush_async_logging()
    path = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
    points = api.get(path, {"run_id": [run_id, run_id], "metric_key": "m"})["metrics"]
    assert [(point["run_id"], point["value"]) for point in points] == [(run_id, 1.5)]
