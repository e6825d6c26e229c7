"""The README's example, run as it stands by a new Python against a real server."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.server import running_server

README = Path(__file__).parents[2] / "README.md"


EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def run_example(example: str, url: str, cwd: Path | None = None, **environment: str) -> str:
    """What an example prints."""
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=cwd,
        env={**os.environ, "MLFLOW_TRACKING_URI": url, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_examples_run(spool: Path, tmp_path: Path) -> None:
    with_mlflow, with_tracklog, with_files = EXAMPLES
    with running_server() as server:
        told = run_example(with_mlflow, server.url)
        assert "metrics.loss" in told
        assert "0.1" in told
        told = run_example(with_tracklog, server.url)
        assert told.startswith(f"{server.url}/#/runs/")
        assert told.endswith("True\n")
        told = run_example(with_files, server.url, tmp_path)
        assert told == "loss.csv notes/first.txt plots/loss.csv\ndownloaded/notes\n"
        text = (tmp_path / "downloaded/notes/first.txt").read_text()
        assert text == "bytes, or an open binary file"
