"""Gives runs that a notebook starts without an experiment one called as the notebook, as Databricks does.

MLflow finds `NotebookExperiment` by tracklog's entry point, and asks it when there is no active experiment. A
notebook's file is found by what Jupyter or VS Code tells its kernel; only a tracklog server is meant.
"""

import contextlib
import http.client
import json
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tracklog.config import jupyter_session, mlflow_plugin_is_on
from tracklog.post import Post

TIMEOUT_S: Final = 3.0
NAME_CHARS_MAX: Final = 500
SUFFIX: Final = ".ipynb"
# What VS Code defines in a notebook's own names.
VSCODE_NAME: Final = "__vsc_ipynb_file__"


class NotebookExperiment:
    """MLflow's provider of a default experiment. What it found out once it does not ask again."""

    def __init__(self) -> None:
        self._name: str | None = None
        self._ids: dict[str, str] = {}
        self._is_tracklog: dict[str, bool] = {}

    def in_context(self) -> bool:
        """Is this a notebook, whose file is known, and the server tracklog's."""
        if not mlflow_plugin_is_on() or _shell() is None:
            return False
        if self._name is None:
            path = notebook_path(_shell(), jupyter_session())
            if path is None:
                return False
            self._name = name_of(path)
        return self._reaches_tracklog(_tracking_uri())

    def get_experiment_id(self) -> str:
        """The id of the experiment that is called as the notebook, which is made where there is none.

        Raises: MlflowException; RuntimeError, when the experiment is deleted.
        """
        uri = _tracking_uri()
        if uri not in self._ids:
            assert self._name is not None
            self._ids[uri] = _experiment_called(self._name)
        return self._ids[uri]

    def _reaches_tracklog(self, uri: str) -> bool:
        if uri not in self._is_tracklog:
            answer = _is_tracklog(uri)
            if answer is None:
                return False
            self._is_tracklog[uri] = answer
        return self._is_tracklog[uri]


def _tracking_uri() -> str:
    import mlflow  # noqa: PLC0415 - it asks, so it is there

    return str(mlflow.get_tracking_uri())


def _experiment_called(name: str) -> str:
    from mlflow import MlflowClient  # noqa: PLC0415 - it asks, so it is there
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    client = MlflowClient()
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage != "active":
        raise RuntimeError(f"the experiment '{name}' is deleted: restore it, or choose one by set_experiment")
    return str(found.experiment_id)


def _is_tracklog(uri: str) -> bool | None:
    """Is the server tracklog's; None when it gives no answer."""
    if urlsplit(uri).scheme == "databricks" or uri == "databricks":
        from mlflow.utils.databricks_utils import get_databricks_host_creds  # noqa: PLC0415 - as above

        uri = get_databricks_host_creds(uri).host
    if urlsplit(uri).scheme not in ("http", "https"):
        return False
    # Without credentials: that it is tracklog's stands in a refusal too.
    post = Post(uri.rstrip("/"), {}, timeout_s=TIMEOUT_S)
    try:
        return "tracklog-version" in post.ask().headers
    except (OSError, http.client.HTTPException):
        return None
    finally:
        post.close()


def _shell() -> Any:
    """The IPython shell of a kernel that runs this; None anywhere else."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell if hasattr(shell, "kernel") else None


def name_of(path: Path) -> str:
    """What the experiment of a notebook is called: its path from the home directory, without the suffix."""
    path = path.with_suffix("") if path.suffix == SUFFIX else path
    with contextlib.suppress(ValueError, RuntimeError):
        path = path.relative_to(Path.home())
    return path.as_posix()[-NAME_CHARS_MAX:]


def notebook_path(shell: Any, session: str) -> Path | None:
    """The file of the notebook of a kernel, whose session is called so; None when nobody says."""
    # A console has a session too.
    in_session = session if session.endswith(SUFFIX) else None
    told = shell.user_ns.get(VSCODE_NAME) or in_session or _path_by_kernel()
    if not told:
        return None
    path = Path(told)
    # Jupyter names it from its own root, which the kernel does not know; a kernel starts beside its notebook.
    return path if path.is_absolute() and path.exists() else Path.cwd() / path.name


def _path_by_kernel() -> str | None:
    """The notebook of this kernel, as the Jupyter server says that has started it."""
    connect = sys.modules.get("ipykernel.connect")
    try:
        connection = Path(connect.get_connection_file()) if connect is not None else None
    except (RuntimeError, OSError):
        connection = None
    if connection is None or not connection.stem.startswith("kernel-"):
        return None
    kernel_id = connection.stem.removeprefix("kernel-")
    for server in _servers(connection.parent):
        for session in _sessions(server):
            kernel = session.get("kernel") or {}
            if kernel.get("id") == kernel_id:
                return str(session.get("path") or (session.get("notebook") or {}).get("path") or "") or None
    return None


def _servers(runtime_dir: Path) -> Iterator[dict[str, Any]]:
    """The Jupyter servers that say in this directory where they listen, the newest first."""
    files = [*runtime_dir.glob("jpserver-*.json"), *runtime_dir.glob("nbserver-*.json")]
    for file in sorted(files, key=lambda file: file.stat().st_mtime, reverse=True):
        with contextlib.suppress(OSError, ValueError):
            server = json.loads(file.read_text(encoding="utf-8"))
            if isinstance(server, dict) and str(server.get("url", "")).startswith(("http://", "https://")):
                yield server


def _sessions(server: dict[str, Any]) -> list[dict[str, Any]]:
    request = urllib.request.Request(  # noqa: S310 - http or https, as _servers has seen to
        f"{server['url'].rstrip('/')}/api/sessions",
        headers={"Authorization": f"token {server.get('token', '')}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - as above
            sessions = json.load(answer)
    except (OSError, ValueError, http.client.HTTPException):
        return []
    return (
        [session for session in sessions if isinstance(session, dict)] if isinstance(sessions, list) else []
    )
