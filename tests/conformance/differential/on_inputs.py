"""Calls that say what a run read and made: datasets, models, and MLflow 2's record of a model."""

import json

from tests.conformance.differential import values as v
from tests.conformance.differential.spoil import spoil


def log_inputs(world):
    """runs/log-inputs."""
    name, digest = world.pick(*v.DATASETS)
    dataset = {
        "name": name,
        "digest": digest,
        "source_type": "s",
        "source": "u",
        "schema": "{}",
        "profile": "p",
    }
    if world.chance(0.1):
        dataset |= world.pick({"name": "x" * 500}, {"digest": "x" * 36}, {"source": "x" * 65_535})
    run = world.some("run")
    if world.chance(0.25):
        run = world.scrap["run"]
    spoil(
        world,
        dataset,
        {
            "name": ["x" * 501, "", None, 5],
            "digest": ["x" * 37, "", None],
            "source": ["x" * 65536, "", None],
            "source_type": [None, ""],
        },
        float(run == world.scrap["run"]),
    )
    tags = [{"key": "mlflow.data.context", "value": world.pick(*v.CONTEXTS)}] * world.pick(0, 1, 1)
    if tags and world.chance(0.2):
        run = world.scrap["run"]
        tags = [
            world.deal(
                "bad input tag",
                [
                    {"key": "k" * 255, "value": "v"},
                    {"key": "k" * 256, "value": "v"},
                    {"key": "k", "value": "v" * 500},
                    {"key": "k", "value": "v" * 501},
                    {"key": "k"},
                    {"value": "v"},
                    {},
                    5,
                ],
            )
        ]
    fields = {"run_id": run, "datasets": [{"dataset": dataset, "tags": tags}]}
    if world.chance(0.2):
        fields["models"] = [{"model_id": world.known("model")}]
    world.send("POST runs/log-inputs", fields)


def outputs(world):
    """runs/outputs."""
    models = [{"model_id": world.known("model"), "step": world.pick(0, 1, "2", -1)}] * world.pick(0, 1, 1, 1)
    run = world.some("run")
    if world.chance(0.1):
        run = world.scrap["run"]
        models = world.deal("bad outputs", ["x", [5], [{}], [{"step": 1}], [{"model_id": 5}], None])
    world.send("POST runs/outputs", {"run_id": run, "models": models})


def log_model(world):
    """runs/log-model: MLflow 2's record of a model in a tag."""
    spoiled = world.chance(0.4)
    run = world.scrap["run"] if spoiled else world.some("run")
    model = {
        "run_id": run,
        "artifact_path": "m",
        "utc_time_created": "now",
        "flavors": {"f": {"config": 1, "a": 2}},
    }
    spoil(
        world,
        model,
        {"run_id": [None], "artifact_path": [None], "flavors": [5, None, []], "utc_time_created": [5]},
        float(spoiled),
    )
    text = world.pick(*[json.dumps(model)] * 8, "", "{", "[]", "5", json.dumps({"run_id": run}))
    world.send("POST runs/log-model", {"run_id": run, "model_json": text})
