"""The native lane on a running server: what it stores, answers and refuses, as the README specifies."""

import gzip
import json
import math
import uuid
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import msgpack
import psutil
import pytest
import zstandard
from mlflow import MlflowClient

from tests.support.native import MSGPACK, Producer, floats, ints, series, unpacked
from tests.support.server import Server
from tracklog_contract.limits import INGEST_POINTS_MAX, INGEST_RUNS_MAX, JSON_BODY_BYTES_MAX

NOTHING = {"duplicate": False, "rejected": []}


@pytest.fixture
def producer(tracking_server: Server) -> Iterator[Producer]:
    """A new producer."""
    with Producer(tracking_server.url) as producer:
        yield producer


def history(client: MlflowClient, run_id: str, key: str) -> list[tuple[int, int, float]]:
    return [(m.step, m.timestamp, m.value) for m in client.get_metric_history(run_id, key)]


def test_a_run_is_begun_filled_and_finished_in_one_request(
    producer: Producer, client: MlflowClient, new_name: Callable[[], str]
) -> None:
    run_id, name = uuid.uuid4().hex, new_name()
    answer = producer.log(
        {
            "run_id": run_id,
            "begin": {"experiment_name": name, "run_name": "first", "user_id": "ada", "start_time": 5},
            "params": {"lr": "0.1"},
            "tags": {"stage": "dev"},
            "points": series(10, loss=[3, 2, 1], acc=[0.5, math.nan]),
            "status": "FINISHED",
            "end_time": 9,
            "a field of a later version": 1,
        }
    )
    assert answer.items() >= NOTHING.items()
    run = client.get_run(run_id)
    assert client.get_experiment(run.info.experiment_id).name == name
    assert (run.info.run_name, run.info.user_id, run.info.start_time) == ("first", "ada", 5)
    assert (run.info.status, run.info.end_time) == ("FINISHED", 9)
    assert run.info.artifact_uri == f"mlflow-artifacts:/{run.info.experiment_id}/{run_id}/artifacts"
    assert run.data.params == {"lr": "0.1"}
    assert run.data.tags == {"stage": "dev", "mlflow.runName": "first"}
    assert history(client, run_id, "loss") == [(10, 1000, 3.0), (11, 1000, 2.0), (12, 1000, 1.0)]
    assert math.isnan(run.data.metrics["acc"])


def test_every_form_of_a_column(producer: Producer, client: MlflowClient, run_id: str) -> None:
    columns = {
        "keys": ["a", "b"],
        "counts": [2, 1],
        "steps": ints(-(2**63), 2**63 - 1, 7),
        "timestamps": ints(2, 3, 4),
        "values": floats(math.inf, -0.0, -math.inf),
    }
    assert producer.log({"run_id": run_id, "points": columns})["rejected"] == []
    assert history(client, run_id, "a") == [(-(2**63), 2, math.inf), (2**63 - 1, 3, -0.0)]
    assert history(client, run_id, "b") == [(7, 4, -math.inf)]
    dense = columns | {"first_steps": [2**63 - 2, -5], "timestamps": 2**63 - 1}
    del dense["steps"]
    assert producer.log({"run_id": run_id, "points": dense})["rejected"] == []
    assert history(client, run_id, "b")[-1] == (-5, 2**63 - 1, -math.inf)
    assert history(client, run_id, "a")[-1] == (2**63 - 1, 2**63 - 1, -0.0)


def test_many_runs_in_one_request(
    producer: Producer, client: MlflowClient, new_name: Callable[[], str]
) -> None:
    ids, name = [uuid.uuid4().hex for _ in range(50)], new_name()
    parts = [
        {"run_id": run_id, "begin": {"experiment_name": name}, "points": series(m=[number])}
        for number, run_id in enumerate(ids)
    ]
    assert producer.log(*parts)["rejected"] == []
    experiment = client.get_experiment_by_name(name)
    found = client.search_runs([experiment.experiment_id], "metrics.m >= 10", order_by=["metrics.m DESC"])
    assert [run.info.run_id for run in found] == ids[:9:-1]


