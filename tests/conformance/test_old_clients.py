"""MLflow's Python clients since 1.30 play one scenario, each from an environment of its own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conformance.clients import scenario
from tests.support.environments import Environment, python_of
from tests.support.server import clean_environment

PLAY_TIMEOUT_S: Final = 180.0
# The numeric packages are of the time of these clients, and setuptools still has what they import from it.
OF_THEIR_TIME: Final = ("numpy<2", "pandas<3", "setuptools<81")
ENVIRONMENTS: Final = {
    "2.22": Environment("mlflow-2.22", ("mlflow-skinny==2.22.*", *OF_THEIR_TIME)),
    "2.9": Environment("mlflow-2.9", ("mlflow-skinny==2.9.*", *OF_THEIR_TIME)),
    "1.30": Environment("mlflow-1.30", ("mlflow-skinny==1.30.*", *OF_THEIR_TIME)),
}
# The last one is the client that all other tests use.
VERSIONS: Final = (*ENVIRONMENTS, "3.17")


@pytest.fixture(scope="module")
def told_by(tracking_server) -> Iterator[Callable[[str], dict[str, Any]]]:
    """What the client of a version told after it played; all play at once, when the first is asked for."""

    def play_version(version: str) -> dict[str, Any]:
        python = python_of(ENVIRONMENTS[version]) if version in ENVIRONMENTS else Path(sys.executable)
        return play(python, tracking_server.url)

    with ThreadPoolExecutor(len(VERSIONS)) as at_once:
        played: dict[str, Future[dict[str, Any]]] = {
            version: at_once.submit(play_version, version) for version in VERSIONS
        }
        yield lambda version: played[version].result()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("step", scenario.STEPS)
def test_a_client_of_any_version_does_what_its_users_do(told_by, version, step):
    told = told_by(version)
    assert told["version"].startswith(f"{version}.")
    assert step not in told["failures"], told["failures"][step]


def play(python: Path, url: str, **further: str) -> dict[str, Any]:
    """What a Python told that played the scenario, in a clean environment but for what is given."""
    with tempfile.TemporaryDirectory() as scratch:
        settings = {
            # Whatever the server answers first is what counts.
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_TRACKING_URI": url,
            # Some versions leave behind what they download.
            "TMPDIR": scratch,
            # The environments are kept, and with them what Python compiles at the first import.
            "PYTHONDONTWRITEBYTECODE": "",
        }
        environment = {name: value for name, value in clean_environment().items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [str(python), str(Path(scenario.__file__)), url],
            cwd=scratch,
            env={**environment, **settings, **further},
            capture_output=True,
            text=True,
            timeout=PLAY_TIMEOUT_S,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told
