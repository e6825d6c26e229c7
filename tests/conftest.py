"""Fixtures that any test may ask for; none costs anything until it is asked for."""

import gc
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.ceph import missing_programs, running_ceph
from tests.support.fake_lane import FakeLane, fake_lane
from tests.support.postgres import temporary_cluster, temporary_database
from tests.support.s3 import S3Server
from tests.support.spools import temporary_spool
from tests.support.swift import running_swift
from tracklog.config import MLFLOW_PLUGIN

# Begun first, the longest first: else one of several processes is left with one of them at the end, alone.
LONG_FILES = (
    "test_differential.py",
    "test_startup.py",
    "test_replay.py",
    "test_artifact_kill.py",
    "test_gc.py",
    "test_kill.py",
    "test_races.py",
    "test_wide.py",
    "test_client_kill.py",
)

# MLflow's client as it comes, unless a test or the whole run is to be with the plugin.
os.environ.setdefault(MLFLOW_PLUGIN, "0")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of long files first; all others stay in their order."""
    turn = {name: number for number, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: turn.get(item.path.name, len(turn)))


def pytest_collection_finish() -> None:
    """What was imported and collected lives to the end: the garbage collector is not to look at it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    """The DSN of a throwaway PostgreSQL 18 cluster that all tests of the session share."""
    with temporary_cluster() as dsn:
        yield dsn


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[str]:
    """The DSN of a fresh, empty database."""
    async with temporary_database(postgres_dsn) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def swift() -> Iterator[S3Server]:
    """A running OpenStack Swift with its S3 API: a second to start, 240 MB."""
    with running_swift() as server:
        yield server


@pytest.fixture(scope="session")
def ceph() -> Iterator[S3Server]:
    """A running Ceph with its S3 gateway, for tests marked `ceph`: some 15 seconds to start."""
    if missing := missing_programs():
        pytest.skip(f"Ceph is not installed: there is no {', '.join(missing)}")
    with running_ceph() as server:
        yield server


@pytest.fixture
def spool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The client's spool for this test; its senders have ended afterwards."""
    with temporary_spool() as path:
        monkeypatch.setenv("TRACKLOG_SPOOL_DIR", str(path))
        yield path


@pytest.fixture
def lane() -> Iterator[FakeLane]:
    """A native lane of a fake server, which can be told to fail."""
    with fake_lane() as lane:
        yield lane