def test_begin_is_for_new_runs_only(producer: Producer, client: MlflowClient, run_id: str) -> None:
    before = client.get_run(run_id).info
    begin = {"experiment_name": f"never {run_id}", "run_name": "other", "start_time": 1}
    assert producer.log({"run_id": run_id, "begin": begin})["rejected"] == []
    after = client.get_run(run_id).info
    assert (after.experiment_id, after.run_name, after.start_time) == (
        before.experiment_id,
        before.run_name,
        before.start_time,
    )
    assert client.get_experiment_by_name(f"never {run_id}") is None


def test_a_name_that_is_sent_as_a_tag_is_the_runs_name(
    producer: Producer, client: MlflowClient, experiment: str
) -> None:
    run_id = uuid.uuid4().hex
    begin = {"experiment_id": experiment}
    producer.log({"run_id": run_id, "begin": begin, "tags": {"mlflow.runName": "tagged"}})
    assert client.get_run(run_id).info.run_name == "tagged"
    producer.log({"run_id": run_id, "tags": {"mlflow.runName": "renamed"}})
    assert client.get_run(run_id).info.run_name == "renamed"


def test_a_request_sent_again_is_answered_again_and_stored_once(
    producer: Producer, run_id: str, log_position: Callable[[], object]
) -> None:
    for runs in (
        [{"run_id": run_id, "points": series(m=[1])}],
        [{"run_id": run_id, "params": {"p": "1", "bad\0": "x"}}],
        [{"run_id": uuid.uuid4().hex, "points": series(m=[1])}],
    ):
        body = producer.request(*runs)
        first = unpacked(producer.post(body))
        position = log_position()
        again = unpacked(producer.post(body))
        assert again == first | {"duplicate": True}
        assert log_position() == position
    earlier = producer.request({"run_id": run_id, "points": series(m=[1])}, sequence=1)
    assert unpacked(producer.post(earlier)) == {"position": None, "duplicate": True, "rejected": []}
    assert log_position() == position


def test_a_request_that_comes_too_early_is_refused_and_uses_up_nothing(
    producer: Producer, run_id: str, log_position: Callable[[], object]
) -> None:
    before = log_position()
    points = {"run_id": run_id, "points": series(m=[1])}
    for sequence in (2, 3, 2**63 - 1):
        answer = producer.post(producer.request(points, sequence=sequence))
        assert (answer.status, answer.json["error_code"]) == (409, "SEQUENCE_GAP")
        assert "number 1" in answer.json["message"]
    assert log_position() == before
    assert producer.log(points)["duplicate"] is False


def rejections(answer: dict[str, Any]) -> list[tuple[int, str, str, int, str]]:
    return [(r["run"], r["item"], r["key"], r["points"], r["error_code"]) for r in answer["rejected"]]


