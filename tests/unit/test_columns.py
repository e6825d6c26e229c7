"""Merged columns against a plain Python account of what they must hold."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracklog_contract.points import PointBlock, block_of
from tracklog_projector.columns import Columns, columns_of, merge, merge_with_latest, rows

int64 = st.one_of(st.integers(-3, 3), st.sampled_from([-(2**63), 2**63 - 1]))
values = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 5e-324]), st.floats(width=32)
)
points = st.tuples(st.sampled_from(["a", "b", "é", "z/1", "𝄞"]), int64, int64, values)
batches = st.lists(st.lists(points, min_size=1, max_size=12), min_size=1, max_size=6)


def as_block(batch) -> PointBlock:
    series: dict = {}
    for key, step, timestamp, value in batch:
        steps, timestamps, logged = series.setdefault(key, ([], [], []))
        steps.append(step)
        timestamps.append(timestamp)
        logged.append(value)
    return block_of(series.items())


def identity(point):
    key, step, timestamp, value = point
    return key, step, timestamp, math.isnan(value), 0.0 if math.isnan(value) else value


def in_order(point):
    key, step, timestamp, value = point
    return key, step, timestamp, 0.0 if math.isnan(value) else value, math.isnan(value)


def expected(all_batches):
    """Each distinct point once, sorted."""
    distinct: dict = {}
    for batch in all_batches:
        for point in batch:
            distinct.setdefault(identity(point), point)
    return sorted(distinct.values(), key=in_order)


def listed(columns: Columns):
    keys = [key for number, key in enumerate(columns.keys) for _ in range(np.diff(columns.starts)[number])]
    return list(
        zip(keys, columns.steps.tolist(), columns.timestamps.tolist(), columns.values.tolist(), strict=True)
    )


def same(left, right) -> bool:
    return [identity(point) for point in left] == [identity(point) for point in right]


@given(batches)
def test_merge_holds_each_point_once_and_sorted(all_batches):
    merged = merge([as_block(batch) for batch in all_batches])
    assert same(listed(merged), expected(all_batches))


@given(batches)
def test_merging_merged_parts_gives_what_merging_all_at_once_gives(all_batches):
    half = len(all_batches) // 2
    parts = [
        merge([as_block(b) for b in part]).block()
        for part in (all_batches[:half], all_batches[half:])
        if part
    ]
    assert same(listed(merge(parts)), expected(all_batches))


@given(batches)
def test_blocks_of_columns_read_back(all_batches):
    merged = merge([as_block(batch) for batch in all_batches])
    assert same(listed(columns_of(merged.block())), listed(merged))


@given(batches)
def test_latest_is_the_first_of_the_greatest_step_timestamp_value_with_nan_as_zero(all_batches):
    blocks = list(map(as_block, all_batches))
    merged, latest = merge_with_latest(blocks)
    assert same(listed(merged), listed(merge(blocks)))
    found = {key: (step, timestamp, value) for key, value, timestamp, step in rows(latest)}
    for key in {point[0] for batch in all_batches for point in batch}:
        mine = [point for batch in all_batches for point in batch if point[0] == key]
        best = max(mine, key=lambda p: (p[1], p[2], 0.0 if math.isnan(p[3]) else p[3]))
        assert identity((key, *found[key])) == identity(best)


@given(batches)
def test_latest_of_latest_points_is_latest_of_all(all_batches):
    blocks = list(map(as_block, all_batches))
    one_by_one = merge_with_latest([merge_with_latest([block])[1].block() for block in blocks])[1]
    assert same(listed(one_by_one), listed(merge_with_latest(blocks)[1]))


@pytest.mark.parametrize("batches", [[[math.nan, 0.0]], [[math.nan], [-0.0]], [[0.0, math.nan, 0.0]]])
def test_of_nan_and_zero_at_one_time_the_first_is_the_latest(batches):
    blocks = [as_block([("a", 1, 1, value) for value in values]) for values in batches]
    (latest,) = merge_with_latest(blocks)[1].values.tolist()
    assert same([("a", 1, 1, latest)], [("a", 1, 1, batches[0][0])])


def test_ranges_of_keys_are_cut_out():
    merged = merge([as_block([(key, 1, 1, 1.0) for key in "dbac"])])
    assert merged.keys == ("a", "b", "c", "d")
    assert merged.between("b", "d").keys == ("b", "c")
    assert merged.between("c", None).keys == ("c", "d")
    assert merged.between("x", None).points == 0
    assert merged.of_key("c").points == 1
    assert merged.of_key("nope").points == 0
