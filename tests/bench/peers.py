"""Who is compared, and the peers' programs, each from an environment of its own that is built once."""

from pathlib import Path
from typing import Final, Literal

import pytest

from tests.bench.progress import say
from tests.support.environments import Environment, python_of

ServerName = Literal["mlflow", "fasttrackml-sqlite", "fasttrackml-postgres", "tracklog"]
Contestant = Literal[ServerName, "wandb"]

# In the order of the table's columns.
TITLES: Final[dict[Contestant, str]] = {
    "mlflow": "MLflow",
    "fasttrackml-sqlite": "FastTrackML",
    "fasttrackml-postgres": "FastTrackML/PG",
    "wandb": "wandb",
    "tracklog": "tracklog",
}
PEERS: Final[tuple[Contestant, ...]] = tuple(name for name in TITLES if name != "tracklog")
SERVERS: Final[tuple[ServerName, ...]] = ("mlflow", "fasttrackml-sqlite", "fasttrackml-postgres", "tracklog")

# The server is one program in the wheel; the Python client beside it needs an MLflow of its own.
FASTTRACKML: Final = Environment("fasttrackml", ("--no-deps", "fasttrackml==0.6.*"))
WANDB: Final = Environment("wandb", ("wandb==0.31.*",))


class MissingPeer(Exception):
    """A peer cannot be installed here; the rest can be measured all the same."""


def program(environment: Environment, name: str) -> Path:
    """The program `name` of a peer's environment, which is built now unless it is there already.

    Raises: MissingPeer.
    """
    if not environment.folder.exists():
        say(f"installing {' '.join(environment.requirements)} into {environment.folder} (once)")
    try:
        found = python_of(environment).with_name(name)
    except (pytest.skip.Exception, AssertionError) as reason:
        raise MissingPeer(str(reason).strip()) from None
    if not found.exists():
        raise MissingPeer(f"{environment.name} has no program {name} for this system")
    return found
