"""Sampling by rank and the clustering of chunks, against plain accounts of both."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tracklog_projector.series import Chunk, cluster, sample_ranks


def ntile_sample(count: int, most: int) -> list[int]:
    """Ranks by SQL's NTILE: the first of each bucket, with the last rank always there."""
    if count == 0:
        return []
    buckets: list[list[int]] = []
    begin = 0
    for bucket in range(min(most, count)):
        size = count // most + (1 if bucket < count % most else 0)
        buckets.append(list(range(begin, begin + size)))
        begin += size
    firsts = [bucket[0] for bucket in buckets]
    if firsts[-1] != count - 1:
        if len(firsts) >= most:
            firsts[-1] = count - 1
        else:
            firsts.append(count - 1)
    return firsts


@given(st.integers(0, 500), st.integers(1, 60))
def test_ranks_are_those_of_ntile(count, most):
    assert sample_ranks(count, most).tolist() == ntile_sample(count, most)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 10)), max_size=20))
def test_clusters_keep_every_chunk_follow_each_other_and_do_not_touch(ranges):
    chunks = [Chunk(i, i, low, low + width, 1) for i, (low, width) in enumerate(ranges)]
    clusters = cluster(chunks)
    assert sorted(c.chunk_id for found in clusters for c in found.chunks) == list(range(len(chunks)))
    for before, after in itertools.pairwise(clusters):
        assert before.high < after.low
    for found in clusters:
        assert found.low == min(c.low for c in found.chunks)
        assert found.high == max(c.high for c in found.chunks)
