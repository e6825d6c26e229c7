"""Blocking file operations inside one root directory that never leave it and never follow a symlink.

Every step from the root down opens one name relative to the directory before it (O_NOFOLLOW), so no rename or
symlink made meanwhile can lead outside. Each function raises OSError as the system gives it.
"""

import errno
import fcntl
import os
import shutil
import stat
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import Final

from tracklog_artifacts.durable import DurableDirectories
from tracklog_artifacts.paths import ArtifactPath, is_safe_name
from tracklog_artifacts.store import Entry

# Uploads on their way in and trees on their way out; never listed, and no path may begin with it.
INCOMING: Final = ".incoming"
# In it, what stays: unfinished multipart uploads, and the key that signs URLs.
MULTIPART: Final = "multipart"
KEY: Final = "key"

_durable: Final = DurableDirectories()
_DIRECTORY_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# An extended attribute of a file whose bytes were hashed on their way in.
_SHA256: Final = "user.tracklog.sha256"
_PAGE_FILES: Final = 1000
# How often a directory may be deleted under an upload before that upload gives up.
_PUBLISH_ATTEMPTS: Final = 100


def prepare(root: Path) -> None:
    """Make the root durable and usable, and remove what earlier processes left half done."""
    missing = [folder for folder in (root, *root.parents) if not folder.exists()]
    (root / INCOMING / MULTIPART).mkdir(parents=True, exist_ok=True)
    for folder in (*missing, root / INCOMING, root / INCOMING / MULTIPART):
        _sync_directory(folder.parent)
    if not os.access(root / INCOMING, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    with directory(root, (INCOMING,)) as incoming, os.scandir(incoming) as leftovers:
        for leftover in leftovers:
            if leftover.name in {MULTIPART, KEY}:
                continue
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
                if create and not _durable.has(here):
                    # Also when it was there: whoever made it may not have synced it yet, and we are about to
                    # promise that what we put into it stays.
                    os.fsync(above)
                    _durable.add(here)
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
        return open(path[-1], "rb", opener=opener_in(parent))


def opener_in(parent: int) -> Callable[[str, int], int]:
    """Opens names in this directory for `open`, without following links."""
    # Without O_NONBLOCK, opening a named pipe would wait for its writer.
    return lambda name, flags: os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666, dir_fd=parent)


def list_directory(root: Path, path: ArtifactPath) -> list[Entry]:
    """What a client could ask for in the directory at `path`, sorted by name; nothing when it is none."""
    items = _items(root, path)
    return sorted(
        (Entry(name, facts and facts.st_size) for name, facts in items), key=lambda entry: entry.name
    )


def walk(root: Path) -> Iterator[list[tuple[ArtifactPath, os.stat_result]]]:
    """Every file in pages, in the order of `ArtifactStore.walk`."""
    page: list[tuple[ArtifactPath, os.stat_result]] = []
    for found in _walk(root, ()):
        page.append(found)
        if len(page) == _PAGE_FILES:
            yield page
            page = []
    if page:
        yield page


def _walk(root: Path, path: ArtifactPath) -> Iterator[tuple[ArtifactPath, os.stat_result]]:
    items = _items(root, path)
    # What is in a directory has its name and a "/" before it.
    for name, facts in sorted(items, key=lambda item: item[0] if item[1] else item[0] + "/"):
        if facts is None:
            yield from _walk(root, (*path, name))
        else:
            yield (*path, name), facts


def _items(root: Path, path: ArtifactPath) -> list[tuple[str, os.stat_result | None]]:
    """The names in the directory at `path`, with the facts of files and None of directories."""
    found: list[tuple[str, os.stat_result | None]] = []
    try:
        with directory(root, path) as here, os.scandir(here) as items:
            for item in items:
                if not is_safe_name(item.name) or (item.name == INCOMING and not path):
                    continue
                if item.is_dir(follow_symlinks=False):
                    found.append((item.name, None))
                elif item.is_file(follow_symlinks=False):
                    # It may be deleted between the listing and the look at it.
                    with suppress(FileNotFoundError):
                        found.append((item.name, item.stat(follow_symlinks=False)))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return found


@dataclass(frozen=True)
class Staged:
    """An upload on its way in: a file that nobody sees, locked for as long as its process lives."""

    name: str
    file: BufferedWriter


