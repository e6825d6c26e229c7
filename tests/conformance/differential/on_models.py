"""Calls on logged models."""

from tests.conformance.differential import values as v
from tests.conformance.differential.names import quoted
from tests.conformance.differential.searching import (
    BAD_FILTERS,
    BAD_ORDERS,
    INCOMPARABLE_ORDERS,
    NUMERIC,
    comparison,
    order_entry,
)

MODEL = "{model_id}"


def create(world):
    """POST logged-models."""
    fields = {"experiment_id": world.some("experiment"), "name": world.pick(*v.MODEL_NAMES)}
    if world.chance(0.6):
        fields["model_type"] = world.pick(*v.MODEL_TYPES)
    if world.chance(0.5):
        fields["source_run_id"] = world.known("run")
    for kind in ("params", "tags"):
        if world.chance(0.5):
            keys = world.random.sample(v.KEYS, world.pick(1, 2))
            fields[kind] = [{"key": key, "value": world.deal("text", v.TEXTS)} for key in keys]
    if world.chance(0.1):
        fields["name"] = world.deal("bad model name", [*v.BAD_MODEL_NAMES, 5])
    world.send("POST logged-models", fields, makes="model")


def get(world):
    """GET logged-models/{model_id}."""
    fields = world.pick(
        None, None, {"allow_deleted": "true"}, {"allow_deleted": "false"}, {"allow_deleted": True}
    )
    deleted = world.deleted_models
    _send(world, "GET", "", fields, world.pick(*deleted) if deleted and world.chance(0.3) else None)


def finalize(world):
    """PATCH logged-models/{model_id}."""
    model = world.some("model")
    status = world.pick(2, 3, 2, "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED", 1, 0)
    if world.chance(0.1):
        model, status = world.scrap["model"], world.pick(7, None, "NOPE", [], "x")
    _send(world, "PATCH", "", {"model_id": model, "status": status}, model)


def delete(world):
    """DELETE logged-models/{model_id}; what is deleted is only read afterwards."""
    if world.chance(0.4):
        model = world.some("model")
        _send(world, "DELETE", "", model=model)
        if model in world.made["model"] and len(world.made["model"]) > 1:
            world.made["model"].remove(model)
            world.deleted_models.append(model)


def write_to_deleted(world):
    """Writes to a model that is deleted."""
    model = world.scrap["deleted model"]
    match world.pick("finalize", "tags", "params", "delete", "delete tag"):
        case "finalize":
            _send(world, "PATCH", "", {"model_id": model, "status": 2}, model)
        case "tags":
            _send(world, "PATCH", "/tags", {"tags": [{"key": "m", "value": "1"}]}, model)
        case "params":
            _send(
                world,
                "POST",
                "/params",
                {"model_id": model, "params": [{"key": f"n{world.number()}", "value": "1"}]},
                model,
            )
        case "delete":
            _send(world, "DELETE", "", None, model)
        case "delete tag":
            _send(world, "DELETE", "/tags/{key}", None, model, key="m")


def set_tags(world):
    """PATCH logged-models/{model_id}/tags."""
    tags = [
        {"key": world.deal("key", v.KEYS), "value": world.deal("text", v.TEXTS)}
        for _ in range(world.pick(0, 1, 2))
    ]
    if tags and world.chance(0.05):
        tags[0]["value"] = "x" * 8000
    model = None
    if world.chance(0.1):
        model = world.scrap["model"]
        tags = world.deal(
            "bad model tags",
            [
                "x",
                [5],
                [{"key": "k" * 251, "value": ""}],
                [{"key": "#"}],
                [{"key": "k", "value": 5}],
                [{"key": "k", "value": "x" * 8001}],
            ],
        )
    _send(world, "PATCH", "/tags", {"tags": tags}, model)


def delete_tag(world):
    """DELETE logged-models/{model_id}/tags/{key}."""
    key = world.pick("m", "M", "loss", "é", "x y", "nope")
    _send(world, "DELETE", "/tags/{key}", None, key=key)


def log_params(world):
    """POST logged-models/{model_id}/params."""
    model = world.some("model")
    params = [
        {"key": f"n{world.number()}", "value": world.deal("text", v.TEXTS)} for _ in range(world.pick(1, 2))
    ]
    _send(world, "POST", "/params", {"model_id": model, "params": params}, model)


