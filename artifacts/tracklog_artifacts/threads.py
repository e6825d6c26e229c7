"""Runs blocking work of a store beside the event loop, and turns the system's errors into ours."""

import asyncio
import errno
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

from tracklog_contract.errors import INVALID, Busy, Rejected, TracklogError, Unavailable

_IMPOSSIBLE: Final = {errno.ENOTDIR, errno.EISDIR, errno.ELOOP}
_UNNAMEABLE: Final = {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}
_FULL: Final = {errno.ENOSPC, errno.EDQUOT}
_EXHAUSTED: Final = {errno.EMFILE, errno.ENFILE}

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Threads:
    """Runs blocking file work beside the event loop and turns the system's errors into ours."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """What `work(*args)` returns.

        Raises: Rejected, Busy or Unavailable in place of an OSError.
        """
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, partial(work, *args, **kwargs))
        except OSError as error:
            raise translated(error) from error


def translated(error: OSError) -> TracklogError:
    """What an error of the system means to a client."""
    if error.errno in _IMPOSSIBLE:
        return Rejected(
            INVALID, "The artifact path needs a directory where a file is, or a file where a directory is."
        )
    if error.errno in _UNNAMEABLE:
        return Rejected(
            INVALID,
            "The artifact store cannot hold a file of this name: it is too long or has odd characters.",
        )
    if error.errno in _EXHAUSTED:
        return Busy("The server has too many files open.")
    if error.errno in _FULL:
        return Unavailable(
            "The artifact store has no space left; nothing was stored. Free space on the server."
        )
    return Unavailable(f"The artifact store failed: {error.strerror}.")
