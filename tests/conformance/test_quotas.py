"""What administrators limit: exact over two processes, told in time, and effective at once everywhere."""

import asyncio
import contextlib
import json
import random
import secrets
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest
from mlflow import MlflowClient

from tests.conformance.refusals import QUOTA, refused_with
from tests.support.api import Api, apis_of_workers
from tests.support.native import MSGPACK, Producer, series, unpacked
from tests.support.server import tracklog_command
from tracklog_contract.quota_events import QuotaNearlyUsed, QuotaSet
from tracklog_ingest.access.quotas import quotas_of, set_quota
from tracklog_ingest.purge_work import recount_storage
from tracklog_projector.tail import read_after

WRITERS = 8
USAGE = "/api/tracklog/v1/usage"


@pytest.fixture
def limit(access):
    """Sets a limit; it is taken away afterwards."""
    done = set()

    def limit(scope, subject, name, most):
        async def change(turn):
            await set_quota(turn, scope, subject, name, most)

        access.change(change, "root")
        if most is not None:
            done.add((scope, subject, name))

    yield limit
    for scope, subject, name in done:
        limit(scope, subject, name, None)


@pytest.fixture
def person(access):
    """A new user who may make experiments: their name, and the header that shows their token."""
    name = f"person-{secrets.token_hex(4)}"
    access.make_principal(name)
    return name, access.headers(name)


@pytest.fixture
def place(access_api, person):
    """A new experiment and run of that user's: their ids."""
    _, headers = person
    made = access_api.call("POST", "experiments/create", {"name": secrets.token_hex(8)}, headers)
    experiment_id = made.json["experiment_id"]
    run = access_api.call("POST", "runs/create", {"experiment_id": experiment_id}, headers)
    return experiment_id, run.json["run"]["info"]["run_id"]


def events_about(access, *subjects):
    """The events of quotas with one of these subjects, in the log's order."""

    async def read():
        connection = await asyncpg.connect(access.dsn)
        try:
            return await read_after(connection, 0, bytes_max=2**30, entries_max=10**6)
        finally:
            await connection.close()

    entries = asyncio.run(read())
    events = (entry.event for entry in entries)
    return [e for e in events if isinstance(e, (QuotaSet, QuotaNearlyUsed)) and e.subject in subjects]


def of_both_workers(access):
    """A connection to each of the two processes."""
    workers = access.server.pids_by_role()["worker"]
    assert len(workers) == 2
    return apis_of_workers(access.server.url, workers)


