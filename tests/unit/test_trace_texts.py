"""Times, tokens and costs of traces are read and written as MLflow does."""

import pytest

from tracklog_contract.trace_keys import COST, TOKEN_USAGE
from tracklog_contract.trace_usage import Node, canonical, merged, total
from tracklog_contract.well_known import (
    TIMESTAMP_MS_MAX,
    TIMESTAMP_MS_MIN,
    duration_text,
    read_duration,
    read_timestamp,
    timestamp_text,
)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2024-02-29T12:00:00.5Z", 1_709_208_000_500),
        ("2024-02-29T12:00:00.123999999Z", 1_709_208_000_123),
        ("2024-02-29T14:30:00.000+02:30", 1_709_208_000_000),
        ("1969-12-31T23:59:59.999Z", -1),
        ("0001-01-01T00:00:00Z", TIMESTAMP_MS_MIN),
        ("9999-12-31T23:59:59.999Z", TIMESTAMP_MS_MAX),
    ],
)
def test_timestamps(text, milliseconds):
    assert read_timestamp(text) == milliseconds
    assert read_timestamp(timestamp_text(milliseconds)) == milliseconds


def test_fractions_are_written_with_three_digits_or_none():
    assert timestamp_text(1_709_208_000_500) == "2024-02-29T12:00:00.500Z"
    assert timestamp_text(1_709_208_000_000) == "2024-02-29T12:00:00Z"
    assert timestamp_text(TIMESTAMP_MS_MIN) == "0001-01-01T00:00:00Z"
    assert duration_text(1500) == "1.500s"
    assert duration_text(-5) == "-0.005s"


@pytest.mark.parametrize(
    "text", ["", "0", "2024-02-30T00:00:00Z", "2024-02-29 12:00:00Z", "2024-02-29T12:00:00", 5]
)
def test_wrong_timestamps(text):
    with pytest.raises(ValueError, match=r"."):
        read_timestamp(text)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("0s", 0), ("1.5s", 1500), ("-0.0019s", -1), ("315576000000s", 315_576_000_000_000)],
)
def test_durations(text, milliseconds):
    assert read_duration(text) == milliseconds


@pytest.mark.parametrize("text", ["1", "1.s", "s", "1ms", "--1s", "315576000001s", 1.5, None])
def test_wrong_durations(text):
    with pytest.raises(ValueError, match=r"."):
        read_duration(text)


def test_metadata_keeps_the_counts_that_are_counts():
    given = {
        TOKEN_USAGE: '{"total_tokens": 5.0, "input_tokens": "2", "output_tokens": 1.5, "x": 1}',
        "m": "1",
    }
    assert canonical(given) == {"m": "1", TOKEN_USAGE: '{"input_tokens": 2, "total_tokens": 5}'}
    assert canonical({TOKEN_USAGE: "[]", COST: "{"}) == {}
    assert canonical({COST: '{"total_cost": "1e999", "input_cost": 1}'}) == {COST: '{"input_cost": 1.0}'}


def test_new_counts_outdo_old_ones():
    assert merged('{"input_tokens": 1}', {"input_tokens": 2, "total_tokens": 3}, TOKEN_USAGE) == (
        '{"input_tokens": 2, "total_tokens": 3}'
    )


def test_what_is_below_a_span_that_counts_is_in_its_count():
    nodes = [
        Node("root", None, None),
        Node("a", "root", {"input_tokens": 10}),
        Node("b", "a", {"input_tokens": 4}),
        Node("c", "root", {"total_tokens": 5}),
        Node("orphan", "elsewhere", {"input_tokens": 1}),
        Node("itself", "itself", {"input_tokens": 100}),
        Node("circle", "circling", {"input_tokens": 1000}),
        Node("circling", "circle", {"input_tokens": 1000}),
    ]
    assert total(nodes, TOKEN_USAGE) == {"input_tokens": 111, "output_tokens": 0, "total_tokens": 5}
    assert total(nodes[:1], TOKEN_USAGE) is None


def test_a_chain_of_any_length_is_summed():
    chain = [
        Node(str(n), str(n - 1) if n else None, {"total_cost": 1.0} if n > 4998 else None)
        for n in range(5000)
    ]
    assert total(chain, COST) == {"input_cost": 0.0, "output_cost": 0.0, "total_cost": 1.0}
