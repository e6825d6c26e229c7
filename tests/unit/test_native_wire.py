"""Requests of the native lane as parts: what becomes of columns before anything is admitted."""

import math
import uuid
from typing import Any

import msgpack

from tests.support.native import floats, ints
from tracklog_contract.points import NAN_BYTES
from tracklog_ingest.native_wire import Decoded, decode

RUN = uuid.UUID(int=7)


def decoded(points: dict[str, Any]) -> Decoded:
    run = {"run_id": RUN.hex, "points": points}
    return decode(msgpack.packb({"producer": bytes(16), "sequence": 1, "runs": [run]}))


def test_any_nan_is_the_same_nan() -> None:
    odd = bytes.fromhex("010000000000f8ff")
    columns = {"first_steps": [0], "timestamps": 0, "values": floats(math.nan, 1.0) + odd}
    (part,) = decoded({"keys": ["m"], "counts": [3], **columns}).parts
    assert part.points.values == NAN_BYTES + floats(1.0) + NAN_BYTES


def test_the_short_forms_are_the_long_ones() -> None:
    short = {"first_steps": [5, -(2**63)], "timestamps": 9}
    long = {"steps": ints(5, 6, 7, -(2**63), 1 - 2**63), "timestamps": ints(9, 9, 9, 9, 9)}
    rest = {"keys": ["a", "b"], "counts": [3, 2], "values": floats(1, 2, 3, 4, 5)}
    assert decoded(rest | short).parts == decoded(rest | long).parts


def test_a_refused_series_leaves_the_others_as_they_were() -> None:
    columns = {"steps": ints(1, 2, 3, 4), "timestamps": ints(1, -1, 1, 1), "values": floats(1, 2, 3, 4)}
    request = decoded({"keys": ["a", "b", "a", "c"], "counts": [1, 1, 1, 1], **columns})
    (part,) = request.parts
    assert (part.points.keys, part.points.steps, part.points.values) == (
        ("a", "c"),
        ints(1, 4),
        floats(1, 4),
    )
    assert [(r.item, r.key, r.points) for r in request.rejected] == [("series", "b", 1), ("series", "a", 1)]
