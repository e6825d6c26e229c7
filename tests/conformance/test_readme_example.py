"""The README's example, run as it stands by a new Python against a real server."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.server import running_server

README = Path(__file__).parents[2] / "README.md"


def test_the_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    with running_server() as server:
        done = subprocess.run(
            [sys.executable, "-c", example],
            env={**os.environ, "MLFLOW_TRACKING_URI": server.url},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "metrics.loss" in done.stdout
    assert "0.1" in done.stdout
