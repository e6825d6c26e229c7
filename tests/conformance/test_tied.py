"""What is run by `tests.support.tied` ends with whoever started it, however that ends."""

import subprocess
import sys
import time

import psutil
import pytest

# Starts a shell that starts another program, prints their ids, and waits.
HOLDER = """
import subprocess, sys
command = [sys.executable, "-m", "tests.support.tied", "sh", "-c", "sleep 600 & echo $! $$; wait"]
process = subprocess.Popen(command, stdin=subprocess.PIPE)
process.wait()
"""


@pytest.fixture
def holder():
    process = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        yield process, [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
        process.kill()


def test_a_killed_process_takes_what_is_tied_to_it_along(holder):
    process, tied = holder
    assert all(found.is_running() for found in tied)
    process.kill()
    deadline = time.monotonic() + 10
    while any(found.is_running() and found.status() != psutil.STATUS_ZOMBIE for found in tied):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_command_s_exit_code_is_told():
    command = [sys.executable, "-m", "tests.support.tied", sys.executable, "-c", "raise SystemExit(7)"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.wait(30) == 7
