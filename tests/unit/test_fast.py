"""The fast decoders may only accept what the complete one accepts, with the same outcome."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from tracklog_contract import messages as m
from tracklog_contract import validate
from tracklog_contract.errors import Rejected
from tracklog_contract.protojson import decode_body
from tracklog_ingest import fast
from tracklog_ingest.requests import log_batch_command, log_metric_command
from tracklog_ingest.runs import LogToRun

RUN = "0123456789abcdef0123456789abcdef"

keys = st.sampled_from(["a", "b/c", "é", "", "a#", "../a", "k" * 251, "x" * 250, "a\0", 5, None])
numbers = st.one_of(
    st.integers(-5, 5),
    st.sampled_from(
        [
            2**63 - 1,
            2**63,
            -(2**63),
            -(2**63) - 1,
            1.5,
            1.0,
            1e300,
            "7",
            "NaN",
            "Infinity",
            "-Infinity",
            "nan",
            "x",
            True,
            None,
            10**400,
        ]
    ),
    st.floats(allow_nan=False, allow_infinity=False),
)
texts = st.sampled_from(["", "v", "é", "\0", "v" * 9000, 1, None])
metrics = st.fixed_dictionaries(
    {"key": keys, "value": numbers, "timestamp": numbers},
    optional={"step": numbers, "model_id": st.just("m-1"), "junk": st.just(1), "dataset_name": st.just("d")},
)
pairs = st.fixed_dictionaries({"key": keys}, optional={"value": texts})
run_ids = st.sampled_from([RUN, "nope", "a b", "", 3])


def outcome(make):
    """A command as something comparable, "rejected", or None for a fast decoder that does not know."""
    try:
        command = make()
    except Rejected:
        return "rejected"
    return command and described(command)


def described(command: LogToRun):
    points = command.points
    return (
        command.run_id,
        points.keys,
        points.counts,
        points.steps,
        points.timestamps,
        points.values,
        dict(command.params),
        dict(command.tags),
        command.links,
        command.single,
    )


def agree(body: object, fast_decoder, complete) -> None:
    raw = json.dumps(body).encode()
    quick = outcome(lambda: fast_decoder(raw))
    if quick is not None:
        assert quick == outcome(lambda: complete(raw))


def complete_log_batch(raw: bytes) -> LogToRun:
    return log_batch_command(decode_body(m.LOG_BATCH, raw, "application/json"))


def complete_log_metric(raw: bytes) -> LogToRun:
    return log_metric_command(decode_body(m.LOG_METRIC, raw, "application/json"))


def complete_log_parameter(raw: bytes) -> LogToRun:
    fields = decode_body(m.LOG_PARAMETER, raw, "application/json")
    return LogToRun(
        fields["run_id"], params={fields["key"]: validate.param(fields["key"], fields["value"])}, single=True
    )


def complete_set_tag(raw: bytes) -> LogToRun:
    fields = decode_body(m.SET_TAG, raw, "application/json")
    return LogToRun(fields["run_id"], tags={fields["key"]: validate.tag(fields["key"], fields["value"])})


@given(
    st.fixed_dictionaries(
        {"run_id": run_ids},
        optional={
            "metrics": st.lists(metrics, max_size=4),
            "params": st.lists(pairs, max_size=3),
            "tags": st.lists(pairs, max_size=3),
            "run_uuid": run_ids,
        },
    )
)
def test_log_batch(body):
    agree(body, fast.log_batch, complete_log_batch)


@given(
    st.fixed_dictionaries(
        {"run_id": run_ids, "key": keys, "value": numbers, "timestamp": numbers},
        optional={"step": numbers, "run_uuid": run_ids, "model_id": st.just("m")},
    )
)
def test_log_metric(body):
    agree(body, fast.log_metric, complete_log_metric)


@given(
    st.fixed_dictionaries({"run_id": run_ids, "key": keys}, optional={"value": texts, "run_uuid": run_ids})
)
def test_log_parameter_and_set_tag(body):
    agree(body, fast.log_parameter, complete_log_parameter)
    agree(body, fast.set_tag, complete_set_tag)


def test_the_common_form_is_taken_by_the_fast_decoder():
    body = {
        "run_id": RUN,
        "metrics": [
            {"key": "a", "value": 1, "timestamp": 2, "step": 3},
            {"key": "b", "value": "NaN", "timestamp": 2},
            {"key": "a", "value": 1.5, "timestamp": 5, "step": 4},
        ],
        "params": [{"key": "p", "value": "1"}],
        "tags": [{"key": "t", "value": "1"}, {"key": "t", "value": "2"}],
    }
    command = fast.log_batch(json.dumps(body).encode())
    assert command is not None
    assert command.points.keys == ("a", "b")
    assert command.points.counts == (2, 1)
    assert command.tags == {"t": "2"}


def test_too_many_metrics_are_left_to_the_complete_decoder():
    body = {"run_id": RUN, "metrics": [{"key": "a", "value": math.pi, "timestamp": 1}] * 1001}
    assert fast.log_batch(json.dumps(body).encode()) is None
