"""How columns are cut and packed into chunks, and when chunks are merged."""

import math

import msgpack
import numpy as np
import pytest
import zstandard

from tracklog_contract.errors import Corrupt
from tracklog_contract.points import block_of
from tracklog_projector.chunks import (
    CHUNK_POINTS,
    SEALED_POINTS_MIN,
    SUMMARY_BUCKET_POINTS,
    cut,
    pack,
    summarise,
    unpack,
)
from tracklog_projector.columns import merge
from tracklog_projector.compact import (
    BATCHES_PER_LEVEL,
    QUIET_RATIO,
    SLICE_POINTS_MAX,
    OpenChunk,
    due,
    slices,
)


def series(lengths: dict[str, int]):
    return merge(
        [
            block_of(
                (key, (list(range(n)), [1000 + i for i in range(n)], [float(i) for i in range(n)]))
                for key, n in lengths.items()
            )
        ]
    )


def test_short_series_share_a_piece_and_long_ones_are_sealed_in_pieces_of_their_own():
    pieces = list(cut(series({"a": 10, "b": 3 * CHUNK_POINTS + 1, "c": 20, "d": 30})))
    assert [(piece.columns.keys, piece.sealed) for piece in pieces] == [
        (("a",), False),
        (("b",), True),
        (("b",), True),
        (("b",), True),
        (("b",), True),
        (("c", "d"), False),
    ]
    assert sum(piece.columns.points for piece in pieces) == 3 * CHUNK_POINTS + 61


@pytest.mark.parametrize("points", [SEALED_POINTS_MIN, CHUNK_POINTS, CHUNK_POINTS + 1, 5 * CHUNK_POINTS - 1])
def test_sealed_pieces_are_neither_too_small_nor_too_large(points):
    sizes = [piece.columns.points for piece in cut(series({"k": points}))]
    assert sum(sizes) == points
    assert all(SEALED_POINTS_MIN <= size <= CHUNK_POINTS for size in sizes)


def test_many_keys_of_one_point_each_share_few_pieces():
    pieces = list(cut(series({f"k{i:05}": 1 for i in range(40_000)})))
    assert len(pieces) == math.ceil(40_000 / CHUNK_POINTS)
    assert sum(len(piece.columns.keys) for piece in pieces) == 40_000


def test_a_packed_chunk_reads_back():
    columns = series({"a": 5, "b": 7})
    again = unpack(pack(columns.block()))
    assert again.keys == ("a", "b")
    assert again.steps.tolist() == columns.steps.tolist()
    assert again.values.tolist() == columns.values.tolist()


@pytest.mark.parametrize(
    "payload",
    [b"", b"junk", zstandard.compress(b"junk"), zstandard.compress(b"\x93\x91\xa1a\x91\x02\xc4\x00")],
)
def test_a_damaged_chunk_is_corrupt(payload):
    with pytest.raises(Corrupt):
        unpack(payload)


def test_a_summary_keeps_every_spike_and_skips_nan():
    columns = series({"k": 2 * SUMMARY_BUCKET_POINTS + 3})
    values = columns.values.copy()
    values[5], values[6], values[-3:] = 1e9, math.nan, math.nan
    packed = msgpack.unpackb(
        zstandard.decompress(
            summarise(type(columns)(columns.keys, columns.starts, columns.steps, columns.timestamps, values))
        )
    )
    counts, steps = (np.frombuffer(column, "<i8") for column in packed[:2])
    least, greatest, first, last = (np.frombuffer(column, "<f8") for column in packed[2:])
    assert counts.tolist() == [SUMMARY_BUCKET_POINTS, SUMMARY_BUCKET_POINTS, 3]
    assert steps.tolist() == [0, SUMMARY_BUCKET_POINTS, 2 * SUMMARY_BUCKET_POINTS]
    assert greatest[0] == 1e9
    assert least[0] == 0.0
    assert first[1] == SUMMARY_BUCKET_POINTS
    assert last[1] == 2 * SUMMARY_BUCKET_POINTS - 1
    assert math.isnan(least[2])
    assert math.isnan(greatest[2])


def chunk(number: int, level: int = 0, keys: tuple[str, str] = ("a", "z"), points: int = 10) -> OpenChunk:
    return OpenChunk(number, number, level, *keys, points, 100)


def test_a_level_is_due_when_it_is_full():
    almost = [chunk(number) for number in range(BATCHES_PER_LEVEL - 1)]
    assert due(almost, quiet=False) == []
    full = [*almost, chunk(BATCHES_PER_LEVEL)]
    older = chunk(-1, level=1)
    assert due([older, *full], quiet=False) == full


def test_a_quiet_run_is_merged_as_far_back_as_batches_are_not_much_larger_than_what_follows():
    assert due([], quiet=True) == []
    assert due([chunk(1)], quiet=True) == []
    assert due([chunk(1, points=10 * QUIET_RATIO + 1), chunk(2, points=10)], quiet=True) == []
    both = [chunk(1, points=10 * QUIET_RATIO), chunk(2, points=10)]
    assert due(both, quiet=True) == both
    large = chunk(1, points=20 * QUIET_RATIO + 1)
    small = [chunk(2, points=5), chunk(3, points=5), chunk(4, points=10)]
    assert due([large, *small], quiet=True) == small
    # A small last batch does not keep those before it apart.
    several = [chunk(number, points=50 * QUIET_RATIO) for number in range(2, 12)]
    assert due([*several, chunk(12, points=1)], quiet=True) == [*several, chunk(12, points=1)]


def test_a_run_that_logs_now_and_then_is_not_rewritten_each_time():
    sizes: list[int] = []
    rewritten = 0
    for _ in range(1024):
        sizes.append(1)
        chosen = due([chunk(number, points=size) for number, size in enumerate(sizes)], quiet=True)
        if chosen:
            merged = sum(one.points for one in chosen)
            rewritten += merged
            sizes[len(sizes) - len(chosen) :] = [merged]
        assert len(sizes) <= 5
    assert rewritten <= 1024 * 20


def test_slices_cover_all_keys_once_and_bound_the_points_at_once():
    half = SLICE_POINTS_MAX // 2
    chunks = [chunk(i, keys=(key, key + "~"), points=half) for i, key in enumerate("dbcae")]
    found = list(slices(chunks))
    assert [(low, high) for low, high, _ in found] == [("a", "c"), ("c", "e"), ("e", None)]
    assert [[c.first_key for c in overlapping] for _, _, overlapping in found] == [
        ["b", "a"],
        ["d", "c"],
        ["e"],
    ]


def test_chunks_over_the_same_keys_are_one_slice_however_large():
    chunks = [chunk(i, points=SLICE_POINTS_MAX) for i in range(3)]
    assert [(low, high, len(parts)) for low, high, parts in slices(chunks)] == [("a", None, 3)]
