"""The bytes of every event type and version stay what they were when first written to a log."""

import dataclasses
import math

import msgpack
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.conformance.event_samples import GOLDEN, INT64_MAX, INT64_MIN, SAMPLES, golden_file
from tracklog_contract import codec
from tracklog_contract.errors import Corrupt
from tracklog_contract.event_types import ALL_EVENT_TYPES, EVENT_TYPE_BY_KIND
from tracklog_contract.events import (
    DatasetUse,
    MetricLink,
    ModelUse,
    RunInputsLogged,
    RunLogged,
    RunOutputsLogged,
)
from tracklog_contract.points import block_of

# Kinds are in every log row. A number given to an event stays its number for ever.
KINDS = {
    "ExperimentCreated": 1, "ExperimentRenamed": 2, "ExperimentDeleted": 3, "ExperimentRestored": 4,
    "ExperimentTagSet": 5, "ExperimentTagDeleted": 6, "RunCreated": 10, "RunUpdated": 11, "RunDeleted": 12,
    "RunRestored": 13, "RunLogged": 14, "RunTagDeleted": 15, "RunInputsLogged": 16, "RunOutputsLogged": 17,
    "RunModelRecorded": 18, "LoggedModelCreated": 20, "LoggedModelFinalized": 21, "LoggedModelChanged": 22,
    "LoggedModelTagDeleted": 23, "LoggedModelDeleted": 24,
    "TraceStarted": 30, "SpansRecorded": 31, "TraceEnded": 32, "TraceTagSet": 33, "TraceTagDeleted": 34,
    "PrincipalCreated": 50, "PrincipalChanged": 51, "PrincipalDeleted": 52, "TokenCreated": 53,
    "TokenRevoked": 54, "TeamSet": 55, "TeamDeleted": 56, "MemberSet": 57, "PermissionSet": 58,
    "WorkspaceSet": 59, "WorkspaceDeleted": 60, "SessionStarted": 61,
    "QuotaSet": 70, "QuotaNearlyUsed": 71,
    "TracesDeleted": 35, "AssessmentSet": 36, "AssessmentDeleted": 37, "TracesLinked": 38,
    "ArtifactsStored": 40, "ArtifactsRemoved": 41, "PointsFreed": 0, "RunPurged": 42, "LoggedModelPurged": 43,
    "ExperimentPurged": 44,
}  # fmt: skip


def test_every_event_type_and_version_has_golden_bytes():
    pinned = {(event.kind, event.version) for name, event in SAMPLES.items() if golden_file(name).exists()}
    assert pinned == set(EVENT_TYPE_BY_KIND)


def test_every_golden_file_has_its_sample():
    assert {path.name for path in GOLDEN.glob("*.bin")} == {golden_file(name).name for name in SAMPLES}


def test_kinds_keep_their_numbers():
    assert {event.__name__: event.kind for event in ALL_EVENT_TYPES} == KINDS


@pytest.mark.parametrize("name", SAMPLES)
def test_golden_bytes_are_read_as_the_sample(name):
    event = SAMPLES[name]
    assert codec.decode(event.kind, event.version, golden_file(name).read_bytes()) == event


@pytest.mark.parametrize("name", SAMPLES)
def test_the_sample_is_written_as_the_golden_bytes(name):
    written, golden = codec.encode(SAMPLES[name]), golden_file(name).read_bytes()
    assert written[0] == golden[0]
    if golden[0] == codec.PLAIN:
        assert written == golden
    else:
        # The compressor's bytes may change with its version; what it compresses may not.
        assert unzipped(written) == unzipped(golden)


def test_both_forms_of_payload_are_pinned():
    assert {golden_file(name).read_bytes()[0] for name in SAMPLES} == {codec.PLAIN, codec.PACKED}


def test_an_unknown_kind_or_version_is_skipped_not_refused():
    payload = codec.encode(SAMPLES["run_restored.1"])
    assert codec.decode(9999, 1, payload) is None
    assert codec.decode(13, 2, payload) is None


