"""Clients that write without end and remember what was acknowledged, to hold it against what is read."""

import random
import threading
import traceback
from dataclasses import dataclass, field
from typing import Any

from tests.support.api import Api

Point = tuple[str, int, int, float]
KEYS = ("loss", "acc", "lr/0")


@dataclass
class Remembered:
    """What one run was sent: acknowledged, and sent at all (an answer may have been lost)."""

    run_id: str
    acknowledged: set[Point] = field(default_factory=set)
    sent: set[Point] = field(default_factory=set)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


class Writer(threading.Thread):
    """One client on its own runs, resending as MLflow's does; `problems` are what no fault excuses."""

    def __init__(self, url: str, experiment_id: str, seed: int, patience_s: float) -> None:
        super().__init__(daemon=True)
        self.stopping = threading.Event()
        self.runs: list[Remembered] = []
        self.problems: list[str] = []
        self.requests = 0
        self._url = url
        self._experiment_id = experiment_id
        self._patience_s = patience_s
        self._random = random.Random(seed)
        self._step = 0

    def run(self) -> None:
        """Write until told to stop."""
        try:
            with Api(self._url, timeout_s=20) as api:
                self._create_run(api)
                while not self.stopping.is_set():
                    self._write_something(api)
        except Exception as error:
            self.problems.append("".join(traceback.format_exception(error))[-1500:])

    def _write_something(self, api: Api) -> None:
        chance = self._random.random()
        run = self._random.choice(self.runs)
        if chance < 0.04:
            self._create_run(api)
        elif chance < 0.12:
            self._read_back(api, run)
        elif chance < 0.4:
            self._log_metric(api, run)
        else:
            self._log_batch(api, run)

    def _read_back(self, api: Api, run: Remembered) -> None:
        """Whatever was acknowledged before this read began is in it."""
        data = self._send(api, "runs/get", {"run_id": run.run_id}, "GET")["run"]["data"]
        check_data(data, run)

    def _send(self, api: Api, path: str, fields: Any, method: str = "POST") -> Any:
        self.requests += 1
        answer = api.insist(method, path, fields, patience_s=self._patience_s, seed=self.requests)
        if answer.status != 200:
            raise AssertionError(f"{path}: {answer.status} {answer.body[:300]!r}")
        return answer.json

    def _create_run(self, api: Api) -> None:
        answer = self._send(api, "runs/create", {"experiment_id": self._experiment_id, "start_time": 1})
        self.runs.append(Remembered(answer["run"]["info"]["run_id"]))

    def _point(self) -> Point:
        self._step += 1
        return self._random.choice(KEYS), self._step, 1000 + self._step, self._random.random()

    def _log_metric(self, api: Api, run: Remembered) -> None:
        point = self._point()
        run.sent.add(point)
        self._send(api, "runs/log-metric", {"run_id": run.run_id, **_metric(point)})
        run.acknowledged.add(point)

    def _log_batch(self, api: Api, run: Remembered) -> None:
        points = [self._point() for _ in range(self._random.randrange(1, 60))]
        params = {f"p{self._step}": str(self._step)} if self._random.random() < 0.2 else {}
        tags = {f"t{self._random.randrange(5)}": str(self._step)} if self._random.random() < 0.3 else {}
        run.sent.update(points)
        fields = {
            "run_id": run.run_id,
            "metrics": [_metric(point) for point in points],
            "params": [{"key": key, "value": value} for key, value in params.items()],
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
        }
        self._send(api, "runs/log-batch", fields)
        run.acknowledged.update(points)
        run.params.update(params)
        run.tags.update(tags)


def _metric(point: Point) -> dict[str, Any]:
    key, step, timestamp, value = point
    return {"key": key, "step": step, "timestamp": timestamp, "value": value}


def check_data(data: dict[str, Any], run: Remembered) -> None:
    """What MLflow's RunData says holds everything that was acknowledged."""
    params = {item["key"]: item["value"] for item in data.get("params", [])}
    tags = {item["key"]: item["value"] for item in data["tags"]}
    latest = {item["key"]: item["step"] for item in data.get("metrics", [])}
    assert run.params.items() <= params.items(), "an acknowledged param is not read"
    assert run.tags.items() <= tags.items(), "an acknowledged tag is not read"
    for key, step, _, _ in run.acknowledged:
        assert latest.get(key, 0) >= step, "an acknowledged point is not the latest"


def check(api: Api, run: Remembered) -> None:
    """What is read of `run` is what was acknowledged, each point once, and nothing that was never sent."""
    data = api.get("runs/get", {"run_id": run.run_id})["run"]["data"]
    check_data(data, run)
    read: list[Point] = []
    for key in KEYS:
        fields = {"run_id": run.run_id, "metric_key": key}
        points = api.get("metrics/get-history", fields).get("metrics", [])
        read += [(key, p["step"], p["timestamp"], p["value"]) for p in points]
    assert len(read) == len(set(read)), "a point is there twice"
    assert run.acknowledged <= set(read), "an acknowledged point is lost"
    assert set(read) <= run.sent, "a point is there that nobody sent"
    latest = {item["key"]: item["step"] for item in data.get("metrics", [])}
    assert latest == {key: max(p[1] for p in read if p[0] == key) for key in {p[0] for p in read}}
