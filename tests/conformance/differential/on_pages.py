"""Calls that only MLflow's page and its clients' beginnings make: what the server is, and what it lacks."""

from tests.conformance.differential import values as v


def search_datasets(world):
    """experiments/search-datasets."""
    made = world.made["experiment"]
    some = world.random.sample(made, world.random.randint(1, len(made)))
    unknown = world.deal("unknown experiment", v.UNKNOWN_EXPERIMENTS[:2])
    ids = world.pick(some, some, some, [*some, unknown], [], None, ["0"] * 20, ["0"] * 21)
    fields = {} if ids is None else {"experiment_ids": ids}
    world.send("POST experiments/search-datasets", fields, base="/ajax-api")


def about(world):
    """What the server says of itself."""
    match world.deal("about", ["version", "server-info", "read telemetry", "send telemetry", "gateway"]):
        case "version":
            world.send(f"{world.pick('GET', 'GET', 'HEAD')} /version", base="", our_base="")
        case "server-info":
            world.send("GET /3.0/mlflow/server-info")
        case "read telemetry":
            world.send("GET /3.0/mlflow/ui-telemetry", base="/ajax-api")
        case "send telemetry":
            world.send("POST /3.0/mlflow/ui-telemetry", {"records": [{"event": "x"}]}, base="/ajax-api")
        case "gateway":
            world.send("GET gateway-proxy", {"gateway_path": "api/2.0/endpoints/"}, base="/ajax-api")


def registry(world):
    """Searches of the model registry, which is empty on both sides."""
    what = world.pick("model-versions", "registered-models")
    world.send(f"GET {what}/search", world.pick(None, {"filter": "name='x'"}, {"max_results": 10}))


def unknown_path(world):
    """A path that there is nothing at."""
    path = world.pick("/2.0/mlflow/nope", "/2.0/mlflow/runs", "/2.0/nope", "/9.0/mlflow/runs/get")
    world.send("GET an unknown path", path=path)
