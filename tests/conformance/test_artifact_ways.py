"""MLflow clients of 2.22 and 3.17 move files and models straight to the store: no byte through the server."""

import contextlib
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.clients import __file__ as clients
from tests.conformance.test_old_clients import ENVIRONMENTS
from tests.support.api import Api
from tests.support.environments import python_of
from tests.support.server import clean_environment, running_server

PLAY_TIMEOUT_S: Final = 240.0
# Ways and versions, by the store they play with. What goes through the server is played by test_old_clients,
# and the Files API over a local store by test_artifact_direct.
PLAYERS: Final = {
    "local": (("by_parts", "2.22"), ("by_credentials", "2.22")),
    "swift": (("by_parts", "3.17"), ("by_files_api", "3.17"), ("by_credentials", "3.17")),
}


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


@pytest.fixture(scope="module", params=PLAYERS)
def played(request):
    """What each client told of its way, and how many bytes of artifacts the server carried meanwhile."""
    with contextlib.ExitStack() as stack:
        if request.param == "local":
            url = request.getfixturevalue("tracking_server").url
        else:
            swift = request.getfixturevalue("swift")
            root = ("--artifact-root", f"s3://{swift.bucket}/ways", "--artifact-endpoint", swift.endpoint)
            server = running_server(None, *root, environment=swift.environment())
            url = stack.enter_context(server).url
        players, before = PLAYERS[request.param], carried_bytes(url)
        with ThreadPoolExecutor(len(players)) as at_once:
            told = at_once.map(lambda player: play(url, *player), players)
            return dict(zip(players, told, strict=True)), carried_bytes(url) - before


def carried_bytes(url):
    with Api(url) as api:
        return api.call("GET", "/api/tracklog/v1/artifacts/carried").json["carried_bytes"]


def test_files_and_models_come_and_go_and_no_byte_of_them_by_the_server(played):
    told, carried = played
    for (way, version), player in told.items():
        assert player["version"].startswith(f"{version}.")
        assert player["failures"] == {}, (way, version)
    assert carried == 0
