"""What a training process installs of tracklog: a library that logs to the server by way of the disk.

    run = tracklog.init("http://127.0.0.1:5000", experiment="demo")
    run.log({"loss": 0.5})
    run.finish()

`log` writes to a spool on the local disk and returns; a process of its own delivers it. What goes wrong
meanwhile is told by Python's logging, logger `tracklog`. TRACKLOG_URL, TRACKLOG_TOKEN and the other settings
of the environment are in the README, as is the command `tracklog sync`, which delivers offline runs. The base
installation has no server dependencies, so it is light enough to sit beside a training script.
"""

from tracklog.artifact import Artifact
from tracklog.run import Run, init, resume
from tracklog.values import BadInput
from tracklog_contract.errors import Rejected, Unavailable

__all__ = ["Artifact", "BadInput", "Rejected", "Run", "Unavailable", "__version__", "init", "resume"]


def __getattr__(name: str) -> str:
    # Reading the version takes longer than everything else here, and training does not need it.
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - see above

        return version("tracklog")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