@pytest.fixture
def apis(access):
    """A connection to each of the two processes, closed afterwards."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(api) for api in of_both_workers(access)]


def race(access, calls):
    """The statuses of calls (functions of an Api), made by WRITERS connections to both processes at once."""
    order = list(calls)
    random.Random(7).shuffle(order)
    waiting, turn = iter(order), threading.Lock()

    def write(api):
        statuses = []
        while True:
            with turn:
                call = next(waiting, None)
            if call is None:
                return statuses
            statuses.append(call(api).status)

    with contextlib.ExitStack() as stack:
        apis = [stack.enter_context(api) for _ in range(WRITERS // 2) for api in of_both_workers(access)]
        threads = stack.enter_context(ThreadPoolExecutor(WRITERS))
        return [status for part in threads.map(write, apis) for status in part]


def test_exactly_as_many_as_the_limit_are_accepted_by_two_processes(access, person, place, limit):
    name, headers = person
    experiment_id, run_id = place
    limit("experiment", experiment_id, "run_points", 50)
    # Its first run was made before.
    limit("principal", name, "runs_per_day", 31)
    limit("workspace", "default", "storage_bytes", 10**15)
    limit("experiment", experiment_id, "storage_bytes", 2000)
    point = {"run_id": run_id, "key": "m", "value": 1.0, "timestamp": 1}
    files = f"/api/2.0/mlflow-artifacts/artifacts/{experiment_id}/{run_id}/artifacts"
    singles = [lambda api: api.call("POST", "runs/log-metric", point, headers)] * 70
    runs = [lambda api: api.call("POST", "runs/create", {"experiment_id": experiment_id}, headers)] * 45
    uploads = [
        lambda api, number=number: api.call("PUT", f"{files}/{number}", b"x" * 100, headers)
        for number in range(30)
    ]
    for calls, most in ((singles, 50), (runs, 30), (uploads, 20)):
        statuses = race(access, calls)
        assert (statuses.count(200), statuses.count(400)) == (most, len(calls) - most)
    with Api(access.server.url) as api:
        # What is deleted may be stored again.
        assert api.call("DELETE", f"{files}", None, headers).status == 200
        assert api.call("PUT", f"{files}/again", b"x" * 2000, headers).status == 200
        refused = api.call("PUT", f"{files}/more", b"x", headers)
    assert (refused.status, refused.error_code) == (400, QUOTA)
    wrong = "update tracklog_admission.quota set used = 7 where subject = $1 and name = 'storage_bytes'"
    access.value(wrong, experiment_id)

    async def recounted(turn):
        await recount_storage(turn.connection)
        return {limit.name: limit.used for limit in await quotas_of(turn, "experiment", experiment_id)}

    # Garbage collection ends by counting again.
    assert access.change(recounted)["storage_bytes"] == 2000
    assert (
        "artifact bytes of this experiment would be 2,001, and the limit is 2,000. Delete"
        in refused.json["message"]
    )


def test_a_limit_is_told_at_four_fifths_once_and_the_native_lane_keeps_what_fits(
    access, access_api, person, place, limit
):
    name, headers = person
    experiment_id, run_id = place
    limit("experiment", experiment_id, "run_points", 100)
    limit("principal", name, "run_points", 90)
    point = {"key": "m", "value": 1.0, "timestamp": 1}
    for count in (70, 1, 1, 1):
        body = {"run_id": run_id, "metrics": [point] * count}
        assert access_api.call("POST", "runs/log-batch", body, headers).status == 200
    with Producer(access.server.url) as producer:
        body = producer.request({"run_id": run_id, "points": series(a=[1.0] * 10, b=[2.0] * 10)})
        answer = unpacked(producer.post(body, {**MSGPACK, **headers}))
    (rejected,) = answer["rejected"]
    assert (rejected["item"], rejected["key"], rejected["points"]) == ("series", "b", 3)
    assert rejected["error_code"] == QUOTA
    assert "Log less often" in rejected["message"]
    (warning,) = [e for e in events_about(access, run_id) if isinstance(e, QuotaNearlyUsed)]
    assert warning == QuotaNearlyUsed("run", run_id, "run_points", used=72, most=90)
    lines = [json.loads(line) for line in access.server.log().splitlines() if "quota_nearly_used" in line]
    assert [line["used"] for line in lines if line["subject"] == run_id] == [warning.used]
    asked = {"experiment_id": experiment_id, "max_results": "1000"}
    audit = access_api.call("GET", "/api/tracklog/v1/audit", asked, access.headers("root"))
    assert f'"subject":"{run_id}"'.encode() in audit.body
    told = access_api.call("GET", USAGE, {"run_id": run_id}, headers).json["usage"]
    (points,) = [found for found in told[0]["limits"] if found["name"] == "run_points"]
    assert points == {"name": "run_points", "limit": 90, "used": 90, "percent": 100.0, "nearly_used": True}
    assert (told[1]["scope"], told[1]["subject"]) == ("experiment", experiment_id)


def test_points_too_fast_are_taken_a_little_later(access, access_api, person, place, limit):
    name, headers = person
    _, run_id = place
    limit("principal", name, "points_per_second", 500)
    body = {
        "run_id": run_id,
        "metrics": [{"key": "m", "value": 1.0, "timestamp": 1, "step": n} for n in range(999)],
    }
    assert access_api.call("POST", "runs/log-batch", body, headers).status == 200
    for _ in range(20):
        # The bucket is overfilled, and empties in two seconds.
        answer = access_api.call("POST", "runs/log-batch", body, headers)
        if answer.status != 200:
            break
    assert (answer.status, answer.error_code) == (429, "REQUEST_LIMIT_EXCEEDED")
    assert "the limit is 500 metric points a second of this principal" in answer.json["message"]
    assert int(answer.headers["retry-after"]) in {1, 2}
    with Producer(access.server.url) as producer:
        native = producer.request({"run_id": run_id, "points": series(a=[1.0] * 10)})
        assert producer.post(native, {**MSGPACK, **headers}).status == 429
        time.sleep(int(answer.headers["retry-after"]))
        # Nothing of it was stored, nor its number used up.
        assert unpacked(producer.post(native, {**MSGPACK, **headers}))["rejected"] == []


def test_requests_too_often_are_refused_by_both_processes_together(access, apis, person, limit):
    name, headers = person
    search = ("GET", "experiments/search", {"max_results": 1}, headers)
    assert all(api.call(*search).status == 200 for api in apis * 10)
    limit("principal", name, "requests_per_second", 4)
    deadline = time.monotonic() + 20
    while any(api.call(*search).status == 200 for api in apis):
        assert time.monotonic() < deadline, "the limit is not in force on every node"
    began = time.monotonic()
    answers = [api.call(*search) for _ in range(60) for api in apis]
    elapsed_s = time.monotonic() - began
    taken = sum(answer.status == 200 for answer in answers)
    # What each process had taken out of the bucket before may be left.
    assert taken <= 4 * elapsed_s + 2
    refused = next(answer for answer in answers if answer.status != 200)
    assert (refused.status, refused.error_code) == (429, "REQUEST_LIMIT_EXCEEDED")
    assert int(refused.headers["retry-after"]) == 1
    time.sleep(1)
    assert all(api.call(*search).status == 200 for api in apis)
    # Nobody else is held back by it, nor is what anybody may ask.
    assert (
        apis[0].call("GET", "experiments/search", {"max_results": 1}, access.headers("reader")).status == 200
    )


def test_an_experiment_takes_so_many_a_second_from_both_processes_together(
    access, apis, person, place, limit
):
    _, headers = person
    experiment_id, run_id = place
    other = apis[0].call("POST", "experiments/create", {"name": f"other of {run_id}"}, headers)
    run = apis[0].call("POST", "runs/create", {"experiment_id": other.json["experiment_id"]}, headers)
    point = {"key": "m", "value": 1.0, "timestamp": 1}
    write = ("POST", "runs/log-metric", {"run_id": run_id, **point}, headers)
    read = ("GET", "runs/get", {"run_id": run_id}, headers)
    elsewhere = ("POST", "runs/log-metric", {"run_id": run.json["run"]["info"]["run_id"], **point}, headers)
    # A batch by the short way, where the run is known already, beside the long one.
    assert all(api.call(*call).status == 200 for api in apis * 3 for call in (write, read, elsewhere))
    limit("experiment", experiment_id, "requests_per_second", 4)
    deadline = time.monotonic() + 20
    while any(api.call(*write).status == 200 for api in apis):
        assert time.monotonic() < deadline, "the limit is not in force on every node"
    began = time.monotonic()
    answers = [api.call(*call) for _ in range(20) for api in apis for call in (write, read)]
    elapsed_s = time.monotonic() - began
    taken = sum(answer.status == 200 for answer in answers)
    # What each process had taken out of the bucket before may be left.
    assert taken <= 4 * elapsed_s + 2
    refused = next(answer for answer in answers if answer.status != 200)
    assert (refused.status, refused.error_code) == (429, "REQUEST_LIMIT_EXCEEDED")
    assert "the limit is 4 requests a second of this experiment" in refused.json["message"]
    assert int(refused.headers["retry-after"]) == 1
    # Nobody else is held back by it; and it is told what is used.
    assert all(api.call(*elsewhere).status == 200 for api in apis * 10)
    shown = apis[0].call(
        "GET",
        "/api/tracklog/v1/quotas",
        {"scope": "experiment", "subject": experiment_id},
        access.headers("root"),
    )
    (told,) = shown.json["quotas"]
    assert (told["name"], told["limit"]) == ("requests_per_second", 4)
    assert 0 <= told["used"] <= 4
    # What a larger bucket held need not run out of the smaller one first.
    held = "update tracklog_admission.quota set used = 1000000 where scope = 'experiment' and subject = $1"
    access.value(held, experiment_id)
    limit("experiment", experiment_id, "requests_per_second", 1)
    deadline = time.monotonic() + 20
    while "the limit is 1 " not in apis[0].call(*write).json.get("message", ""):
        assert time.monotonic() < deadline, "the limit is not in force"
    # Whoever may not use it uses nothing of it up.
    deadline = time.monotonic() + 20
    while (answer := apis[0].call(*write)).status != 200:
        assert time.monotonic() < deadline
        denied = [api.call(*call[:3], access.headers("stranger")) for api in apis for call in (read, write)]
        assert [answer.status for answer in denied] == [403] * 4
    assert answer.status == 200


@pytest.mark.usefixtures("without_plugin")
def test_mlflows_client_is_told_what_to_do(access, access_api, person, place, limit, monkeypatch):
    experiment_id, run_id = place
    limit("experiment", experiment_id, "run_params", 1)
    limit("experiment", experiment_id, "runs_per_day", 0)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", access.tokens[person[0]])
    client = MlflowClient(access.server.url)
    client.log_param(run_id, "a", 1)
    with refused_with(QUOTA, r"params of this run would be 2, and the limit is 1\. Log structured settings"):
        client.log_param(run_id, "b", 1)
    with refused_with(QUOTA, r"runs of this experiment today .* limit is 0\..* ask an administrator"):
        client.create_run(experiment_id)


def test_the_command_sets_limits_that_hold_at_once_on_every_node(access, apis, person, place):
    _, headers = person
    experiment_id, run_id = place

    def quota(*arguments):
        command = [*tracklog_command(), "quota", *arguments, "--data-dir", str(access.server.data_dir)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    tags = ({"run_id": run_id, "key": f"t{number}", "value": "v"} for number in range(10))
    assert all(api.call("POST", "runs/set-tag", next(tags), headers).status == 200 for api in apis)
    assert quota("set", "run_tags=3", "runs_per_day=9", "--experiment", experiment_id).returncode == 0
    assert all(api.call("POST", "runs/set-tag", next(tags), headers).status == 400 for api in apis)
    shown = quota("show", "--experiment", experiment_id).stdout.splitlines()
    assert [line.split("\t")[1:] for line in shown] == [
        [experiment_id, "run_tags", "3"],
        [experiment_id, "runs_per_day", "9", "used 1", "11.1 %"],
    ]
    assert quota("set", "run_tags=none", "runs_per_day=none", "--experiment", experiment_id).returncode == 0
    assert all(api.call("POST", "runs/set-tag", next(tags), headers).status == 200 for api in apis)
    wrong = quota("set", "run_tugs=3", "--experiment", experiment_id)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)
    assert "There is no limit 'run_tugs'" in wrong.stderr
    assert [e.most for e in events_about(access, experiment_id)] == [3, 9, None, None]


def test_everybody_sees_what_they_use_and_administrators_set_limits(access, access_api, person, place):
    name, headers = person
    experiment_id, run_id = place
    root, quotas = access.headers("root"), "/api/tracklog/v1/quotas"
    body = {"scope": "principal", "subject": name, "limits": {"runs_per_day": 5}}
    assert access_api.call("PUT", quotas, body, headers).status == 403
    assert access_api.call("PUT", quotas, body, root).status == 200
    access_api.call("POST", "runs/create", {"experiment_id": experiment_id}, headers)
    (mine,) = access_api.call("GET", USAGE, None, headers).json["usage"]
    assert (mine["scope"], mine["subject"]) == ("principal", name)
    (limit,) = mine["limits"]
    assert limit == {"name": "runs_per_day", "limit": 5, "used": 2, "percent": 40.0, "nearly_used": False}
    assert access_api.call("GET", USAGE, {"principal": name}, access.headers("reader")).status == 403
    stranger = access.headers("stranger")
    assert access_api.call("GET", USAGE, {"experiment_id": experiment_id}, stranger).status == 403
    assert access_api.call("GET", USAGE, {"run_id": run_id}, access.headers("outsider")).status == 404
    scopes = [found["scope"] for found in access_api.call("GET", USAGE, None, root).json["usage"]]
    assert scopes == ["principal", "workspace"]
    often = {"scope": "experiment", "subject": experiment_id, "limits": {"requests_per_second": 10**6}}
    assert access_api.call("PUT", quotas, often, root).status == 200
    (told,) = access_api.call("GET", USAGE, {"experiment_id": experiment_id}, headers).json["usage"]
    assert ("requests_per_second", 10**6) in {(one["name"], one["limit"]) for one in told["limits"]}
    often["limits"] = {"requests_per_second": None}
    assert access_api.call("PUT", quotas, often, root).json == {"quotas": []}
    body["limits"] = {"runs_per_day": None}
    assert access_api.call("PUT", quotas, body, root).json == {"quotas": []}
    for wrong in ({"runs_per_day": -1}, {"points_per_second": 0}, {"run_points": 10**18}, {"x": 1}):
        answer = access_api.call("PUT", quotas, {**body, "limits": wrong}, root)
        assert (answer.status, answer.error_code) == (400, "INVALID_PARAMETER_VALUE")
