"""A random script of calls gets the same answers from this server as from MLflow's own SQL store."""

import logging
import math
import random
import tempfile
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

CALLS = 300
KEYS = ["m", "M", "loss", "a/b", "x y", "é", "m-1", "a.b"]
TEXTS = ["1", "aBc", "zzz", "x y", "it's", 'a"b', "a_b", "aXb", "100%", "", "Ünïcode"]
PATTERNS = ["1", "aBc", "abc", "a%", "A%", "%b%", "a_b", "x y", "100%", "", "%", "ünï%"]
VALUES = [0.0, -0.0, 1.0, 0.1 + 0.2, 5e-324, 1e308, -1.5, math.nan, math.inf, -math.inf, 3.0]
STEPS = [0, 0, 1, 2, -1, 2**63 - 1, -(2**63)]
STATUSES = ["RUNNING", "FINISHED", "FAILED", "KILLED", "SCHEDULED"]
NAMES = ["r1", "r2", "R1", "x y"]
NUMBERS = ["0", "1", "0.30000000000000004", "-1.5", "1e308"]
TEXT_TESTS = ["=", "!=", "LIKE", "ILIKE"]
NUMBER_TESTS = ["=", "!=", ">", ">=", "<", "<="]
# SQLite has neither of these: it answers 0.0 and the greatest double.
GREATEST = 1.7976931348623157e308


@pytest.fixture(scope="module")
def mlflow_client():
    """MLflow's client straight on its SQL store, in SQLite."""
    logging.getLogger("alembic").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        client = MlflowClient(f"sqlite:///{Path(folder) / 'mlflow.db'}")
        client.search_experiments()
        yield client


def shown_value(value):
    if math.isinf(value):
        return math.copysign(GREATEST, value)
    return "NaN" if math.isnan(value) else value + 0.0 if value else 0.0


