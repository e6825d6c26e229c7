"""Runs a command for as long as somebody holds this process's standard input open, and no longer.

`python -m tests.support.tied COMMAND …`: whoever starts it gives it a pipe as standard input and holds the
other end. The kernel closes that end when its holder dies, by SIGKILL too; the command and all that it has
started are killed then.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading


def main() -> int:
    """The command's exit code."""
    # In a session of its own, so that what it starts can be ended with it.
    with subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True) as process:
        threading.Thread(target=_end_with_input, args=(process.pid,), daemon=True).start()
        return process.wait()


def _end_with_input(group: int) -> None:
    while os.read(0, 4096):
        pass
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
