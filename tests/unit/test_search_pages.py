"""Page tokens: exact, bound to their search, and refused when they are not ours."""

import base64
import json
import math
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.limits import INT64_MAX, INT64_MIN
from tracklog_projector.search import Query, compile_models, compile_runs
from tracklog_projector.search.keyset import SortKey
from tracklog_projector.search.pages import read_token, token_writer

KEYS = (
    SortKey("a", "a", "float8", nullable=True, may_be_nan=True),
    SortKey("b", "b", "bigint"),
    SortKey("c", "c", "text", nullable=True),
    SortKey("d", "d", "uuid"),
)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.none() | st.floats(), st.integers(INT64_MIN, INT64_MAX), st.none() | texts, st.uuids())
def test_a_token_keeps_every_value_exactly(a: float | None, b: int, c: str | None, d: uuid.UUID) -> None:
    token = token_writer("s", KEYS)({"a": a, "b": b, "c": c, "d": d})
    read = read_token(token, "s", KEYS)
    assert read is not None
    assert read[1:] == (b, c, d)
    assert repr(read[0]) == repr(a)


def search(**changes: Any) -> Query:
    defaults: dict[str, Any] = {
        "experiment_ids": [1],
        "filter": "metrics.m > 1",
        "order_by": ["metrics.m DESC"],
        "deleted": False,
        "limit": 10,
        "page_token": "",
    }
    return compile_runs(**(defaults | changes))


LAST_ROW = {"key_0": math.inf, "key_1": 5, "run_id": uuid.UUID(int=7)}


def test_a_token_continues_its_own_search_with_any_page_size() -> None:
    token = search().next_token(LAST_ROW)
    assert math.inf in search(page_token=token, limit=3).args


@pytest.mark.parametrize(
    "change",
    [
        {"experiment_ids": [1, 2]},
        {"filter": "metrics.m > 2"},
        {"order_by": ["metrics.m"]},
        {"deleted": True},
        {"deleted": None},
    ],
)
def test_another_searchs_token_is_rejected(change: dict[str, Any]) -> None:
    token = search().next_token(LAST_ROW)
    with pytest.raises(Rejected) as caught:
        search(page_token=token, **change)
    assert caught.value.error_code == INVALID
    assert "belongs to a search with other" in caught.value.message


def model_search(experiment_ids: list[int], page_token: str = "") -> Query:
    return compile_models(
        experiment_ids=experiment_ids, filter="", datasets=[], order_by=[], limit=10, page_token=page_token
    )


@pytest.mark.parametrize("same_experiments", [[2, 1], [1, 2, 2]])
def test_the_order_of_experiments_counts_in_a_token_of_models_only(same_experiments: list[int]) -> None:
    token = search(experiment_ids=[1, 2]).next_token(LAST_ROW)
    assert math.inf in search(experiment_ids=same_experiments, page_token=token).args

    token = model_search([1, 2]).next_token({"created_ms": 5, "model_id": "m-7"})
    assert "m-7" in model_search([1, 2], token).args
    with pytest.raises(Rejected, match="belongs to a search with other experiments"):
        model_search(same_experiments, token)


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def own_fingerprint() -> str:
    fingerprint: str = json.loads(base64.urlsafe_b64decode(search().next_token(LAST_ROW)))[0]
    return fingerprint


@pytest.mark.parametrize(
    "token",
    [
        "zzz",
        "é",
        "eyJvZmZzZXQiOiAyfQ==",
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"[" * 5000).decode(),
        encoded([]),
        encoded([own_fingerprint(), 1.0, 5]),
        encoded([own_fingerprint(), "x", 5, "0" * 32]),
        encoded([own_fingerprint(), 1.0, 2**63, "0" * 32]),
        encoded([own_fingerprint(), 1.0, True, "0" * 32]),
        encoded([own_fingerprint(), 1.0, None, "0" * 32]),
        encoded([own_fingerprint(), 1.0, 5, "x"]),
        encoded([own_fingerprint(), 1.0, 5, "\0"]),
        "A" * 2_000_000,
    ],
)
def test_what_is_no_token_is_rejected(token: str) -> None:
    with pytest.raises(Rejected) as caught:
        search(page_token=token)
    assert caught.value.error_code == INVALID
    assert caught.value.message.startswith("Invalid page token")


@pytest.mark.parametrize(
    ("order_by", "message"),
    [
        (["metrics.m FOO"], "Invalid ordering key in order_by clause 'metrics.m FOO'."),
        ([""], "Invalid order_by clause ''. Could not be parsed."),
        (["metrics.m DESC DESC"], "Invalid order_by clause 'metrics.m DESC DESC'. Could not be parsed."),
        (["dataset.name"], "Invalid identifier type 'dataset'"),
        (["metrics.m", "metric.m"], "`order_by` contains duplicate fields: ['metrics.m', 'metric.m']"),
        (
            ["start_time", "created DESC"],
            "`order_by` contains duplicate fields: ['start_time', 'created DESC']",
        ),
        (
            ["foo"],
            (
                "Invalid attribute key 'foo' specified. Valid keys are '{'run_id', 'run_name', 'status', "
                "'user_id', "
                "'artifact_uri', 'start_time', 'end_time', 'created', 'Created'}'"
            ),
        ),
    ],
)
def test_a_wrong_order_is_rejected_in_mlflows_words(order_by: list[str], message: str) -> None:
    with pytest.raises(Rejected) as caught:
        search(order_by=order_by)
    assert (caught.value.error_code, caught.value.message) == (INVALID, message)
