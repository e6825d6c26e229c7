"""A random load of every kind of write about traces, and all that can be asked about them afterwards."""

import random
from collections.abc import Callable
from typing import Any

from tests.support.api import Api
from tests.support.otlp import NOON_NS, export, new_trace, request, span, trace_id_of

TRACES = "/api/3.0/mlflow/traces"
TRACES_2 = "/api/2.0/mlflow/traces"
FILTERS = (
    "",
    "tags.t = '1' OR status = 'ERROR'",
    "span.name = 's1' AND NOT feedback.good = 'true'",
    "metadata.`mlflow.trace.tokenUsage` IS NOT NULL",
    "expectation.wanted LIKE '%2%'",
)
ORDERS = ((), ("execution_time DESC",), ("tags.t", "request_id"))


class TraceLoad:
    """The load on one server; `run_ids` are runs to link traces to."""

    def __init__(self, url: str, api: Api, chance: random.Random, run_ids: list[str]) -> None:
        self.experiments = [
            api.post("experiments/create", {"name": f"traces {number}"})["experiment_id"]
            for number in range(2)
        ]
        self._url, self._api, self._random, self._run_ids = url, api, chance, run_ids
        self._traces = [new_trace() for _ in range(12)]
        self._assessments: list[tuple[str, str]] = []

    def run(self, operations: int) -> None:
        """Do so many things."""
        actions = (
            (self._spans, 12), (self._start, 6), (self._tag, 6), (self._assess, 6), (self._change, 4),
            (self._link, 2), (self._delete, 1), (self._version_2, 2),
        )  # fmt: skip
        choices, weights = zip(*actions, strict=True)
        for action in self._random.choices(choices, weights, k=operations):
            action()

    def ask(self, ask: Callable[[str, str, Any], bytes]) -> None:
        """Ask everything, `ask` taking method, path and fields."""
        for filter_text in FILTERS:
            for order in ORDERS:
                places = [{"mlflow_experiment": {"experiment_id": number}} for number in self.experiments]
                fields = {
                    "locations": places,
                    "filter": filter_text,
                    "order_by": list(order),
                    "max_results": 500,
                }
                ask("POST", f"{TRACES}/search", fields)
        for trace_id in map(trace_id_of, self._traces):
            ask("GET", f"{TRACES}/{trace_id}", None)
            ask("GET", f"{TRACES}/batchGet", {"trace_ids": [trace_id]})
            ask("GET", "/ajax-api/2.0/mlflow/get-trace-artifact", {"request_id": trace_id})
        for run_id in self._run_ids:
            places = [{"mlflow_experiment": {"experiment_id": number}} for number in self.experiments]
            ask("POST", f"{TRACES}/search", {"locations": places, "filter": f"run_id = '{run_id}'"})

    def _send(self, method: str, path: str, fields: Any) -> Any:
        """The answer's JSON. Refusals are part of the load; failures are not."""
        answer = self._api.call(method, path, fields)
        assert answer.status < 500, f"{path} {fields}: {answer.status} {answer.body!r}"
        return answer.json

    def _trace(self) -> int:
        return self._random.choice(self._traces)

    def _spans(self) -> None:
        spans = []
        for _ in range(self._random.randrange(1, 6)):
            number = self._random.randrange(1, 6)
            attributes: dict[str, Any] = {"n": self._random.random()}
            if self._random.random() < 0.4:
                count = self._random.randrange(9)
                attributes["mlflow__chat__tokenUsage"] = {"input_tokens": count, "total_tokens": count}
                attributes["mlflow__llm__cost"] = {"total_cost": count / 3}
            if self._random.random() < 0.2:
                attributes.update(session__id=f"s{number}", user__id="ada", mlflow__traceTag__t=str(number))
            start_ns = NOON_NS + self._random.randrange(10**10)
            parent = 0 if number == 1 else self._random.randrange(1, number)
            error = self._random.random() < 0.2
            spans.append(
                span(
                    self._trace(),
                    number,
                    parent,
                    name=f"s{number}",
                    start_ns=start_ns,
                    error=error,
                    **attributes,
                )
            )
        experiment = self._random.choice(self.experiments)
        assert export(self._url, request(*spans, service__name="shop"), experiment) in (200, 400)

    def _start(self) -> None:
        info = {
            "trace_id": trace_id_of(self._trace()),
            "trace_location": {"mlflow_experiment": {"experiment_id": self._random.choice(self.experiments)}},
            "request_time": f"2023-11-14T22:13:{self._random.randrange(10, 60)}.250Z",
            "state": self._random.choice(["OK", "ERROR", "IN_PROGRESS"]),
            "tags": {"t": str(self._random.randrange(3))},
            "trace_metadata": {
                "mlflow.trace.tokenUsage": f'{{"output_tokens": {self._random.randrange(5)}}}'
            },
        }
        if self._random.random() < 0.7:
            info["execution_duration"] = f"{self._random.randrange(5)}.125s"
        self._send("POST", TRACES, {"trace": {"trace_info": info}})

    def _tag(self) -> None:
        path, key = f"{TRACES}/{trace_id_of(self._trace())}/tags", self._random.choice(["t", "u"])
        if self._random.random() < 0.3:
            self._send("DELETE", path, {"key": key})
        else:
            self._send("PATCH", path, {"key": key, "value": str(self._random.randrange(3))})

    def _assess(self) -> None:
        trace_id = trace_id_of(self._trace())
        said: dict[str, Any] = {"assessment_name": "good", "feedback": {"value": self._random.random() < 0.5}}
        if self._random.random() < 0.4:
            said = {"assessment_name": "wanted", "expectation": {"value": self._random.randrange(30)}}
        if self._assessments and self._random.random() < 0.3:
            said["overrides"] = self._random.choice(self._assessments)[1]
        answer = self._send("POST", f"{TRACES}/{trace_id}/assessments", {"assessment": said})
        if "assessment" in answer:
            self._assessments.append((trace_id, answer["assessment"]["assessment_id"]))

    def _change(self) -> None:
        if not self._assessments:
            return
        trace_id, assessment_id = self._random.choice(self._assessments)
        path = f"{TRACES}/{trace_id}/assessments/{assessment_id}"
        if self._random.random() < 0.4:
            self._send("DELETE", path, None)
        else:
            changed = {"rationale": str(self._random.random())}
            self._send("PATCH", path, {"assessment": changed, "update_mask": "rationale"})

    def _link(self) -> None:
        fields = {"trace_ids": [trace_id_of(self._trace())], "run_id": self._random.choice(self._run_ids)}
        self._send("POST", f"{TRACES_2}/link-to-run", fields)

    def _delete(self) -> None:
        fields: dict[str, Any] = {"experiment_id": self._random.choice(self.experiments)}
        if self._random.random() < 0.5:
            fields["request_ids"] = [trace_id_of(self._trace()) for _ in range(3)]
        else:
            fields |= {"max_timestamp_millis": NOON_NS // 10**6 + 5000, "max_traces": 2}
        self._send("POST", f"{TRACES_2}/delete-traces", fields)

    def _version_2(self) -> None:
        fields = {"experiment_id": self.experiments[0], "timestamp_ms": self._random.randrange(10**12)}
        begun = self._send("POST", TRACES_2, fields)["trace_info"]
        ended = {"timestamp_ms": self._random.randrange(10**12), "status": "OK"}
        self._send("PATCH", f"{TRACES_2}/{begun['request_id']}", ended)
