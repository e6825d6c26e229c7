"""What authentication costs: one server without and one with it side by side, called in turn, block by block.

    python -m tests.bench.access_cost

Whatever else the machine does meanwhile, it does to both.
"""

import json
import statistics
import time
from typing import Any

import psutil

from tests.support.access import Access
from tests.support.api import Api
from tests.support.server import Server, running_server

CALLS = (
    ("runs/log-metric", {"key": "m", "value": 1.0, "timestamp": 1, "step": 1}, 100, 80),
    (
        "runs/log-batch",
        {"metrics": [{"key": f"k{i}", "value": float(i), "timestamp": 1, "step": 1} for i in range(1000)]},
        10,
        40,
    ),
)


class Side:
    """A server, and a client that logs to a run on it."""

    def __init__(self, server: Server, *, auth: bool) -> None:
        self._api = Api(server.url)
        self._headers: dict[str, str] = {}
        if auth:
            access = Access(server)
            access.make_principal("logger")
            self._headers = access.headers("logger")
        self._worker = psutil.Process(server.pids_by_role()["worker"][0])
        experiment = self._call("experiments/create", {"name": "cost"})["experiment_id"]
        run = self._call("runs/create", {"experiment_id": experiment})
        self._run_id = run["run"]["info"]["run_id"]

    def _call(self, path: str, fields: Any) -> Any:
        answer = self._api.call("POST", path, fields, self._headers)
        assert answer.status == 200, answer.body
        return answer.json

    def block(self, path: str, fields: dict[str, Any], calls: int) -> tuple[float, float]:
        """Microseconds a call: of the worker's processor, and until the answer."""
        body = json.dumps({"run_id": self._run_id, **fields}).encode()
        before, begun = self._worker.cpu_times(), time.perf_counter()
        for _ in range(calls):
            assert self._api.call("POST", path, body, self._headers).status == 200
        took, after = time.perf_counter() - begun, self._worker.cpu_times()
        cpu = after.user + after.system - before.user - before.system
        return cpu / calls * 1e6, took / calls * 1e6


def main() -> None:
    """Measure and print."""
    with running_server() as without, running_server(None, "--auth") as with_auth:
        sides = [Side(without, auth=False), Side(with_auth, auth=True)]
        for path, fields, calls, blocks in CALLS:
            found: list[list[tuple[float, float]]] = [[], []]
            for number in range(blocks):
                for which in (0, 1) if number % 2 else (1, 0):
                    found[which].append(sides[which].block(path, fields, calls))
            cpu = [statistics.fmean(block[0] for block in of_side) for of_side in found]
            took = [statistics.median(block[1] for block in of_side) for of_side in found]
            more = [after / before - 1 for before, after in (cpu, took)]
            print(f"{path}: processor {cpu[0]:.0f} us a call, with tokens {cpu[1]:.0f} ({more[0]:+.1%});")
            print(f"  answered after {took[0]:.0f} us, and {took[1]:.0f} ({more[1]:+.1%})")


if __name__ == "__main__":
    main()
