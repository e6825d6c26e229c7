"""The sender's process: `python -m tracklog OUTBOX LOCK`, started by launch.py with the lock handed over."""

import gc
import logging
import os
import sys
from pathlib import Path

from tracklog.sender import Sender
from tracklog.source import allow_open_files
from tracklog.sources import SOURCES_MAX
from tracklog.spool import Outbox


def main(arguments: list[str]) -> int:
    """Detach from the process that started this, and deliver the outbox."""
    path, lock = arguments
    # The program that trains has no child to look after; the descriptor of the lock goes along.
    if os.fork():
        os._exit(0)
    allow_open_files(SOURCES_MAX + 100)
    # It makes many records and hardly a cycle: looking for these so often would be half of its work.
    gc.set_threshold(200_000, 20, 100)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(message)s")
    outbox = Outbox(Path(path), Path(path, "url").read_text())
    try:
        Sender(outbox, os.environ).run()
    except Exception:
        # The edge of the process: its log is all that is left to tell.
        logging.getLogger("tracklog").exception("the sender ended")
        return 1
    finally:
        os.close(int(lock))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
