"""Calls that make and change runs, and log to them."""

from tests.conformance.differential import values as v
from tests.conformance.differential.on_inputs import log_inputs, outputs
from tests.conformance.differential.spoil import spoil

RESENT = (
    "POST runs/log-metric",
    "POST runs/log-batch",
    "POST runs/log-inputs",
    "POST runs/outputs",
    "POST runs/set-tag",
)


def create(world):
    """runs/create; no two runs start at the same time, since equal ones are ordered by ids."""
    fields = {"experiment_id": world.some("experiment"), "start_time": 10 + world.number()}
    if world.chance(0.7):
        fields["run_name"] = world.pick(*v.RUN_NAMES)
    if world.chance(0.4):
        fields["user_id"] = world.pick(*v.USERS, "u" * 256)
    if world.chance(0.5):
        keys = world.random.sample(v.KEYS, world.pick(1, 2))
        fields["tags"] = [{"key": key, "value": world.deal("text", v.TEXTS)} for key in keys]
    if world.chance(0.15):
        name = world.pick(*v.RUN_NAMES)
        fields.setdefault("tags", []).append({"key": "mlflow.runName", "value": name})
    if world.chance(0.1):
        field, value = world.deal(
            "bad run",
            [("start_time", "x"), ("start_time", 2**63), ("start_time", []), ("run_name", 5), ("user_id", 5),
             ("tags", "x"), ("tags", [5]), ("tags", [{"key": "a#"}]), ("tags", [{"key": ""}]), ("tags", [{}]),
             ("tags", [{"key": "m", "value": "1"}, {"key": "m", "value": "2"}]), ("tags",
             [{"key": "k" * 251}]),
             ("tags", [{"key": "mlflow.runName", "value": ""}]),
             ("experiment_id", None), ("experiment_id", 5), ("experiment_id", "abc"), ("run_name", {})],
        )  # fmt: skip
        fields |= {"experiment_id": world.scrap["experiment"]} | {field: value}
        if world.send("POST runs/create", fields, makes="run"):
            world.made["run"].pop()
        return
    if world.chance(0.1) and isinstance(fields["start_time"], int):
        fields["start_time"] = str(fields["start_time"])
    answers = world.send("POST runs/create", fields, makes="run")
    if answers and not fields.get("run_name"):
        # A random name would stand elsewhere on either side when runs are ordered by name.
        world.send(
            "POST runs/update", {"run_id": world.made["run"][-1], "run_name": world.pick(*v.RUN_NAMES)}
        )


def update(world):
    """runs/update."""
    fields = {world.pick("run_id", "run_id", "run_uuid"): world.some("run")}
    if world.chance(0.7):
        fields["status"] = world.pick(*v.STATUSES, *v.STATUSES)
    if world.chance(0.5):
        fields["end_time"] = world.pick(12, 20, 77, "99", 0, -1, 2**63 - 1)
    if world.chance(0.4):
        fields["run_name"] = world.pick(*v.RUN_NAMES, "", "n" * 250, "n" * 8000)
    if world.chance(0.1):
        # On a run of its own: the answer shows the run, and MLflow may have taken half of an earlier call.
        bad = {"status": [*v.ODD_STATUSES, 3], "end_time": v.BAD_STEPS, "run_name": [5, []]}
        field = world.pick(*bad)
        fields = {"run_id": world.new_scrap_run(), field: world.deal(f"bad {field}", bad[field])}
    world.send("POST runs/update", fields)


def delete(world):
    """runs/delete, mostly followed by a few calls on what is deleted, and its restoring."""
    run = {"run_id": world.some("run")}
    world.send("POST runs/delete", run)
    if world.chance(0.3):
        return
    for _ in range(world.pick(0, 1, 3)):
        action = world.pick(
            log_metric, log_param, set_tag, delete_tag, log_batch, log_inputs, outputs, update
        )
        action(_Only(world, run["run_id"]))
    world.send("POST runs/restore", run)


def restore(world):
    """runs/restore."""
    world.send("POST runs/restore", {"run_id": world.some("run")})


def log_metric(world):
    """runs/log-metric."""
    fields = {world.pick("run_id", "run_id", "run_uuid"): world.some("run"), **_metric(world)}
    spoils = {"key": v.BAD_KEYS, "value": v.BAD_NUMBERS, "timestamp": v.BAD_TIMES, "step": v.BAD_STEPS}
    if not spoil(world, fields, spoils) and world.chance(0.1):
        fields |= {"model_id": world.known("model"), "timestamp": world.number()}
        # MLflow keeps NaN of a model as 0.
        fields["value"] = world.deal("model number", [*v.NUMBERS, *v.INFINITIES])
    world.send("POST runs/log-metric", fields)


def log_nan(world):
    """runs/log-metric of NaN as the latest point of a metric that searches often ask for."""
    key, run = world.pick(*v.COMMON_KEYS), world.known("run")
    fields = {"key": key, "value": "NaN", "timestamp": world.number(), "step": 9}
    world.send("POST runs/log-metric", {"run_id": run, **fields})


def log_tied(world):
    """Points of one key, time and step, in one call or more; and the run, with what counts as the latest."""
    run, number = world.known("run"), world.number()
    values = [world.pick("NaN", "NaN", 0, -0.0, -1.5) for _ in range(world.pick(2, 3))]
    points = [{"key": "tied", "value": value, "timestamp": number, "step": number} for value in values]
    for metrics in world.pick([points], [points[:1], points[1:]]):
        world.send("POST runs/log-batch", {"run_id": run, "metrics": metrics})
    world.send("GET runs/get", {"run_id": run})


