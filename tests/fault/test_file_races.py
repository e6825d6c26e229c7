"""Many write the same file at once, by every way: what is listed is what is there, however they meet."""

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import msgpack

from tests.support.api import Answer, Api, apis_of_workers
from tests.support.server import running_server

NATIVE = "/api/tracklog/v1/artifacts"
TURNS = 12
WRITERS = 6
Write = Callable[[Api, str, bytes], Answer]


def proxied(folder: str) -> Write:
    """As MLflow's client sends a file."""
    return lambda api, path, data: api.call(
        "PUT", f"/api/2.0/mlflow-artifacts/artifacts/{folder}/{path}", data
    )


def bundled(run_id: str) -> Write:
    """As tracklog's client sends a small one."""

    def write(api: Api, path: str, data: bytes) -> Answer:
        file = {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "data": data}
        body = msgpack.packb({"run_id": run_id, "files": [file]})
        return api.call("POST", f"{NATIVE}/bundle", body, {"Content-Type": "application/msgpack"})

    return write


def straight(run_id: str) -> Write:
    """As any native client sends one; somebody else's bytes may be there when it is done, and it is told."""

    def write(api: Api, path: str, data: bytes) -> Answer:
        file = {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        planned = api.call("POST", f"{NATIVE}/uploads", {"run_id": run_id, "files": [file]})
        (plan,) = planned.json["files"]
        url = urlsplit(plan["url"])
        assert api.call("PUT", f"{url.path}?{url.query}", data, plan["headers"]).status == 200
        return api.call("POST", f"{NATIVE}/complete", {"run_id": run_id, "files": [file]})

    return write


def test_what_is_listed_is_what_is_there_however_many_write_it() -> None:
    with running_server(None, "--workers", "2") as server:
        apis = apis_of_workers(server.url, server.pids_by_role()["worker"])
        apis += [Api(server.url) for _ in range(WRITERS - len(apis))]
        experiment_id = apis[0].post("experiments/create", {"name": "races"})["experiment_id"]
        run = apis[0].post("runs/create", {"experiment_id": experiment_id, "start_time": 1})["run"]
        run_id = run["info"]["run_id"]
        ways = [proxied(f"{experiment_id}/{run_id}/artifacts"), bundled(run_id), straight(run_id)]
        for turn in range(TURNS):
            # One way at a time: what some leave behind has readers look, which would hide others' faults.
            _write_at_once(apis, ways[turn % len(ways)], f"d/{turn}")
        for path, listed in _listed(apis[0], run_id).items():
            data = _content(apis[1], run_id, path)
            assert listed == (len(data), hashlib.sha256(data).hexdigest()), path
        assert len(_listed(apis[0], run_id)) == TURNS
        for api in apis:
            api.close()


def _write_at_once(apis: list[Api], way: Write, path: str) -> None:
    """Each connection writes another content to this path."""
    ready = threading.Barrier(len(apis))

    def write(number: int) -> None:
        ready.wait()
        answer = way(apis[number], path, bytes([number]) * (1000 + number))
        assert answer.status == 200, answer.body

    with ThreadPoolExecutor(len(apis)) as threads:
        list(threads.map(write, range(len(apis))))


def _listed(api: Api, run_id: str) -> dict[str, tuple[int, str]]:
    answer = api.call("POST", f"{NATIVE}/list", {"run_id": run_id, "recursive": True})
    return {file["path"]: (file["size"], file["sha256"]) for file in answer.json["files"]}


def _content(api: Api, run_id: str, path: str) -> bytes:
    return api.follow(api.call("GET", "/get-artifact", {"run_id": run_id, "path": path})).body
