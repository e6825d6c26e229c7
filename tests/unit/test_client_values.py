"""What may be logged: numbers and columns of every kind, and a clear refusal for the rest."""

import math
import warnings
from array import array
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from tracklog import BadInput
from tracklog.values import (
    accepted_numbers,
    accepted_texts,
    column_bytes,
    column_of,
    float_column,
    int_column,
    integer,
    is_dense,
    number,
    plain_text,
)
from tracklog_contract.limits import INT64_MAX, INT64_MIN, PARAM_VALUE_CHARS_MAX, TAG_VALUE_CHARS_MAX


class Tensor:
    """A tensor of one item that knows only how to give it."""

    def item(self):
        return 2.5


class ArrayOfOne:
    """As numpy's: only `item` gives its number without a warning."""

    ndim = 1

    def __float__(self):
        warnings.warn("conversion of an array with ndim > 0 to a scalar", DeprecationWarning, stacklevel=2)
        return 1.5

    def item(self):
        return 1.5


def kind(value):
    """A name for a case that is the same in every process."""
    return type(value).__name__


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1.0),
        (True, 1.0),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7.0),
        (np.array(3.0), 3.0),
        (Decimal("0.25"), 0.25),
        (Fraction(1, 4), 0.25),
        (Tensor(), 2.5),
        (ArrayOfOne(), 1.5),
        (math.inf, math.inf),
    ],
    ids=kind,
)
def test_numbers_of_every_kind_are_taken(value, expected):
    assert number(value) == expected
    assert type(number(value)) is float


def test_nan_is_a_number():
    assert math.isnan(number(math.nan))
    assert math.isnan(number(np.float64("nan")))


@pytest.mark.parametrize(
    "value", ["1.5", b"1", None, 1j, [1.0], {}, 10**400, np.array([1.0, 2.0]), object()], ids=kind
)
def test_what_is_no_number_is_refused(value):
    with pytest.raises(BadInput, match="must be"):
        number(value)


def test_bad_input_is_a_value_error_and_a_type_error():
    assert issubclass(BadInput, ValueError)
    assert issubclass(BadInput, TypeError)


def test_good_values_are_kept_beside_bad_ones():
    known = set()
    accepted, problems = accepted_numbers({"a": 1, "b/../c": 2, "d": "x", 5: 1, "e": 2.5}, known)
    assert accepted == {"a": 1.0, "e": 2.5}
    assert [problem.partition(":")[0] for problem in problems] == ["'b/../c'", "'d'", "5"]
    assert known == {"a", "d", "e"}


def test_texts_are_what_str_makes_of_them_up_to_the_greatest_length():
    accepted, problems = accepted_texts("param", {"lr": 0.1, "on": None, "long": "x" * PARAM_VALUE_CHARS_MAX})
    assert (accepted, problems) == ({"lr": "0.1", "on": "None", "long": "x" * PARAM_VALUE_CHARS_MAX}, [])
    bad = {"n": "x" * (TAG_VALUE_CHARS_MAX + 1), "nul": "a\0b", "half": "\ud800", "$": "", 3: "", "good": "v"}
    accepted, problems = accepted_texts("tag", bad)
    assert accepted == {"good": "v"}
    for words in ("has 8001 characters", "U+0000", "surrogate", "$", "must be text, not int"):
        assert any(words in problem for problem in problems), words


@pytest.mark.parametrize("bad", [5, None, [("a", 1)], "a"])
def test_only_a_mapping_is_taken(bad):
    with pytest.raises(BadInput, match="dict"):
        accepted_numbers(bad, set())
    with pytest.raises(BadInput, match="dict"):
        accepted_texts("param", bad)


@pytest.mark.parametrize("value", [1.0, "1", None, 2**63, -(2**63) - 1])
def test_a_step_is_a_64_bit_whole_number(value):
    with pytest.raises(BadInput, match="step must be"):
        integer(value, "step")
    assert integer(np.int32(3), "step") == 3
    assert (integer(INT64_MAX, "step"), integer(INT64_MIN, "step")) == (INT64_MAX, INT64_MIN)


def test_plain_text_is_text_of_bounded_length():
    assert plain_text("x" * 5, "name", 5) == "x" * 5
    for bad in ("x" * 6, 5, None):
        with pytest.raises(BadInput, match="name"):
            plain_text(bad, "name", 5)


@pytest.mark.parametrize(
    "column",
    [
        [1, 2.0, np.float32(3)],
        (1, 2, 3),
        range(1, 4),
        array("f", [1, 2, 3]),
        memoryview(array("d", [1, 2, 3])),
        np.array([1, 2, 3]),
        np.array([1, 2, 3], dtype="f2"),
        np.array([1, 2, 3], dtype=">f8"),
        np.array([1, 9, 2, 9, 3, 9])[::2],
        iter([1, 2, 3]),
        pd.Series([1, 2, 3], index=[7, 8, 9]),
    ],
    ids=lambda column: type(column).__name__,
)
def test_columns_of_every_kind_are_taken(column):
    assert float_column(column) == array("d", [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    "column",
    ["123", b"123", {"a": 1}, [1, "2"], [None], 5, np.zeros((2, 2)), np.array(["a"]), np.array([1j])],
    ids=kind,
)
def test_what_is_no_column_of_numbers_is_refused(column):
    with pytest.raises(BadInput, match="values must"):
        float_column(column)


def test_an_iterator_is_read_once_whatever_it_holds():
    assert float_column(item for item in [1, Tensor(), 3]) == array("d", [1, 2.5, 3])


@pytest.mark.parametrize("column", [[1.5], np.array([1.0]), [2**63], np.array([2**63], dtype="u8"), ["1"]])
def test_steps_are_64_bit_whole_numbers(column):
    with pytest.raises(BadInput, match="steps must be"):
        int_column(column, "steps")
    assert int_column(np.array([3, -4], dtype="i2"), "steps") == array("q", [3, -4])


@pytest.mark.parametrize("count", [1, 2, 70_000, 200_000])
def test_steps_that_go_up_by_one_are_seen(count):
    steps = array("q", range(-5, count - 5))
    assert is_dense(steps)
    if count > 2:
        # The ends alone do not tell.
        steps[count // 2], steps[count // 2 - 1] = steps[count // 2 - 1], steps[count // 2]
        assert not is_dense(steps)


def test_columns_travel_as_little_endian_bytes():
    assert column_bytes(array("q", [1, -2])) == (1).to_bytes(8, "little") + (-2).to_bytes(
        8, "little", signed=True
    )
    assert column_of(column_bytes(array("d", [0.1, 2.0])), "d") == array("d", [0.1, 2.0])