def test_what_is_refused_is_named_and_the_rest_is_kept(
    producer: Producer, client: MlflowClient, run_id: str, experiment: str
) -> None:
    client.log_param(run_id, "fixed", "1")
    deleted = client.create_run(experiment).info.run_id
    client.delete_run(deleted)
    unknown = uuid.uuid4().hex
    answer = producer.log(
        {"run_id": unknown, "points": series(m=[1, 2])},
        {"run_id": deleted, "points": series(m=[1]), "params": {"a": "b"}},
        {
            "run_id": run_id,
            "params": {"fixed": "2", "new": "3", "no*star": "x", "": "x", "nul": "\0"},
            "tags": {"fine": "t", "../up": "x", "long": "x" * 9000},
            "points": {
                "keys": ["m", "bad\n", "early", "m", "n"],
                "counts": [1, 2, 1, 1, 1],
                "first_steps": [0, 0, 0, 5, 0],
                "timestamps": ints(1, 1, 1, -1, 1, 1),
                "values": floats(1, 2, 3, 4, 5, 6),
            },
            "status": "DONE",
        },
        {"run_id": "not-a-run", "points": series(m=[1])},
        {"run_id": uuid.uuid4().hex, "begin": {"experiment_name": "x", "experiment_id": "0"}},
        {"run_id": uuid.uuid4().hex, "begin": {"experiment_id": "987654321"}, "points": series(m=[1])},
    )
    invalid, missing = "INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"
    assert sorted(rejections(answer)) == sorted(
        [
            (0, "run", "", 2, missing),
            (1, "run", "", 1, invalid),
            (2, "param", "fixed", 0, invalid),
            (2, "param", "no*star", 0, invalid),
            (2, "param", "", 0, invalid),
            (2, "param", "nul", 0, invalid),
            (2, "tag", "../up", 0, invalid),
            (2, "series", "bad\n", 2, invalid),
            (2, "series", "early", 1, invalid),
            (2, "series", "m", 1, invalid),
            (2, "status", "", 0, invalid),
            (3, "run", "", 1, invalid),
            (4, "run", "", 0, invalid),
            (5, "run", "", 1, missing),
        ]
    )
    by_key = {r["key"]: r["message"] for r in answer["rejected"]}
    assert "already logged with value='1'" in by_key["fixed"]
    run = client.get_run(run_id)
    assert run.data.params == {"fixed": "1", "new": "3"}
    assert (run.data.tags["fine"], len(run.data.tags["long"])) == ("t", 8000)
    assert run.data.metrics == {"m": 1.0, "n": 6.0}
    assert run.info.status == "RUNNING"


@pytest.mark.parametrize(
    "change",
    [
        {"counts": [1]},
        {"counts": [2, 0]},
        {"counts": [3, -1]},
        {"counts": [1, 2]},
        {"values": b"1234567"},
        {"steps": ints(1)},
        {"steps": ints(1, 2), "first_steps": [0, 0]},
        {"steps": None},
        {"first_steps": [0], "steps": None},
        {"first_steps": [2**63 - 1, 2**63], "steps": None},
        {"timestamps": ints(1)},
        {"timestamps": -1},
        {"timestamps": 2**63},
    ],
)
def test_columns_that_do_not_fit_are_refused_with_the_points_alone(
    producer: Producer, client: MlflowClient, run_id: str, change: dict[str, Any]
) -> None:
    points = {
        "keys": ["a", "b"],
        "counts": [1, 1],
        "steps": ints(1, 2),
        "timestamps": 5,
        "values": floats(1, 2),
    } | change
    points = {name: value for name, value in points.items() if value is not None}
    answer = producer.log({"run_id": run_id, "points": points, "tags": {"kept": "yes"}})
    lost = {(r["item"], r["key"]) for r in answer["rejected"]}
    assert lost in ({("points", "")}, {("series", "a"), ("series", "b")})
    assert all(r["error_code"] == "INVALID_PARAMETER_VALUE" for r in answer["rejected"])
    run = client.get_run(run_id)
    assert run.data.tags["kept"] == "yes"
    assert run.data.metrics == {}


