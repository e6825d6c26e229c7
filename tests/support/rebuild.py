"""`tracklog rebuild`, run beside a server."""

import subprocess

from tests.support.server import Server, clean_environment, tracklog_command


def rebuild(server: Server) -> str:
    """Rebuild the views of a running server, as its operator does; what he is told meanwhile."""
    done = subprocess.run(
        [*tracklog_command(), "rebuild", "--data-dir", str(server.data_dir)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr
