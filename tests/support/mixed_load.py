"""A random load of every kind of write over REST, valid and refused: what a rebuild must repeat."""

import json
import random
from collections import defaultdict
from typing import Any

from tests.support.api import Api

VALUES = (0.0, -0.0, 1.5, -3.25, 1e300, 5e-324, "NaN", "Infinity", "-Infinity")
WIDE_KEYS = 2500
LONG_POINTS = 20_000


class MixedLoad:
    """The load on one server, and the ids of what it made."""

    def __init__(self, api: Api, chance: random.Random) -> None:
        self.experiments: list[str] = []
        self.keys: dict[str, set[str]] = defaultdict(set)
        self.models: list[str] = []
        self._api = api
        self._random = chance
        self._number = 0
        self._actions = (
            (self._create_run, 8),
            (self._log_batch, 30),
            (self._log_metric, 15),
            (self._log_param, 8),
            (self._tag, 12),
            (self._update_run, 8),
            (self._run_lifecycle, 4),
            (self._experiment, 5),
            (self._inputs, 5),
            (self._model, 6),
            (self._record_model, 2),
            (self._wide_or_long, 1),
        )

    def run(self, operations: int) -> None:
        """Do so many things."""
        while len(self.experiments) < 3:
            self._create_experiment()
        while len(self.keys) < 3:
            self._create_run()
        actions, weights = zip(*self._actions, strict=True)
        for action in self._random.choices(actions, weights, k=operations):
            action()

    def _send(self, path: str, fields: Any, method: str = "POST") -> Any:
        """The answer's JSON. Refusals are part of the load; failures are not."""
        answer = self._api.call(method, path, fields)
        assert answer.status < 500, f"{path} {fields}: {answer.status} {answer.body!r}"
        return answer.json

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _run(self) -> str:
        return self._random.choice(list(self.keys))

    def _create_experiment(self) -> None:
        tags = [{"key": "e", "value": str(self._next())}] if self._random.random() < 0.5 else []
        answer = self._send("experiments/create", {"name": f"x{self._next()}", "tags": tags})
        self.experiments.append(answer["experiment_id"])

    def _create_run(self) -> None:
        fields = {
            "experiment_id": self._random.choice(self.experiments),
            "start_time": self._random.randrange(20),
            "user_id": self._random.choice(["", "me"]),
            "tags": [{"key": "t1", "value": self._random.choice(["a", "b", "ca"])}],
        }
        answer = self._send("runs/create", fields)
        if "run" in answer:
            self.keys[answer["run"]["info"]["run_id"]] = set()

    def _metric(self, run_id: str, key: str | None = None) -> dict[str, Any]:
        key = key or self._random.choice(["loss", "acc", "a/b", "é"])
        self.keys[run_id].add(key)
        value = self._random.choice([*VALUES, self._random.random(), self._random.gauss(0, 1)])
        step, timestamp = self._random.randrange(-5, 60), self._random.randrange(50)
        if self._random.random() < 0.2:
            # Many points that are the latest but for their value, among them 0, -0 and NaN.
            step, timestamp, value = 60, 50, self._random.choice(["NaN", 0.0, -0.0, -1.0])
        return {"key": key, "value": value, "timestamp": timestamp, "step": step}

    def _log_metric(self) -> None:
        run_id = self._run()
        fields = self._metric(run_id)
        if self.models and self._random.random() < 0.2:
            fields["model_id"] = self._random.choice(self.models)
        self._send("runs/log-metric", {"run_id": run_id, **fields})

    def _log_batch(self) -> None:
        run_id = self._run()
        metrics = [self._metric(run_id) for _ in range(self._random.randrange(40))]
        fields = {
            "run_id": run_id,
            "metrics": metrics + metrics[: self._random.randrange(5)],
            "params": [{"key": f"p{self._random.randrange(4)}", "value": str(self._random.randrange(2))}],
            "tags": [{"key": f"t{n}", "value": self._random.choice("abc")} for n in range(3)],
        }
        self._send("runs/log-batch", fields)

    def _log_param(self) -> None:
        fields = {"key": f"p{self._random.randrange(6)}", "value": str(self._random.randrange(2))}
        self._send("runs/log-parameter", {"run_id": self._run(), **fields})

    def _tag(self) -> None:
        key = self._random.choice(["t1", "t2", "t3", "mlflow.runName"])
        if self._random.random() < 0.3:
            self._send("runs/delete-tag", {"run_id": self._run(), "key": key})
        else:
            value = self._random.choice(["", "a", "é" * 40, "x" * 9000])
            self._send("runs/set-tag", {"run_id": self._run(), "key": key, "value": value})

    def _update_run(self) -> None:
        fields: dict[str, Any] = {"run_id": self._run()}
        if self._random.random() < 0.7:
            fields["status"] = self._random.choice(["RUNNING", "FINISHED", "FAILED", "KILLED"])
        if self._random.random() < 0.7:
            fields["end_time"] = self._random.randrange(100)
        if self._random.random() < 0.3:
            fields["run_name"] = f"n{self._next()}"
        self._send("runs/update", fields)

    def _run_lifecycle(self) -> None:
        self._send(f"runs/{self._random.choice(['delete', 'restore', 'restore'])}", {"run_id": self._run()})

    def _experiment(self) -> None:
        experiment_id = self._random.choice(self.experiments)
        fields = {"experiment_id": experiment_id}
        match self._random.randrange(6):
            case 0:
                self._create_experiment()
            case 1:
                self._send("experiments/update", {**fields, "new_name": f"r{self._next()}"})
            case 2:
                self._send("experiments/delete", fields)
                self._send("experiments/restore", fields)
            case 3:
                self._send(
                    "experiments/set-experiment-tag", {**fields, "key": "k", "value": str(self._next())}
                )
            case 4:
                self._send("experiments/delete-experiment-tag", {**fields, "key": "k"})
            case 5 if len(self.experiments) > 4:
                self._send("experiments/delete", fields)

    def _inputs(self) -> None:
        dataset = {"name": f"d{self._random.randrange(3)}", "digest": "x", "source_type": "s", "source": "u"}
        tags = [{"key": "mlflow.data.context", "value": self._random.choice(["train", "eval"])}]
        models = [{"model_id": model} for model in self.models[:1]]
        fields = {"datasets": [{"dataset": dataset, "tags": tags}], "models": models}
        self._send("runs/log-inputs", {"run_id": self._run(), **fields})

    def _model(self) -> None:
        if not self.models or self._random.random() < 0.3:
            run_id, experiment_id = self._run(), self._random.choice(self.experiments)
            fields = {"experiment_id": experiment_id, "name": f"m{self._next()}", "source_run_id": run_id}
            answer = self._send("logged-models", fields)
            if "model" in answer:
                self.models.append(answer["model"]["info"]["model_id"])
                self._send(
                    "runs/outputs", {"run_id": run_id, "models": [{"model_id": self.models[-1], "step": 1}]}
                )
            return
        model_id = self._random.choice(self.models)
        match self._random.randrange(3):
            case 0:
                fields = {"model_id": model_id, "status": self._random.choice([2, 3])}
                self._send(f"logged-models/{model_id}", fields, "PATCH")
            case 1:
                tags = [{"key": "mt", "value": str(self._next())}]
                self._send(f"logged-models/{model_id}/tags", {"tags": tags}, "PATCH")
            case 2 if self._random.random() < 0.3:
                self._send(f"logged-models/{model_id}", None, "DELETE")

    def _record_model(self) -> None:
        """MLflow 2's record of a model, kept in a tag that grows."""
        run_id = self._run()
        model = {"run_id": run_id, "artifact_path": "m", "utc_time_created": "now", "flavors": {}}
        model["model_uuid"] = str(self._next())
        self._send("runs/log-model", {"run_id": run_id, "model_json": json.dumps(model)})

    def _wide_or_long(self) -> None:
        """A run of many keys, or a series long enough for chunks of its own."""
        run_id = self._run()
        if self._random.random() < 0.5:
            metrics = [self._metric(run_id, f"w{number:04}") for number in range(WIDE_KEYS)]
        else:
            self.keys[run_id].add("long")
            order = list(range(LONG_POINTS))
            if self._random.random() < 0.5:
                self._random.shuffle(order)
            metrics = [{"key": "long", "value": n / 7, "timestamp": n, "step": n} for n in order]
        for begin in range(0, len(metrics), 1000):
            self._send("runs/log-batch", {"run_id": run_id, "metrics": metrics[begin : begin + 1000]})
