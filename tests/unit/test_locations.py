"""Where artifacts lie, from the location of their experiment."""

import pytest

from tracklog_contract.errors import Rejected
from tracklog_contract.ids import parse_experiment_id
from tracklog_contract.locations import below


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("mlflow-artifacts:/1", "mlflow-artifacts:/1/r/artifacts"),
        ("s3://bucket", "s3://bucket/r/artifacts"),
        ("s3://bucket/p/", "s3://bucket/p/r/artifacts"),
        ("s3://bucket/p?x=1", "s3://bucket/p/r/artifacts?x=1"),
        ("file:///", "file:///r/artifacts"),
        ("/a/what?", "/a/what?/r/artifacts"),
    ],
)
def test_a_path_goes_below_a_location(location, expected):
    assert below(location, "r/artifacts") == expected


def test_an_experiment_id_is_any_64_bit_integer():
    assert parse_experiment_id("-1") == -1
    assert parse_experiment_id("9223372036854775807") == 2**63 - 1
    for text in ("", "-", "--1", "1.5", "abc", "9223372036854775808", "١", "1" * 5000):
        with pytest.raises(Rejected):
            parse_experiment_id(text)