def refuse_impossible(root: Path, path: ArtifactPath) -> None:
    """Pass where a file can be published at `path`, so that this is not found out after a long upload.

    Raises: NotADirectoryError or IsADirectoryError, as `publish` would.
    """
    with suppress(FileNotFoundError), directory(root, path[:-1]) as parent:
        if stat.S_ISDIR(os.stat(path[-1], dir_fd=parent, follow_symlinks=False).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))


def stage(root: Path, path: ArtifactPath) -> Staged:
    """A new empty file to fill, to `publish` at `path`, and to `discard` in any case.

    Raises: NotADirectoryError or IsADirectoryError, as `refuse_impossible`.
    """
    refuse_impossible(root, path)
    return stage_part(root)


def stage_part(root: Path) -> Staged:
    """A new empty file to fill, for a part of an upload, and to `discard` in any case."""
    with directory(root, (INCOMING,)) as incoming:
        while True:
            name = uuid.uuid4().hex
            file = open(name, "xb", opener=opener_in(incoming))  # noqa: SIM115 - kept open for the upload
            # A process that starts just now may have taken it for abandoned before we held the lock.
            if lock(file.fileno()) and os.fstat(file.fileno()).st_nlink:
                return Staged(name, file)
            file.close()


def sync(staged: Staged) -> None:
    """Make the staged file's bytes durable."""
    staged.file.flush()
    os.fsync(staged.file.fileno())


def publish(root: Path, staged: Staged, path: ArtifactPath, sha256: str = "") -> os.stat_result:
    """Make the staged file the one at `path`, durably, in one step; its facts."""
    if sha256:
        remember_sha256(staged.file.fileno(), sha256)
    sync(staged)
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
                break
        return os.fstat(staged.file.fileno())


def discard(root: Path, staged: Staged) -> None:
    """Remove a staged file; after `publish` there is none, and this only closes it."""
    with directory(root, (INCOMING,)) as incoming, suppress(FileNotFoundError):
        os.unlink(staged.name, dir_fd=incoming)
    # Closing writes what is still buffered: to no purpose here, and on a full disk it fails.
    with suppress(OSError):
        staged.file.close()


def names(folder: int) -> list[str]:
    """The sorted names in an open directory."""
    with os.scandir(folder) as items:
        return sorted(item.name for item in items)


def look(root: Path, path: ArtifactPath) -> tuple[os.stat_result, str] | None:
    """The facts and the SHA-256 ("" where unknown) of the regular file at `path`; None when there is none."""
    try:
        with open_file(root, path) as file:
            return os.fstat(file.fileno()), _sha256_of(file.fileno())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def remember_sha256(descriptor: int, sha256: str) -> None:
    """Keep the SHA-256 of an open file with it, where the file system can."""
    if sys.platform == "linux":
        # Not every file system has attributes; the sum is then not known later.
        with suppress(OSError):
            os.setxattr(descriptor, _SHA256, sha256.encode())


def _sha256_of(descriptor: int) -> str:
    if sys.platform == "linux":
        with suppress(OSError):
            return os.getxattr(descriptor, _SHA256).decode("ascii", "replace")
    return ""


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
    with suppress(FileNotFoundError), open(name, "rb", opener=opener_in(incoming)) as file:
        if lock(file.fileno()):
            os.unlink(name, dir_fd=incoming)


def lock(descriptor: int) -> bool:
    """Lock an open file for as long as it is open; False when another process has."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def key(root: Path, new: bytes) -> bytes:
    """The root's key, which all processes share: `new`, if it has none yet. Only its owner can read it."""
    while True:
        with suppress(FileNotFoundError), open_file(root, (INCOMING, KEY)) as file:
            return file.read()
        name = uuid.uuid4().hex
        # Another process's start may clear our file away, or be faster.
        with directory(root, (INCOMING,)) as incoming, suppress(FileNotFoundError, FileExistsError):
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=incoming)
            with os.fdopen(descriptor, "wb") as file:
                file.write(new)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(name, KEY, src_dir_fd=incoming, dst_dir_fd=incoming)
                os.fsync(incoming)
            finally:
                os.unlink(name, dir_fd=incoming)
