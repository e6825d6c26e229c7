"""Blocking file operations inside one root directory that never leave it and never follow a symlink.

Every step from the root down opens one name relative to the directory before it (O_NOFOLLOW), so no rename or
symlink made meanwhile can lead outside. Each function raises OSError as the system gives it.
"""

import errno
import fcntl
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import Final

from tracklog_artifacts.paths import ArtifactPath, is_safe_name
from tracklog_artifacts.store import Entry

# Uploads on their way in and trees on their way out; never listed, and no path may begin with it.
INCOMING: Final = ".incoming"

_DIRECTORY_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# How often a directory may be deleted under an upload before that upload gives up.
_PUBLISH_ATTEMPTS: Final = 100


def prepare(root: Path) -> None:
    """Make the root durable and usable, and remove what earlier processes left half done."""
    missing = [folder for folder in (root, *root.parents) if not folder.exists()]
    (root / INCOMING).mkdir(parents=True, exist_ok=True)
    for folder in missing:
        _sync_directory(folder.parent)
    if not os.access(root / INCOMING, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    with directory(root, (INCOMING,)) as incoming, os.scandir(incoming) as leftovers:
        for leftover in leftovers:
            if leftover.is_dir(follow_symlinks=False):
                shutil.rmtree(leftover.name, ignore_errors=True, dir_fd=incoming)
            else:
                _remove_abandoned(leftover.name, incoming)


@contextmanager
def directory(root: Path, path: ArtifactPath, *, create: bool = False) -> Iterator[int]:
    """A descriptor of the directory at `path`, which is made, durably, when `create` is set."""
    here = _open_root(root)
    try:
        for name in path:
            above, here = here, _open_below(here, name, create=create)
            try:
                if create:
                    # Also when it was there: whoever made it may not have synced it yet, and we are about to
                    # promise that what we put into it stays.
                    os.fsync(above)
            finally:
                os.close(above)
        yield here
    finally:
        os.close(here)


def _open_root(root: Path) -> int:
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        # An unmounted disk must not look like artifacts that never were.
        raise OSError(errno.ESTALE, "its root directory is gone") from error


def _open_below(here: int, name: str, *, create: bool) -> int:
    if create:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=here)
    return os.open(name, _DIRECTORY_FLAGS, dir_fd=here)


def _sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_file(root: Path, path: ArtifactPath) -> BufferedReader:
    """The regular file at `path`.

    Raises: IsADirectoryError; FileNotFoundError also for symlinks, pipes and devices: they are no artifacts.
    """
    with directory(root, path[:-1]) as parent:
        mode = os.stat(path[-1], dir_fd=parent, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return open(path[-1], "rb", opener=_opener_in(parent))


def _opener_in(parent: int) -> Callable[[str, int], int]:
    # Without O_NONBLOCK, opening a named pipe would wait for its writer.
    return lambda name, flags: os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666, dir_fd=parent)


def list_directory(root: Path, path: ArtifactPath) -> list[Entry]:
    """What a client could ask for in the directory at `path`, sorted by name; nothing when it is none."""
    found: list[Entry] = []
    try:
        with directory(root, path) as here, os.scandir(here) as items:
            for item in items:
                # A file may be deleted between the listing and the look at it.
                with suppress(FileNotFoundError):
                    found.extend(_entry(item))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((entry for entry in found if path or entry.name != INCOMING), key=lambda entry: entry.name)


def _entry(item: "os.DirEntry[str]") -> Iterator[Entry]:
    if not is_safe_name(item.name):
        return
    if item.is_dir(follow_symlinks=False):
        yield Entry(item.name, None)
    elif item.is_file(follow_symlinks=False):
        yield Entry(item.name, item.stat(follow_symlinks=False).st_size)


@dataclass(frozen=True)
class Staged:
    """An upload on its way in: a file that nobody sees, locked for as long as its process lives."""

    name: str
    file: BufferedWriter


def stage(root: Path, path: ArtifactPath) -> Staged:
    """A new empty file to fill, to `publish` at `path`, and to `discard` in any case.

    Raises: NotADirectoryError or IsADirectoryError, rather than let `publish` do so after a long upload.
    """
    with suppress(FileNotFoundError), directory(root, path[:-1]) as parent:
        if stat.S_ISDIR(os.stat(path[-1], dir_fd=parent, follow_symlinks=False).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    with directory(root, (INCOMING,)) as incoming:
        while True:
            name = uuid.uuid4().hex
            file = open(name, "xb", opener=_opener_in(incoming))  # noqa: SIM115 - kept open for the upload
            # A process that starts just now may have taken it for abandoned before we held the lock.
            if _lock(file.fileno()) and os.fstat(file.fileno()).st_nlink:
                return Staged(name, file)
            file.close()


def publish(root: Path, staged: Staged, path: ArtifactPath) -> None:
    """Make the staged file the one at `path`, durably, in one step."""
    staged.file.flush()
    os.fsync(staged.file.fileno())
    with directory(root, (INCOMING,)) as incoming:
        for attempt in range(1, _PUBLISH_ATTEMPTS + 1):
            try:
                with directory(root, path[:-1], create=True) as parent:
                    os.replace(staged.name, path[-1], src_dir_fd=incoming, dst_dir_fd=parent)
                    os.fsync(parent)
            except FileNotFoundError:
                # Someone deleted the directory between our making it and our moving into it.
                if attempt == _PUBLISH_ATTEMPTS:
                    raise
            else:
                return


def discard(root: Path, staged: Staged) -> None:
    """Remove a staged file; after `publish` there is none, and this only closes it."""
    with directory(root, (INCOMING,)) as incoming, suppress(FileNotFoundError):
        os.unlink(staged.name, dir_fd=incoming)
    # Closing writes what is still buffered: to no purpose here, and on a full disk it fails.
    with suppress(OSError):
        staged.file.close()


def remove(root: Path, path: ArtifactPath) -> None:
    """Remove the file or tree at `path`, durably. A tree disappears at once; its bytes are freed after."""
    with (
        directory(root, (INCOMING,)) as incoming,
        # Already gone, or going right now by someone else's hand: that is what was asked for.
        suppress(FileNotFoundError, NotADirectoryError),
        directory(root, path[:-1]) as parent,
    ):
        _take_away(path[-1], parent, incoming)
        os.fsync(parent)


def _take_away(name: str, parent: int, incoming: int) -> None:
    if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=parent)
        return
    doomed = uuid.uuid4().hex
    os.rename(name, doomed, src_dir_fd=parent, dst_dir_fd=incoming)
    # It is gone for everyone; what cannot be freed now is tried again at the next start.
    shutil.rmtree(doomed, ignore_errors=True, dir_fd=incoming)


def _remove_abandoned(name: str, incoming: int) -> None:
    """Remove a staged file unless a living process holds it."""
    with suppress(FileNotFoundError), open(name, "rb", opener=_opener_in(incoming)) as file:
        if _lock(file.fileno()):
            os.unlink(name, dir_fd=incoming)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
