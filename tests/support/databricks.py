"""MLflow's fluent API as people of every level, by the tracking URI "databricks" or by name and password."""

import contextlib
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking._tracking_service import utils as tracking_utils

from tests.support.access import PASSWORD, Access

DENIED = "PERMISSION_DENIED"
PEOPLE = ("root", "editor", "reader", "stranger")
MAY_READ = {"root", "editor", "reader"}
MAY_EDIT = {"root", "editor"}

# Takes the way, "databricks" or "basic", and the user's name.
AsUser = Callable[[str, str], None]


@contextlib.contextmanager
def fluent_users(access: Access, patch: pytest.MonkeyPatch) -> Iterator[AsUser]:
    """What makes MLflow's fluent API a user's, as often as one likes."""
    for name in list(os.environ):
        if name.startswith(("DATABRICKS_", "MLFLOW_TRACKING_")):
            patch.delenv(name)
    before = mlflow.get_tracking_uri()
    patch.setenv("DATABRICKS_CONFIG_FILE", os.devnull)

    def as_user(way: str, name: str) -> None:
        if way == "databricks":
            patch.setenv("DATABRICKS_HOST", access.server.url)
            patch.setenv("DATABRICKS_TOKEN", access.tokens[name])
        else:
            patch.setenv("MLFLOW_TRACKING_USERNAME", name)
            patch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
        # MLflow keeps for each run with whose token its files move.
        patch.setattr(tracking_utils, "_artifact_repos_cache", OrderedDict())
        mlflow.set_tracking_uri("databricks" if way == "databricks" else access.server.url)
        # Without a registry of models there is none to ask.
        patch.setenv("MLFLOW_REGISTRY_URI", access.server.url)

    yield as_user
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(before)


def refused(call: Callable[[], object], code: str = DENIED) -> None:
    """A call that must be refused, with this error code."""
    with pytest.raises(MlflowException) as caught:
        call()
    assert caught.value.error_code == code, caught.value
