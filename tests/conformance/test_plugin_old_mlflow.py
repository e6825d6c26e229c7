"""Where tracklog is installed beside an older MLflow, that works as before, and faster where it can."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgpack
import pytest
import tqdm

from tests.conformance.test_old_clients import ENVIRONMENTS, play
from tests.support.environments import python_of
from tests.support.plugin import write_entry_points
from tests.support.source import ROOT
from tests.support.spools import temporary_spool

# The first one has no background logging, without which the plugin leaves MLflow as it is.
IS_FASTER: Final = {"1.30": False, "2.9": True, "2.22": True}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PYTHONPATH on which tracklog and what it needs are found, and nothing else of ours."""
    directory = write_entry_points(tmp_path_factory.mktemp("installed"))
    for package in (msgpack, tqdm):
        source = Path(str(package.__file__)).parent
        (directory / source.name).symlink_to(source)
    return os.pathsep.join(map(str, (directory, ROOT / "client", ROOT / "contract")))


@pytest.fixture(scope="module")
def played(tracking_server, installed: str) -> Iterator[Callable[[str], dict[str, Any]]]:
    """What the client of a version told, and whether it used the spool; all play at once."""

    def play_version(version: str) -> dict[str, Any]:
        with temporary_spool() as spool:
            told = play(
                python_of(ENVIRONMENTS[version]),
                tracking_server.url,
                PYTHONPATH=installed,
                TRACKLOG_SPOOL_DIR=str(spool),
            )
            return told | {"is_faster": any(spool.iterdir())}

    with ThreadPoolExecutor(len(IS_FASTER)) as at_once:
        plays: dict[str, Future[dict[str, Any]]] = {
            version: at_once.submit(play_version, version) for version in IS_FASTER
        }
        yield lambda version: plays[version].result()


@pytest.mark.parametrize("version", IS_FASTER)
def test_an_older_mlflow_does_what_its_users_do(played, version):
    told = played(version)
    assert told["version"].startswith(f"{version}.")
    assert told["failures"] == {}
    assert told["is_faster"] is IS_FASTER[version]
