"""How records become a request: columns, parts and bounds."""

from array import array
from types import SimpleNamespace

import msgpack
import pytest

from tracklog import request
from tracklog.journal import Range
from tracklog.records import HEADER, PARAMS, POINTS, SERIES, STATUS, TAGS, Record
from tracklog.request import Request
from tracklog.values import column_bytes, column_of

RUN = "a" * 32
T = 1_700_000_000_000


def a_source(name="s", offset=16):
    return SimpleNamespace(name=name, number=0, offset=offset, run_id=RUN)


def some_records(*fields, start=16):
    return [Record(start + 10 * (n + 1), kind, list(rest)) for n, (kind, *rest) in enumerate(fields)]


def runs_of(*fields):
    made = Request(1000)
    made.add(a_source(), some_records(*fields))
    return msgpack.unpackb(made.body(b"p" * 16, 7))["runs"]


def test_points_of_one_key_become_columns_with_a_first_step_and_one_timestamp():
    (run,) = runs_of((POINTS, 5, T, {"a": 1.0, "b": 9.0}), (POINTS, 6, T, {"a": 2.0}))
    assert run == {
        "run_id": RUN,
        "points": {
            "keys": ["a", "b"],
            "counts": [2, 1],
            "first_steps": [5, 5],
            "timestamps": T,
            "values": column_bytes(array("d", [1, 2, 9])),
        },
    }


def test_steps_and_timestamps_are_spelled_out_when_they_must_be():
    (run,) = runs_of((POINTS, 5, T, {"a": 1.0, "b": 9.0}), (POINTS, 7, T + 1, {"a": 2.0}))
    assert column_of(run["points"]["steps"], "q") == array("q", [5, 7, 5])
    assert column_of(run["points"]["timestamps"], "q") == array("q", [T, T + 1, T])
    assert "first_steps" not in run["points"]


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        ([(3, T, [1, 2]), (5, T, [3])], [3, 4, 5]),
        ([(3, T, [1, 2]), (9, T, [3, 4])], [3, 4, 9, 10]),
        ([(array("q", [8, 6]), T, [1, 2]), (7, array("q", [1, 2]), [3, 4])], [8, 6, 7, 8]),
        ([(1, T, [5]), (array("q", [2, 4]), T, [6, 7])], [1, 2, 4]),
    ],
)
def test_series_records_join(series, expected):
    fields = [
        (
            SERIES,
            "k",
            column_bytes(steps) if isinstance(steps, array) else steps,
            column_bytes(times) if isinstance(times, array) else times,
            column_bytes(array("d", values)),
        )
        for steps, times, values in series
    ]
    (run,) = runs_of(*fields)
    points = run["points"]
    if "first_steps" in points:
        (first,) = points["first_steps"]
        steps = list(range(first, first + points["counts"][0]))
    else:
        steps = list(column_of(points["steps"], "q"))
    assert steps == expected
    assert list(column_of(points["values"], "d")) == [v for _, _, values in series for v in values]


def test_the_header_begins_the_run_and_everything_else_finds_its_place():
    begin = {"experiment_name": "e"}
    (run,) = runs_of(
        (HEADER, {"run_id": RUN, "url": None, "begin": begin}),
        (PARAMS, {"p": "1"}),
        (TAGS, {"t": "1"}),
        (TAGS, {"t": "2"}),
        (STATUS, "FAILED", 9),
    )
    assert run == {
        "run_id": RUN,
        "begin": begin,
        "params": {"p": "1"},
        "tags": {"t": "2"},
        "status": "FAILED",
        "end_time": 9,
    }


def test_what_follows_a_status_is_a_part_of_its_own():
    runs = runs_of((STATUS, "FINISHED", 1), (POINTS, 1, T, {"a": 1.0}), (STATUS, "FAILED", 2))
    assert [run.get("status") for run in runs] == ["FINISHED", "FAILED"]
    assert "points" in runs[1]


def test_a_second_value_of_a_param_is_left_for_the_server_to_refuse():
    runs = runs_of((PARAMS, {"p": "1"}), (PARAMS, {"p": "1", "q": "2"}), (PARAMS, {"p": "3"}))
    assert [run["params"] for run in runs] == [{"p": "1", "q": "2"}, {"p": "3"}]


def test_a_request_remembers_which_bytes_it_covers():
    made = Request(3)
    made.add(a_source("s"), some_records(*[(POINTS, n, T, {"a": 1.0}) for n in range(2)]))
    made.add(
        a_source("t", offset=50), some_records(*[(POINTS, n, T, {"a": 1.0}) for n in range(5)], start=50)
    )
    assert made.ranges == [Range("s", 0, 16, 36), Range("t", 0, 50, 60)]
    assert (made.records, made.points, made.is_full) == (3, 3, True)
    made.add(a_source("u"), some_records((POINTS, 1, T, {"a": 1.0})))
    assert len(made.ranges) == 2


@pytest.mark.parametrize("limit", ["POINTS_MAX", "ITEMS_MAX", "BYTES_MAX", "PARTS_MAX"])
def test_a_request_is_full_at_every_bound(limit, monkeypatch):
    monkeypatch.setattr(request, limit, {"BYTES_MAX": 30}.get(limit, 3))
    made = Request(1000)
    for number in range(10):
        made.add(a_source(f"s{number}"), some_records((POINTS, 1, T, {"a": 1.0})))
    assert made.is_full
    assert len(made.ranges) == 3


def test_refused_data_is_at_hand_to_be_kept():
    made = Request(1000)
    made.add(
        a_source(),
        some_records(
            (PARAMS, {"p": "1"}), (TAGS, {"t": "2"}), *[(POINTS, n, T, {"a": n / 2}) for n in range(5)]
        ),
    )
    (part,) = made.parts
    assert part.data_of("param", "p", 0) == {"value": "1"}
    assert part.data_of("tag", "t", 0) == {"value": "2"}
    assert part.data_of("series", "a", 2) == {"steps": [3, 4], "timestamps": [T, T], "values": [1.5, 2.0]}
    everything = part.data_of("run", "", 5)
    assert everything["series"]["a"]["values"] == [0, 0.5, 1, 1.5, 2]
    assert (everything["params"], everything["tags"]) == ({"p": "1"}, {"t": "2"})