def log_again(world):
    """A write of this round sent again, as clients do that lost the answer; and what is there of it then."""
    sent = [step.call for step in world.pair.steps if step.call.endpoint in RESENT]
    if not sent:
        return
    call = world.random.choice(sent)
    answers = world.send(call.endpoint, call.fields)
    points = call.fields.get("metrics", [call.fields] if "timestamp" in call.fields else [])
    if answers and points:
        run = {name: call.fields[name] for name in ("run_id", "run_uuid") if name in call.fields}
        world.send("GET metrics/get-history", {**run, "metric_key": world.pick(*points)["key"]})


def log_param(world):
    """runs/log-parameter."""
    fields = {"run_id": world.some("run"), **_tag(world)}
    if world.chance(0.1):
        fields["value"] = world.deal("long text", v.LONG_TEXTS)
    spoil(world, fields, {"key": v.BAD_KEYS, "value": [*v.BAD_TEXTS, *v.BAD_CHARACTERS, None]})
    world.send("POST runs/log-parameter", fields)


def set_tag(world):
    """runs/set-tag."""
    fields = {"run_id": world.some("run"), **_tag(world)}
    if world.chance(0.1):
        fields["key"], fields["value"] = "mlflow.runName", world.pick(*v.RUN_NAMES, "")
    if world.chance(0.1):
        fields["value"] = world.deal("long text", v.LONG_TEXTS)
    spoil(world, fields, {"key": v.BAD_KEYS, "value": [*v.BAD_TEXTS, *v.BAD_CHARACTERS, None]})
    world.send("POST runs/set-tag", fields)


def delete_tag(world):
    """runs/delete-tag."""
    fields = {"run_id": world.some("run"), "key": world.deal("key", v.KEYS)}
    spoil(world, fields, {"key": v.BAD_KEYS})
    world.send("POST runs/delete-tag", fields)


def log_batch(world):
    """runs/log-batch of ordinary sizes, at times with something refused in it."""
    fields = {
        "run_id": world.some("run"),
        "metrics": [_metric(world) for _ in range(world.random.randrange(12))],
        "params": [{"key": f"p{world.random.randrange(9)}", "value": world.pick("1", "1", "1", "2",
        "aBc")} for _ in range(world.pick(0, 1, 2))],
        "tags": [_tag(world) for _ in range(world.pick(0, 1, 3))],
    }  # fmt: skip
    for kind, spoils in (
        (
            "metrics",
            {"key": v.BAD_KEYS, "value": v.BAD_NUMBERS, "timestamp": v.BAD_TIMES, "step": v.BAD_STEPS},
        ),
        ("params", {"key": v.BAD_KEYS, "value": [*v.BAD_TEXTS, *v.BAD_CHARACTERS]}),
        ("tags", {"key": v.BAD_KEYS, "value": [*v.BAD_TEXTS, *v.BAD_CHARACTERS]}),
    ):
        if fields[kind] and world.chance(0.05):
            spoil(world, world.pick(*fields[kind]), spoils, 1)
            fields["run_id"] = world.new_scrap_run()
        if world.chance(0.02):
            fields["run_id"] = world.new_scrap_run()
            fields[kind] = world.deal("bad list", ["x", 5, {}, [5], ["x"], [None], [[]], None])
    world.send("POST runs/log-batch", fields)


def log_batch_at_its_limits(world):
    """runs/log-batch of just as many items as are taken, or one more."""
    metrics, params, tags = world.deal(
        "batch sizes",
        [(1000, 0, 0), (1001, 0, 0), (0, 100, 0), (0, 101, 0), (0, 0, 100), (0, 0, 101), (800, 100, 100),
         (801, 100, 100), (900, 100, 1), (0, 0, 0), (1001, 101, 101)],
    )  # fmt: skip
    number = world.number()
    fields = {
        "run_id": world.some("run"),
        "metrics": [
            {"key": "series", "value": step / 7, "timestamp": step, "step": step} for step in range(metrics)
        ],
        "params": [{"key": f"q{number}-{index}", "value": str(index)} for index in range(params)],
        "tags": [{"key": f"q{index}", "value": str(index)} for index in range(tags)],
    }
    if world.chance(0.15) and params:
        fields["params"][-1] = fields["params"][0]
    world.send("POST runs/log-batch", fields)


class _Only:
    """The world with one run in it."""

    def __init__(self, world, run):
        self._world, self._run = world, run

    def some(self, kind):
        return self._run if kind == "run" else self._world.some(kind)

    def __getattr__(self, name):
        return getattr(self._world, name)


def _metric(world):
    number = world.deal("odd number", v.ODD_NUMBERS) if world.chance(0.2) else world.deal("number", v.NUMBERS)
    fields = {
        "key": world.pick(*v.COMMON_KEYS) if world.chance(0.4) else world.deal("metric key", v.KEYS),
        "value": number,
        "timestamp": _mostly(world, "time", v.TIMES, v.EXTREME_TIMES),
    }
    return fields | ({"step": _mostly(world, "step", v.STEPS, v.EXTREME_STEPS)} if world.chance(0.8) else {})


def _mostly(world, name, ordinary, extreme):
    return world.deal(f"extreme {name}", extreme) if world.chance(0.04) else world.deal(name, ordinary)


def _tag(world):
    common = world.chance(0.5)
    return {
        "key": world.pick(*v.COMMON_KEYS) if common else world.deal("key", v.KEYS),
        "value": world.pick(*v.COMMON_TEXTS) if common else world.deal("text", v.TEXTS),
    }
