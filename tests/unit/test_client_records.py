"""Records of the spool: framed, read back, and recognised for what they are when cut or damaged."""

import msgpack
import pytest

from tracklog import records
from tracklog.records import DATA_START, POINTS, STATUS, TAGS, frame, scan

RECORDS = [
    [POINTS, 0, 1_700_000_000_000, {"loss": 0.5, "acc": float("inf")}],
    [TAGS, {"ключ": "значение"}],
    [STATUS, "FINISHED", 5],
]
FRAMED = [frame(msgpack.packb(record)) for record in RECORDS]
DATA = b"".join(FRAMED)
ENDS = [sum(map(len, FRAMED[:count])) for count in range(len(FRAMED) + 1)]


def test_records_are_read_back_with_where_they_end():
    found = scan(DATA, 100)
    assert [[record.kind, *record.fields] for record in found.records] == RECORDS
    assert [record.end for record in found.records] == [100 + end for end in ENDS[1:]]
    assert (found.end, found.rest) == (100 + len(DATA), "")


@pytest.mark.parametrize("size", range(len(DATA)))
def test_a_last_record_cut_at_any_byte_is_recognised(size):
    found = scan(DATA[:size], 0)
    whole = max(count for count, end in enumerate(ENDS) if end <= size)
    assert [[record.kind, *record.fields] for record in found.records] == RECORDS[:whole]
    assert found.end == ENDS[whole]
    assert found.rest == ("" if size in ENDS else "short")


@pytest.mark.parametrize("at", range(ENDS[1], ENDS[2]))
def test_a_changed_byte_is_never_read_as_a_record(at):
    damaged = bytearray(DATA)
    damaged[at] ^= 0x55
    found = scan(bytes(damaged), 0)
    assert [[record.kind, *record.fields] for record in found.records] == RECORDS[:1]
    assert (found.end, found.rest in ("short", "broken")) == (ENDS[1], True)


def test_zeros_as_a_power_cut_leaves_them_are_no_records():
    # The checksum of nothing is 0: a length of 0 must not count as a record.
    found = scan(DATA + bytes(64), 0)
    assert (len(found.records), found.end, found.rest) == (len(RECORDS), len(DATA), "broken")


def test_a_segment_says_how_far_it_is_acknowledged():
    assert records.acknowledged(records.preamble()) == DATA_START
    assert records.acknowledged(records.preamble(123)) == 123
    assert records.acknowledged(b"not a segment at all") == records.acknowledged(b"") == 0
