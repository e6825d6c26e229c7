"""Virtual environments of other packages than the tests' own, built when first asked for and kept."""

import fcntl
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

INSTALL_TIMEOUT_S: Final = 600.0
# What pip says when no package index answers it; anything else is a failure of ours.
UNREACHABLE: Final = re.compile(
    r"\(from versions: none\)|Failed to establish a new connection|connection broken by|Read ?timed out",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Environment:
    """A name for people, and pip's requirements."""

    name: str
    requirements: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where it lies: one folder for each set of requirements and Python."""
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        contents = [*self.requirements, sys.implementation.cache_tag, sys.base_prefix]
        digest = hashlib.sha256("\n".join(contents).encode()).hexdigest()[:12]
        return caches / "tracklog-tests" / f"{self.name}-{digest}"


@functools.cache
def python_of(environment: Environment) -> Path:
    """The environment's Python, which is built now unless it is there already.

    The test that asks is skipped when no package index can be reached, and fails when pip does.
    """
    folder = environment.folder
    python = folder / "bin" / "python"
    finished = folder / "finished"
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Other test runs of the same user wait here; a half-built folder is of one that was killed.
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _build(folder, python, environment.requirements)
            finished.touch()
    return python


def _build(folder: Path, python: Path, requirements: tuple[str, ...]) -> None:
    # Our own pip installs into it, and nothing is compiled ahead: a third of the usual time.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    installed = subprocess.run(
        [*pip, "install", "--no-compile", "--quiet", *requirements],
        capture_output=True,
        text=True,
        timeout=INSTALL_TIMEOUT_S,
        check=False,
    )
    if installed.returncode and UNREACHABLE.search(installed.stderr):
        pytest.skip(f"no package index can be reached to install {' '.join(requirements)}")
    assert installed.returncode == 0, installed.stderr
