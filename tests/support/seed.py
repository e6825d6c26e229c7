"""The seed of a test's chances: `TEST_SEED`, else the commit in CI, else a new one; printed for a repeat."""

import os
import secrets
import subprocess
from pathlib import Path


def seed(name: str) -> int:
    """The seed to use, which pytest shows when the test fails."""
    given = os.environ.get("TEST_SEED") or (_commit() if os.environ.get("CI") else "") or secrets.token_hex(6)
    print(f"{name}: TEST_SEED={given}")
    return int.from_bytes(given.encode(), "big")


def _commit() -> str:
    command = ["git", "rev-parse", "HEAD"]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip()