def log_metrics(world):
    """runs/log-batch and log-metric with metrics of a model, some on a dataset."""
    metrics = []
    for _ in range(world.pick(1, 2, 3)):
        metric = {
            "key": world.pick("m", "M", "loss"),
            "value": world.deal("model number", [*v.NUMBERS, *v.INFINITIES]),
            "timestamp": world.number(),
        }
        metric |= {"step": world.pick(0, 1, 2), "model_id": world.known("model")}
        if world.chance(0.5):
            metric["dataset_name"], metric["dataset_digest"] = world.pick(*v.DATASETS)
        metrics.append(metric)
    world.send("POST runs/log-batch", {"run_id": world.some("run"), "metrics": metrics})


def search(world):
    """logged-models/search, to the last page."""
    experiments = world.random.sample(
        world.made["experiment"], world.random.randint(1, len(world.made["experiment"]))
    )
    fields, covers, unordered = {"experiment_ids": experiments}, set(), False
    if world.chance(0.8):
        parts = [
            comparison(world.random, world.decks, "models", world.known) for _ in range(world.pick(1, 1, 2))
        ]
        fields["filter"] = world.pick(" AND ", " and ").join(text for text, _ in parts)
        covers |= {covered for _, covered in parts}
    if world.chance(0.5):
        identifier, ascends, covered = order_entry(world.random, world.decks, "models")
        fields["order_by"] = [{"field_name": identifier, "ascending": ascends}]
        unordered = identifier in INCOMPARABLE_ORDERS
        covers.add(covered)
    if world.chance(0.3):
        name, digest = world.pick(*v.DATASETS)
        fields["datasets"] = [{"dataset_name": name, "dataset_digest": digest}]
    # Where MLflow finds other models, whole answers are compared.
    if not unordered and not any("filter status" in name for name in covers):
        fields["max_results"] = world.pick(2, 3, 50)
    world.pages("POST logged-models/search", fields, covers=frozenset(covers), unordered=unordered)


def probe(world):
    """Values of a metric of its own on some datasets, and searches for those on one: by filter, in order."""
    key, datasets = f"probe{world.number()}", [("d", "x"), ("d", "y"), ("q", "x")]
    models = world.random.sample(world.made["model"], min(3, len(world.made["model"])))
    metrics = [
        {"key": key, "value": world.pick(-1.5, 0, 1, 1e308), "timestamp": world.pick(1, 2), "step": step,
         "model_id": model, "dataset_name": name, "dataset_digest": digest}
        for model in models
        for step, (name, digest) in enumerate(datasets)
        if world.chance(0.7)
    ]  # fmt: skip
    world.send("POST runs/log-batch", {"run_id": world.known("run"), "metrics": metrics})
    name, digest = world.pick(*datasets)
    dataset = {"dataset_name": name} | ({"dataset_digest": digest} if world.chance(0.7) else {})
    fields = {"experiment_ids": [world.homes[model] for model in models]}
    operator = world.deal("probe model metric", NUMERIC)
    term = f"metrics.{key} {operator} {world.pick('0', '1', '-2')}"
    covers = frozenset({f"models filter metric {operator}"})
    endpoint = "POST logged-models/search"
    world.send(endpoint, {**fields, "filter": term, "datasets": [dataset]}, covers=covers)
    order = [{"field_name": f"metrics.{key}", "ascending": world.pick(True, False), **dataset}]
    order += [{"field_name": "name"}] if world.chance(0.3) else []
    world.pages(endpoint, {**fields, "order_by": order, "max_results": world.pick(2, 9)})


def search_badly(world):
    """logged-models/search with one thing wrong."""
    fields = {"experiment_ids": world.made["experiment"][:2], "max_results": 5}
    match world.pick(
        "filter", "filter", "order_by", "max_results", "page_token", "experiment_ids", "datasets"
    ):
        case "filter":
            fields["filter"] = world.deal("bad models filter", BAD_FILTERS["models"])
        case "order_by":
            fields["order_by"] = [{"field_name": world.deal("bad models order", BAD_ORDERS["models"])}]
        case "max_results":
            fields["max_results"] = world.deal("bad models size", [0, -1, "x", 1, 50, 51, 100])
        case "page_token":
            fields["page_token"] = world.pick("zzz", "%%%", "e30=", world.other_page())
        case "experiment_ids":
            fields["experiment_ids"] = world.pick([], "x", [5], ["999999"], None)
        case "datasets":
            fields["datasets"] = world.pick([{}], [{"dataset_digest": "x"}], "x", [5])
    world.send("POST logged-models/search", fields)


def _send(world, method, tail, fields=None, model=None, key=""):
    model = model or world.some("model")
    path = f"logged-models/{model}{tail}".replace("{key}", quoted(key))
    world.send(f"{method} logged-models/{MODEL}{tail}", fields, path=path)