VALID = {"producer": uuid.uuid4().bytes, "sequence": 1, "runs": []}
MALFORMED = {
    "nothing": b"",
    "no msgpack": b"\xc1",
    "json": json.dumps({"producer": "x", "sequence": 1, "runs": []}).encode(),
    "cut off": msgpack.packb(VALID)[:-1],
    "more after it": msgpack.packb(VALID) + b"\x00",
    "a list": msgpack.packb([1]),
    "no producer": msgpack.packb({"sequence": 1, "runs": []}),
    "a short producer": msgpack.packb(VALID | {"producer": b"123"}),
    "producer as text": msgpack.packb(VALID | {"producer": "0" * 32}),
    "sequence 0": msgpack.packb(VALID | {"sequence": 0}),
    "sequence too large": msgpack.packb(VALID | {"sequence": 2**64 - 1}),
    "sequence as float": msgpack.packb(VALID | {"sequence": 1.5}),
    "a param as number": msgpack.packb(VALID | {"runs": [{"run_id": "0" * 32, "params": {"a": 1}}]}),
    "text that is not UTF-8": msgpack.packb(VALID).replace(b"runs", b"ru\xff\xfe"),
    "half a surrogate": msgpack.packb(
        VALID | {"runs": [{"run_id": "0" * 32, "params": {"a": "\ud800"}}]}, unicode_errors="surrogatepass"
    ),
    "deep": b"\x81\xa8producer" + b"\x91" * 100_000,
    "a deep unknown field": b"\x84" + msgpack.packb(VALID)[1:] + b"\xa1x" + b"\x91" * 100_000 + b"\xc0",
    "an array that says it is huge": b"\xdd\xff\xff\xff\xff",
    "too many runs": msgpack.packb(VALID | {"runs": [{"run_id": "0" * 32}] * (INGEST_RUNS_MAX + 1)}),
    "too many params": msgpack.packb(
        VALID | {"runs": [{"run_id": "0" * 32, "params": {str(n): "" for n in range(100_001)}}]}
    ),
    "too many points": msgpack.packb(
        VALID | {"runs": [{"run_id": "0" * 32, "points": series(m=[0.0] * (INGEST_POINTS_MAX + 1))}]}
    ),
    "too long": b"\0" * (JSON_BODY_BYTES_MAX + 1),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_body_is_refused_and_leaves_nothing(refused: Callable[..., str], what: str) -> None:
    path = "/api/tracklog/v1/ingest"
    assert refused("POST", path, MALFORMED[what], MSGPACK) == "INVALID_PARAMETER_VALUE"


def test_the_sample_body_itself_is_taken(producer: Producer) -> None:
    # Otherwise the cases above might be refused for another reason than they say.
    assert producer.post(msgpack.packb(VALID)).status == 200


def test_compressed_bodies(producer: Producer, client: MlflowClient, run_id: str) -> None:
    for encoding, compress in (("zstd", zstandard.compress), ("gzip", gzip.compress)):
        body = producer.request({"run_id": run_id, "points": series(**{encoding: [1.0] * 1000})})
        answer = producer.post(compress(body), MSGPACK | {"Content-Encoding": encoding})
        assert unpacked(answer)["rejected"] == []
        assert len(client.get_metric_history(run_id, encoding)) == 1000


@pytest.mark.parametrize(
    "headers", [{}, {"Content-Type": "application/json"}, MSGPACK | {"Content-Encoding": "lz4"}]
)
def test_other_types_and_encodings_are_refused(producer: Producer, headers: dict[str, str]) -> None:
    answer = producer.post(producer.request(), headers)
    assert (answer.status, answer.json["error_code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("encoding", ["zstd", "gzip", "deflate"])
def test_a_body_that_is_not_what_its_encoding_says_is_refused(producer: Producer, encoding: str) -> None:
    answer = producer.post(b"not compressed", MSGPACK | {"Content-Encoding": encoding})
    assert 400 <= answer.status < 500


def test_a_bomb_costs_the_server_little(producer: Producer, tracking_server: Server) -> None:
    zeros = bytes(2**20)
    bomb = zstandard.ZstdCompressor(level=1).compressobj()
    body = b"".join([bomb.compress(zeros) for _ in range(1024)] + [bomb.flush()])
    assert len(body) < 2**20  # and a gigabyte once unfolded
    worker = psutil.Process(tracking_server.pids_by_role()["worker"][0])
    producer.post(body, MSGPACK | {"Content-Encoding": "zstd"})
    before = worker.memory_info().rss
    for _ in range(5):
        with Producer(tracking_server.url) as another:
            assert another.post(body, MSGPACK | {"Content-Encoding": "zstd"}).status == 400
    assert worker.memory_info().rss - before < 128 * 2**20


def test_every_answer_tells_the_servers_version(producer: Producer, api: Any) -> None:
    assert producer.post(b"").headers["tracklog-version"] == version("tracklog")
    assert api.call("GET", "/version").headers["tracklog-version"] == version("tracklog")
    assert api.call("GET", "/nowhere").headers["tracklog-version"] == version("tracklog")