def test_fields_of_a_later_version_are_ignored():
    event = SAMPLES["experiment_renamed.1"]
    later = bytes((codec.PLAIN,)) + msgpack.packb({**event.pack(), "reason": "typo"})
    assert codec.decode(event.kind, event.version, later) == event


def unzipped(payload):
    return zstandard.ZstdDecompressor().decompress(payload[1:])


int64s = st.integers(INT64_MIN, INT64_MAX) | st.sampled_from([INT64_MIN, INT64_MAX, -1, 0, 1])
doubles = st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True)
points = st.lists(st.tuples(int64s, st.integers(0, INT64_MAX), doubles), max_size=80)
series = st.lists(st.tuples(st.text(max_size=12), points), max_size=6)
maps = st.dictionaries(st.text(max_size=8), st.text(max_size=200), max_size=4)
optional_text = st.none() | st.text(max_size=8)
links = st.lists(
    st.builds(MetricLink, st.integers(0, 5), optional_text, optional_text, optional_text), max_size=3
)
datasets = st.builds(
    DatasetUse, st.text(), st.text(), st.text(), st.text(max_size=900), optional_text, optional_text, maps
)


def block(named):
    return block_of((key, tuple(map(list, zip(*rows, strict=True))) or ([], [], [])) for key, rows in named)


@given(series, maps, maps, links)
def test_any_batch_survives_its_bytes(named, params, tags, its_links):
    event = RunLogged(block(named), params, tags, tuple(its_links))
    decoded = codec.decode(RunLogged.kind, RunLogged.version, codec.encode(event))
    assert decoded == event


@given(st.lists(int64s, min_size=1, max_size=300), doubles)
def test_columns_survive_their_filters_bit_for_bit(column, value):
    event = RunLogged(block([("k", [(item, INT64_MAX, value) for item in column])]))
    points = codec.decode(RunLogged.kind, RunLogged.version, codec.encode(event)).points
    assert dataclasses.astuple(points) == dataclasses.astuple(event.points)
    columns = (points.steps, points.timestamps, points.values)
    assert codec.unfiltered(*codec.filtered(*columns)) == columns


@given(
    st.lists(datasets, max_size=3), st.lists(st.builds(ModelUse, st.text(), st.none() | int64s), max_size=3)
)
def test_any_inputs_and_outputs_survive_their_bytes(uses, models):
    for event in (RunInputsLogged(tuple(uses), tuple(models)), RunOutputsLogged(tuple(models))):
        assert codec.decode(event.kind, event.version, codec.encode(event)) == event


def test_minus_zero_and_nan_keep_their_bits():
    named = [("k", [(0, 0, -0.0), (0, 0, math.nan)])]
    decoded = codec.decode(RunLogged.kind, 1, codec.encode(RunLogged(block(named))))
    assert decoded.points.values == bytes.fromhex("0000000000000080000000000000f87f")


msgpack_values = st.recursive(
    st.none() | int64s | st.text(max_size=5) | st.binary(max_size=16),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(["points", "params", "links", "datasets", "models"]), inner, max_size=3
        )
    ),
    max_leaves=10,
)
bodies = msgpack_values.map(msgpack.packb)
payloads = st.one_of(
    st.binary(max_size=40),
    bodies.map(lambda body: bytes((codec.PLAIN,)) + body),
    bodies.map(lambda body: bytes((codec.PACKED,)) + zstandard.ZstdCompressor().compress(body)),
)


@given(st.sampled_from(sorted(EVENT_TYPE_BY_KIND)), payloads)
def test_bytes_of_another_make_are_corrupt_or_an_event(kind_and_version, payload):
    try:
        event = codec.decode(*kind_and_version, payload)
    except Corrupt:
        return
    assert type(event) is EVENT_TYPE_BY_KIND[kind_and_version]
