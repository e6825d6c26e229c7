"""`tracklog gc`, run beside a server or without."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.server import clean_environment, tracklog_command


def gc_command(data_dir: Path, *options: str) -> list[str]:
    """The command that collects all that was deleted up to now."""
    return [*tracklog_command(), "gc", "--data-dir", str(data_dir), "--older-than", "0s", *options]


def gc(data_dir: Path, *options: str, environment: Mapping[str, str] | None = None) -> str:
    """What it tells, once it is done."""
    done = subprocess.run(
        gc_command(data_dir, *options),
        env={**clean_environment(), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