class Script:
    """Makes calls on both sides, whose ids differ: `ids[side]` holds this script's runs or experiments."""

    def __init__(self, seed, theirs, ours, name):
        self.numbers = random.Random(seed)
        self.clients = (theirs, ours)
        self.name = name
        self.experiments, self.runs = [], []

    def pick(self, *choices):
        return self.numbers.choice(choices)

    def both(self, call, show=lambda answer: None):
        """The same call on both sides: `call(client, side)`. Gives both answers when it succeeds."""
        outcomes, answers = [], []
        for side, client in enumerate(self.clients):
            try:
                answers.append(call(client, side))
                outcomes.append(show(answers[-1]))
            except MlflowException as error:
                # MLflow answers a taken name with its database's error.
                taken = "UNIQUE constraint" in str(error)
                outcomes.append("RESOURCE_ALREADY_EXISTS" if taken else error.error_code)
        mlflow_s, ours = outcomes
        assert ours == mlflow_s
        return answers if len(answers) == 2 else None

    def on_run(self, call, show=lambda answer: None):
        if self.runs:
            ids = self.numbers.choice(self.runs)
            self.both(lambda client, side: call(client, ids[side]), show)

    def on_experiment(self, call, show=lambda answer: None):
        ids = self.numbers.choice(self.experiments)
        self.both(lambda client, side: call(client, ids[side]), show)

    def number_of(self, ids, own_id):
        return next(number for number, pair in enumerate(ids) if own_id in pair)

    def shown_run(self, run):
        info, data = run.info, run.data
        return {
            "number": self.number_of(self.runs, info.run_id),
            "info": (info.run_name, info.status, info.start_time, info.end_time, info.lifecycle_stage),
            "metrics": {key: shown_value(value) for key, value in data.metrics.items()},
            "params": data.params,
            "tags": data.tags,
            "datasets": sorted(
                (entry.dataset.name, entry.dataset.digest, sorted(tag.value for tag in entry.tags))
                for entry in run.inputs.dataset_inputs
            ),
        }

    def shown_experiment(self, experiment):
        return experiment.name, experiment.lifecycle_stage, experiment.tags

    def make_experiment(self):
        name, tags = self.experiment_name(), {self.pick(*KEYS): self.pick(*TEXTS)}
        answers = self.both(lambda client, _: client.create_experiment(name, tags=tags))
        self.experiments += [answers] if answers else []

    def experiment_name(self):
        return f"{self.name} {self.pick('e', 'E')}{self.numbers.randrange(6)}"

    def change_experiment(self):
        name, key, value = self.experiment_name(), self.pick(*KEYS), self.pick(*TEXTS)
        change = self.pick(
            lambda client, number: client.rename_experiment(number, name),
            lambda client, number: client.delete_experiment(number),
            lambda client, number: client.restore_experiment(number),
            lambda client, number: client.set_experiment_tag(number, key, value),
            lambda client, number: client.delete_experiment_tag(number, key),
        )
        self.on_experiment(change)
        self.on_experiment(lambda client, number: client.get_experiment(number), self.shown_experiment)

    def make_run(self):
        ids, start = self.numbers.choice(self.experiments), 10 + len(self.runs)
        name, tags = self.pick(*NAMES), {self.pick(*KEYS, "mlflow.runName"): self.pick(*TEXTS, *NAMES)}
        runs = self.both(lambda client, side: client.create_run(ids[side], start, tags, name))
        self.runs += [[run.info.run_id for run in runs]] if runs else []

    def change_run(self):
        key, text, status = self.pick(*KEYS), self.pick(*TEXTS), self.pick(*STATUSES)
        name, value, time = self.pick(None, *NAMES), self.pick(*VALUES), self.numbers.randrange(4)
        step = self.pick(*STEPS)
        metrics = [Metric(self.pick(*KEYS), self.pick(*VALUES), self.pick(0, 1, 2), self.pick(0, 1, 2))
                   for _ in range(self.numbers.randrange(12))]  # fmt: skip
        params = [Param(self.pick(*KEYS), self.pick(*TEXTS)) for _ in range(self.numbers.randrange(3))]
        tags = [RunTag(self.pick(*KEYS), self.pick(*TEXTS)) for _ in range(self.numbers.randrange(3))]
        dataset = Dataset(self.pick("d", "q"), self.pick("x", "y"), "s", "u")
        inputs = [DatasetInput(dataset, [InputTag("mlflow.data.context", self.pick("train", "eval"))])]
        change = self.pick(
            lambda client, run: client.log_metric(run, key, value, time, step),
            lambda client, run: client.log_param(run, key, text),
            lambda client, run: client.set_tag(run, key, text),
            lambda client, run: client.delete_tag(run, key),
            lambda client, run: client.log_batch(run, metrics, params, tags),
            lambda client, run: client.log_batch(run, metrics, params, tags),
            lambda client, run: client.update_run(run, status, name),
            lambda client, run: client.set_terminated(run, status, 77),
            lambda client, run: client.log_inputs(run, inputs),
            lambda client, run: client.delete_run(run),
            lambda client, run: client.restore_run(run),
        )
        self.on_run(change)

    def read_run(self):
        key = self.pick(*KEYS)
        self.on_run(lambda client, run: client.get_run(run), self.shown_run)
        self.on_run(
            lambda client, run: client.get_metric_history(run, key),
            lambda history: [(shown_value(p.value), p.timestamp, p.step) for p in history],
        )

    def search_runs(self):
        ids = self.numbers.sample(self.experiments, self.numbers.randint(1, len(self.experiments)))
        text = " AND ".join(self.condition() for _ in range(self.pick(0, 1, 1, 2)))
        order = [f"{self.order_key()} {self.pick('ASC', 'DESC')}"] if self.pick(0, 1) else []
        view, size = self.pick(1, 2, 3), self.pick(1, 3, 1000)

        def pages(client, side):
            runs, token = [], None
            while True:
                page = client.search_runs([pair[side] for pair in ids], text, view, size, order, token)
                runs += page
                if not (token := page.token):
                    return [self.shown_run(run) for run in runs]

        self.both(pages, lambda runs: runs)

    def condition(self):
        key, text = f"`{self.pick(*KEYS)}`", self.pick(*PATTERNS)
        return self.pick(
            f"metrics.{key} {self.pick(*NUMBER_TESTS)} {self.pick(*NUMBERS)}",
            f'params.{key} {self.pick(*TEXT_TESTS)} "{text}"',
            f'tags.{key} {self.pick(*TEXT_TESTS)} "{text}"',
            f"{self.pick('tags', 'params')}.{key} {self.pick('IS NULL', 'IS NOT NULL')}",
            f"{self.pick('start_time', 'end_time')} {self.pick(*NUMBER_TESTS)} {self.pick(12, 20, 77)}",
            f"status {self.pick(*TEXT_TESTS)} '{self.pick('RUNNING', 'running', 'F%', 'f%')}'",
            f"run_name {self.pick(*TEXT_TESTS)} '{self.pick('r1', 'R%', 'r_')}'",
            f"dataset.{self.pick('name', 'digest', 'context')} {self.pick(*TEXT_TESTS)} "
            f"'{self.pick('d', 'x', 't%', 'D')}'",
            f"dataset.{self.pick('name', 'context')} {self.pick('IN', 'NOT IN')} ('d', 'train')",
        )

    def order_key(self):
        key = f"`{self.pick(*KEYS)}`"
        return self.pick(f"metrics.{key}", f"params.{key}", f"tags.{key}", "status", "end_time", "run_name")


@pytest.mark.parametrize("seed", [1, 2])
def test_a_random_script_gets_mlflow_s_own_answers(client, mlflow_client, new_name, seed):
    script = Script(seed, mlflow_client, client, new_name())
    while len(script.experiments) < 2:
        script.make_experiment()
    steps = [script.make_experiment] + [script.change_experiment] * 2 + [script.make_run] * 4
    steps += [script.change_run] * 18 + [script.read_run] * 4 + [script.search_runs] * 8
    for _ in range(CALLS):
        script.numbers.choice(steps)()
