"""Calls on artifacts: through the proxy, and the listing of a run."""

from urllib.parse import quote

from tests.conformance.differential import values as v

PROXY = "/2.0/mlflow-artifacts/artifacts"


def _root(world):
    return f"{world.known('experiment')}/{world.known('run')}/artifacts"


def put(world):
    """PUT of a file, whose bytes are JSON so that reading it back is compared like any answer."""
    file = f"{_root(world)}/{world.pick(*v.FILES)}"
    world.send(f"PUT {PROXY}/{{path}}", {"n": world.number()}, path=f"{PROXY}/{_quoted(file)}")
    world.files.append(file)


def get(world):
    """GET of a file, of a folder, and of nothing."""
    world.send(f"GET {PROXY}/{{path}}", None, path=f"{PROXY}/{_quoted(_file(world))}")


def delete(world):
    """DELETE of a file."""
    if world.chance(0.3):
        world.send(f"DELETE {PROXY}/{{path}}", None, path=f"{PROXY}/{_quoted(_file(world))}")


def list_proxy(world):
    """The proxy's listing of a folder."""
    folder = world.pick(_root(world), f"{_root(world)}/dir", _file(world), f"{_root(world)}/nope")
    world.send(f"GET {PROXY}", {"path": folder})


def list_run(world):
    """artifacts/list of a run."""
    fields = {world.pick("run_id", "run_id", "run_uuid"): world.some("run")}
    if world.chance(0.5):
        fields["path"] = world.pick("dir", "dir/sub", "a.txt", "nope", "", "dir/", *v.BAD_PATHS)
    world.send("GET artifacts/list", fields)


def _file(world):
    return world.random.choice(world.files) if world.files and world.chance(0.8) else f"{_root(world)}/nope"


def _quoted(path):
    # Names of ids keep their brackets: what they stand for is put in later.
    return (
        quote(path, safe="/<> ")
        .replace(" ", "%20")
        .replace("<experiment%20", "<experiment ")
        .replace("<run%20", "<run ")
    )
