"""Deep JSON is refused at one depth, whoever reads it."""

import json

import pytest

from tracklog_contract import bounded_json
from tracklog_contract.bounded_json import DEPTH_MAX


def nested(depth: int, opening: str = "[", closing: str = "]") -> str:
    return opening * depth + closing * depth


def called_from(depth: int, text: str):
    """The value in `text`, read so many frames down."""
    return bounded_json.loads(text) if depth == 0 else called_from(depth - 1, text)


@pytest.mark.parametrize(
    "text", [nested(DEPTH_MAX), '{"a":' * DEPTH_MAX + "1" + "}" * DEPTH_MAX, "[]", "1", '"x"']
)
def test_what_is_not_too_deep_is_read(text):
    assert bounded_json.loads(text) == json.loads(text)


@pytest.mark.parametrize("depth", [DEPTH_MAX + 1, 500, 979, 4_000, 100_000])
@pytest.mark.parametrize("frames", [0, 300])
def test_what_is_too_deep_is_refused_however_deep_the_reader_is(depth, frames):
    with pytest.raises(ValueError):
        called_from(frames, nested(depth))


@pytest.mark.parametrize("text", ["", "[" * 4_000, "nope", "{"])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(ValueError):
        bounded_json.loads(text)
