"""Fixtures that any test may ask for; none costs anything until it is asked for."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.fake_lane import FakeLane, fake_lane
from tests.support.postgres import temporary_cluster, temporary_database
from tests.support.spools import temporary_spool
from tracklog.config import MLFLOW_PLUGIN

# MLflow's client as it comes, unless a test or the whole run is to be with the plugin.
os.environ.setdefault(MLFLOW_PLUGIN, "0")


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
