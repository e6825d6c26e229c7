"""A process's end when its parent dies: none of ours may outlive the server's parent process."""

import ctypes
import os
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def signal_on_parent_death(number: int, parent: int) -> None:
    """Have the kernel send signal `number` to this process when process `parent` dies (Linux; else nothing).

    A change of user clears this, so call it afterwards. When the parent is dead already, this process ends.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
