"""Calls on artifacts: through the proxy, of runs, and of logged models."""

from tests.conformance.differential import values as v
from tests.conformance.differential.names import SALT, quoted

PROXY = "/2.0/mlflow-artifacts/artifacts"
PARTS = "/2.0/mlflow-artifacts"
MODEL_FILES = "logged-models/{model_id}/artifacts/files"
MODEL_FOLDERS = "logged-models/{model_id}/artifacts/directories"
# What listings cover where a file was deleted: its folder may hold none any more.
THINNED = "folders with files deleted"


def put(world):
    """PUT of a run's or a model's file, whose bytes are JSON so that reading it is compared as any answer."""
    file = f"{world.pick(_root, _root, _model_root)(world)}/{world.pick(*v.FILES)}"
    if _send(world, "PUT", file, {"n": world.number()}):
        world.files.append(file)
    else:
        # Where tracklog refuses what MLflow takes, the file must not be in the way of later calls.
        _send(world, "DELETE", file)


def get(world):
    """GET and HEAD of a file, of a folder, and of nothing."""
    _send(world, world.pick("GET", "GET", "HEAD"), _file(world))


def delete(world):
    """DELETE of a file, and of one outside the store."""
    if world.chance(0.1):
        world.send(f"DELETE {PROXY}/{{path}}", path=f"{PROXY}/..%2Fa")
    elif world.chance(0.5):
        _send(world, "DELETE", _file(world))


def list_proxy(world):
    """The proxy's listing of a folder."""
    folder = world.pick(_root(world), f"{_root(world)}/dir", _file(world), f"{_root(world)}/nope")
    fields = {"path": world.pick(folder, folder, folder, *v.BAD_PATHS)}
    world.send(f"GET {PROXY}", fields, covers=_thinned(world, _owner(folder)))


def list_run(world):
    """artifacts/list of a run."""
    run = world.some("run")
    fields = {world.pick("run_id", "run_id", "run_uuid"): run}
    if world.chance(0.5):
        fields["path"] = world.pick("dir", "dir/sub", "a.txt", "nope", "", "dir/", *v.BAD_PATHS)
    world.send("GET artifacts/list", fields, covers=_thinned(world, run))


def upload(world):
    """upload-artifact, as MLflow's page sends a file into a run."""
    path = world.pick(*v.FILES, *v.FILES, "", *v.BAD_PATHS)
    run = world.pick(world.some("run"), world.some("run"), "")
    query = _query({"run_uuid": run, "path": path})
    fields = {"n": world.number()} if world.chance(0.9) else None
    sent = world.send("POST upload-artifact", fields, path=f"upload-artifact{query}", base="/ajax-api")
    if not sent and fields and run in world.homes and path in v.FILES:
        _send(world, "DELETE", f"{world.homes[run]}/{run}/artifacts/{path}")


def in_own_place(world):
    """A file of a run whose experiment has a place of its own in the store, put by the page and read back."""
    if world.chance(0.7):
        return
    fields = {"name": f"{SALT}own {world.number()}", "artifact_location": "mlflow-artifacts:/own"}
    if world.send("POST experiments/create", fields, makes="experiment"):
        experiment = world.made["experiment"].pop()
        fields = {"experiment_id": experiment, "start_time": world.number(), "run_name": "own"}
        world.send("POST runs/create", fields, makes="run")
        run = world.made["run"].pop()
        query = _query({"run_uuid": run, "path": "dir/own.txt"})
        world.send("POST upload-artifact", {"n": 1}, path=f"upload-artifact{query}", base="/ajax-api")
        world.send("GET artifacts/list", {"run_id": run})


def read_of_run(world):
    """get-artifact, by which MLflow's page reads a run's file."""
    run, path = _known_file(world, "/<run ", world.some("run"))
    fields = {world.pick("run_id", "run_uuid"): run, "path": path}
    if world.chance(0.05):
        del fields["path"]
    method = world.pick("GET", "GET", "HEAD")
    world.send(f"{method} /get-artifact", path=f"/get-artifact{_query(fields)}", base="", our_base="")


def read_of_model(world):
    """logged-models/{model_id}/artifacts/files, likewise of a model's file."""
    model, path = _known_file(world, "/models/<model ", world.some("model"))
    query = _query({"artifact_file_path": path}) if world.chance(0.95) else ""
    method = world.pick("GET", "GET", "HEAD")
    path = MODEL_FILES.replace("{model_id}", model) + query
    world.send(f"{method} {MODEL_FILES}", path=path, base="/ajax-api")


def list_model(world):
    """logged-models/{model_id}/artifacts/directories."""
    fields = {"artifact_directory_path": world.pick("dir", "dir/sub", "", "nope", *v.BAD_PATHS)}
    model = world.some("model")
    path = MODEL_FOLDERS.replace("{model_id}", model)
    covers = _thinned(world, model)
    world.send(f"GET {MODEL_FOLDERS}", world.pick(fields, None), path=path, covers=covers)


def presigned(world):
    """Requests for presigned URLs, each of which MLflow refuses for proxied artifacts."""
    what = world.pick("presigned-upload-url", "presigned-download-url")
    owner = {"run_id": world.some("run")}
    if what == "presigned-upload-url":
        owner = world.pick(owner, {"model_id": world.some("model")}, {}, {**owner, "model_id": "m"})
    fields = {**owner, "path": world.pick("f", "dir/f", "../f", "", "/f")}
    if world.chance(0.5):
        fields["expiration"] = world.deal("expiration", [1, 604800, 0, 604801, -1, "x", "60"])
    world.send(f"POST artifacts/{what}", fields)


def in_parts(world):
    """Uploads in parts and presigned downloads by the proxy; MLflow has none for a local directory."""
    path = quoted(f"{_root(world)}/{world.pick(*v.FILES)}")
    step = world.pick("create", "complete", "abort", "presigned")
    if step == "presigned":
        world.send(f"GET {PARTS}/presigned/{{path}}", path=f"{PARTS}/presigned/{path}")
        return
    fields = (
        {"path": "f", "num_parts": 2} if step == "create" else {"path": "f", "upload_id": "x", "parts": [{}]}
    )
    world.send(f"POST {PARTS}/mpu/{step}/{{path}}", fields, path=f"{PARTS}/mpu/{step}/{path}")


def _owner(file):
    """The run or model whose file it is."""
    return file.partition("/artifacts")[0].rpartition("/")[2]


def _thinned(world, owner):
    return frozenset({THINNED} if owner in world.thinned else ())


def _send(world, method, file, fields=None):
    if method == "DELETE":
        world.thinned.add(_owner(file))
    return world.send(f"{method} {PROXY}/{{path}}", fields, path=f"{PROXY}/{quoted(file)}")


def _root(world):
    run = world.known("run")
    return f"{world.homes[run]}/{run}/artifacts"


def _model_root(world):
    model = world.known("model")
    return f"{world.homes[model]}/models/{model}/artifacts"


def _file(world):
    return world.random.choice(world.files) if world.files and world.chance(0.8) else f"{_root(world)}/nope"


def _known_file(world, beginning, other):
    """The run or model, and the path in it, of a file that was put; or some path in `other`."""
    known = [file.partition("/artifacts/") for file in world.files if beginning in file]
    if known and world.chance(0.5):
        owner, _, path = world.random.choice(known)
        return owner.rpartition("/")[2], path
    return other, world.pick(*v.FILES, *v.FILES, "nope", "dir", "", *v.BAD_PATHS)


def _query(fields):
    return "?" + "&".join(f"{name}={quoted(str(text), safe='')}" for name, text in fields.items())
