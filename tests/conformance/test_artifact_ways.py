"""MLflow clients of 2.22 and 3.17 move files and models straight to the store: no byte through the server."""

import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conformance.clients import __file__ as clients
from tests.conformance.test_old_clients import ENVIRONMENTS
from tests.support.api import Api
from tests.support.environments import python_of
from tests.support.server import clean_environment

PLAY_TIMEOUT_S: Final = 120.0
# By way and version. What goes through the server is played by test_old_clients.
PLAYERS: Final = (
    ("by_parts", "2.22"),
    ("by_parts", "3.17"),
    ("by_files_api", "3.17"),
    ("by_credentials", "2.22"),
    ("by_credentials", "3.17"),
)


def play(url, way, version):
    """What the client told, in an environment without settings but its way's."""
    python = sys.executable if version == "3.17" else python_of(ENVIRONMENTS[version])
    settings = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with tempfile.TemporaryDirectory() as scratch:
        environment = {name: value for name, value in clean_environment().items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [str(python), str(Path(clients).with_name("ways.py")), url, way],
            cwd=scratch,
            env={**environment, **settings, "TMPDIR": scratch, "PYTHONDONTWRITEBYTECODE": ""},
            capture_output=True,
            text=True,
            timeout=PLAY_TIMEOUT_S,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@dataclass(frozen=True)
class Played:
    """What each client told of its way, and how many bytes of artifacts the server carried meanwhile."""

    told: dict[tuple[str, str], dict[str, Any]]
    carried_bytes: int


@pytest.fixture(scope="module")
def played(tracking_server):
    url = tracking_server.url
    before = carried_bytes(url)
    with ThreadPoolExecutor(len(PLAYERS)) as at_once:
        told = dict(zip(PLAYERS, at_once.map(lambda player: play(url, *player), PLAYERS), strict=True))
    return Played(told, carried_bytes(url) - before)


def carried_bytes(url):
    with Api(url) as api:
        return api.call("GET", "/api/tracklog/v1/artifacts/carried").json["carried_bytes"]


@pytest.mark.parametrize(("way", "version"), PLAYERS)
def test_files_and_models_come_and_go(played, way, version):
    told = played.told[way, version]
    assert told["version"].startswith(f"{version}.")
    assert told["failures"] == {}


def test_no_byte_of_them_passed_through_the_server(played):
    assert played.carried_bytes == 0
