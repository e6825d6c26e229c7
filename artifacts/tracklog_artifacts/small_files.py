"""Writes many small files whose bytes are at hand, below one root directory, with few calls to the system.

Each call lets go of the interpreter, and getting it back from a busy thread takes longer than the call: the
steps are those of `files.stage` and `files.publish`, each done for all files before the next.
"""

import os
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tracklog_artifacts import files
from tracklog_artifacts.paths import ArtifactPath
from tracklog_artifacts.store import SmallFile

# As `files.publish`: how often a directory may be deleted under its files before they are given up.
_ATTEMPTS: Final = 100
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# A staged file: its name among those on their way in, and its descriptor.
_Staged = tuple[str, int]


def write_all(root: Path, small: Sequence[SmallFile]) -> list[os.stat_result | OSError]:
    """Make each of these files, durably and in one step each: its facts, or why it is not there.

    Raises: OSError, when they cannot be written at all.
    """
    folders: dict[ArtifactPath, list[int]] = {}
    for number, file in enumerate(small):
        folders.setdefault(file.path[:-1], []).append(number)
    outcomes: dict[int, os.stat_result | OSError] = {}
    with _staged(root, small) as (incoming, staged):
        for folder, numbers in folders.items():
            moves = [(staged[number], small[number].path[-1]) for number in numbers]
            outcomes.update(zip(numbers, _moved(root, folder, incoming, moves), strict=True))
    return [outcomes[number] for number in range(len(small))]


@contextmanager
def _staged(root: Path, small: Sequence[SmallFile]) -> Iterator[tuple[int, list[_Staged]]]:
    """The files, durable, where nobody sees them, and that directory; what is there at the end is removed."""
    with files.directory(root, (files.INCOMING,)) as incoming:
        staged: list[_Staged] = []
        try:
            for file in small:
                staged.append(_locked(incoming))
                _fill(staged[-1][1], file)
            for _, descriptor in staged:
                os.fsync(descriptor)
            yield incoming, staged
        finally:
            for name, descriptor in staged:
                if os.fstat(descriptor).st_nlink:
                    # It may have got its name: then it is not here any more.
                    with suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=incoming)
                os.close(descriptor)


def _locked(incoming: int) -> _Staged:
    while True:
        name = uuid.uuid4().hex
        descriptor = os.open(name, _NEW_FILE, 0o666, dir_fd=incoming)
        # A process that starts just now may have taken it for abandoned before we held the lock.
        if files.lock(descriptor) and os.fstat(descriptor).st_nlink:
            return name, descriptor
        os.close(descriptor)


def _fill(descriptor: int, file: SmallFile) -> None:
    rest = memoryview(file.data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    files.remember_sha256(descriptor, file.sha256)
    if sys.platform == "linux":
        # All are on their way to the disk before the first is waited for, which halves the waiting.
        with suppress(OSError):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _moved(
    root: Path, folder: ArtifactPath, incoming: int, moves: Sequence[tuple[_Staged, str]]
) -> list[os.stat_result | OSError]:
    """Give durable files their names in a folder, durably; the facts of each, or why it is not there."""
    outcomes: list[os.stat_result | OSError] = []
    for _ in range(_ATTEMPTS):
        try:
            with files.directory(root, folder, create=True) as parent:
                for (name, descriptor), new_name in moves[len(outcomes) :]:
                    outcomes.append(_renamed(incoming, name, descriptor, parent, new_name))
                os.fsync(parent)
        except FileNotFoundError as error:
            # Someone deleted the directory between our making it and our moving into it.
            problem: OSError = error
        except OSError as error:
            problem = error
            break
        else:
            return outcomes
    return [*outcomes, *[problem] * (len(moves) - len(outcomes))]


def _renamed(
    incoming: int, name: str, descriptor: int, parent: int, new_name: str
) -> os.stat_result | OSError:
    try:
        os.replace(name, new_name, src_dir_fd=incoming, dst_dir_fd=parent)
    except FileNotFoundError:
        raise
    except OSError as error:
        return error
    return os.fstat(descriptor)
