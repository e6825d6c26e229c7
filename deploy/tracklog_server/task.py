"""What the parent tells a process that it starts: by environment, since a URL may hold a password."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal, Self

from tracklog_artifacts.s3_config import S3Config
from tracklog_server.settings import ENVIRONMENT_PREFIX

VARIABLE: Final = "_TRACKLOG_TASK"
Role = Literal["prepare", "projector", "worker"]
Database = Literal["given", "embedded", "new"]


@dataclass(frozen=True)
class OidcSettings:
    """An OpenID provider, and what we are to it. `claim`: what of a person is their user name here."""

    issuer: str
    client_id: str
    client_secret: str
    claim: str


@dataclass(frozen=True)
class Task:
    """Everything a process needs. `database` "new": an embedded one that was not there before this start."""

    role: Role
    parent_pid: int
    dsn: str
    database: Database
    # A local directory, unless artifacts are in a bucket.
    artifact_dir: str
    quotas: str
    allowed_hosts: tuple[str, ...] = ()
    auth: bool = False
    public_url: str = ""
    oidc: OidcSettings | None = None
    s3: S3Config | None = None
    listener_fd: int = -1

    @property
    def artifact_place(self) -> Path | S3Config:
        """Where artifacts are stored."""
        return self.s3 or Path(self.artifact_dir)

    def command(self) -> list[str]:
        """The command that carries out this task."""
        # -P: a file in the user's directory named like one of our modules must not be imported for it.
        return [sys.executable, "-P", "-m", "tracklog_server.process", self.role]

    def environment(self) -> dict[str, str]:
        """The environment to run the command in: ours, without settings, with the task."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
        # numpy's BLAS would start a thread per core and buffers for each; nothing here multiplies matrices.
        threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        return {**kept, **threads, VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """The task that `environment` carries."""
        values = json.loads(environment[VARIABLE])
        values["allowed_hosts"] = tuple(values["allowed_hosts"])
        values["oidc"] = OidcSettings(**values["oidc"]) if values["oidc"] else None
        values["s3"] = S3Config(**values["s3"]) if values["s3"] else None
        return cls(**values)
