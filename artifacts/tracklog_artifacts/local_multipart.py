"""Multipart uploads of the local store: blocking operations on a folder an upload, each durable and atomic.

An upload's folder lies out of every client's reach and outlives all processes; only completing or aborting
removes it. In it are `about`, which says of which file and since when, and is locked by whoever changes the
folder, and a file a part, whose name is the part's number and ETag: the SHA-256 of its bytes.
"""

import errno
import fcntl
import json
import os
import re
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tracklog_artifacts import files
from tracklog_artifacts.parts import chosen, no_such_upload
from tracklog_artifacts.paths import ArtifactPath
from tracklog_artifacts.store import Part
from tracklog_contract.errors import Rejected

_ABOUT: Final = "about"
_UPLOAD_ID: Final = re.compile(r"[0-9a-f]{32}")
_PART: Final = re.compile(r"([0-9]{5})-([0-9a-f]{64})")
_COPY_BYTES: Final = 64 * 2**20
_READ_BYTES: Final = 2**20
_NO_KERNEL_COPY: Final = {errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
# How often a starting process may clear the folder away under its maker.
_CREATE_ATTEMPTS: Final = 10


def create(root: Path, path: ArtifactPath) -> str:
    """Begin an upload of the file at `path`; its id.

    Raises: NotADirectoryError or IsADirectoryError, as `files.refuse_impossible`.
    """
    files.refuse_impossible(root, path)
    about = json.dumps({"path": path, "began_s": time.time()}).encode()
    for attempt in range(1, _CREATE_ATTEMPTS + 1):
        upload_id = uuid.uuid4().hex
        try:
            _create(root, upload_id, about)
        except FileNotFoundError:
            if attempt == _CREATE_ATTEMPTS:
                raise
        else:
            break
    return upload_id


def _create(root: Path, upload_id: str, about: bytes) -> None:
    # Made aside and moved: no upload is ever seen without its `about`.
    with files.directory(root, (files.INCOMING,)) as incoming:
        os.mkdir(upload_id, dir_fd=incoming)
        with files.directory(root, (files.INCOMING, upload_id)) as folder:
            with open(_ABOUT, "xb", opener=files.opener_in(folder)) as file:
                file.write(about)
                file.flush()
                os.fsync(file.fileno())
            os.fsync(folder)
        with files.directory(root, (files.INCOMING, files.MULTIPART)) as uploads_folder:
            os.rename(upload_id, upload_id, src_dir_fd=incoming, dst_dir_fd=uploads_folder)
            os.fsync(uploads_folder)


def parts(root: Path, path: ArtifactPath, upload_id: str) -> list[Part]:
    """The parts of an upload, by number.

    Raises: Rejected (RESOURCE_DOES_NOT_EXIST), when there is no such upload.
    """
    with _opened(root, path, upload_id) as folder:
        return _parts_in(folder)


def publish_part(
    root: Path, path: ArtifactPath, upload_id: str, number: int, staged: files.Staged, etag: str
) -> None:
    """Make the staged file a part of the upload, in place of the one of this number.

    Raises: Rejected (RESOURCE_DOES_NOT_EXIST), when there is no such upload, or no longer.
    """
    files.sync(staged)
    name = _name(number, etag)
    with (
        files.directory(root, (files.INCOMING,)) as incoming,
        _opened(root, path, upload_id, exclusive=True) as folder,
    ):
        os.replace(staged.name, name, src_dir_fd=incoming, dst_dir_fd=folder)
        for other in files.names(folder):
            if other.startswith(name[:6]) and other != name:
                os.unlink(other, dir_fd=folder)
        os.fsync(folder)


def complete(
    root: Path, path: ArtifactPath, upload_id: str, wanted: Sequence[tuple[int, str]]
) -> os.stat_result:
    """Make the file at `path` of the upload's parts, in one step, and end the upload; the new file's facts.

    Raises: Rejected, when there is no such upload, or `wanted` are not its parts.
    """
    with _opened(root, path, upload_id, exclusive=True) as folder:
        parts_of_file = chosen(_parts_in(folder), wanted)
        staged = files.stage(root, path)
        try:
            for part in parts_of_file:
                _append(_name(part.number, part.etag), folder, staged.file.fileno())
            facts = files.publish(root, staged, path)
        finally:
            files.discard(root, staged)
        files.remove(root, (files.INCOMING, files.MULTIPART, upload_id))
        return facts


def abort(root: Path, path: ArtifactPath, upload_id: str) -> None:
    """End an upload and remove its parts; one that is not there is fine too."""
    with suppress(Rejected), _opened(root, path, upload_id, exclusive=True):
        files.remove(root, (files.INCOMING, files.MULTIPART, upload_id))


def uploads(root: Path) -> list[tuple[ArtifactPath, str, float]]:
    """Every upload there is: of which file, its id, and since when, in seconds since 1970."""
    with files.directory(root, (files.INCOMING, files.MULTIPART)) as folder:
        upload_ids = files.names(folder)
    found = []
    for upload_id in upload_ids:
        # It may end between the listing and the look at it.
        with suppress(FileNotFoundError):
            path, began_s = _about(root, upload_id)
            found.append((path, upload_id, began_s))
    return found


def _about(root: Path, upload_id: str) -> tuple[ArtifactPath, float]:
    with files.open_file(root, (files.INCOMING, files.MULTIPART, upload_id, _ABOUT)) as file:
        about = json.load(file)
    return tuple(about["path"]), about["began_s"]


@contextmanager
def _opened(root: Path, path: ArtifactPath, upload_id: str, *, exclusive: bool = False) -> Iterator[int]:
    """A descriptor of the upload's folder, which nobody else changes meanwhile if `exclusive`."""
    # Before it becomes part of a path.
    if not _UPLOAD_ID.fullmatch(upload_id):
        raise no_such_upload()
    place = (files.INCOMING, files.MULTIPART, upload_id)
    try:
        folder_path, _ = _about(root, upload_id)
        about = files.open_file(root, (*place, _ABOUT))
    except (FileNotFoundError, NotADirectoryError):
        raise no_such_upload() from None
    with about:
        if exclusive:
            fcntl.flock(about, fcntl.LOCK_EX)
        # While we waited for the lock, its holder may have ended the upload.
        if folder_path != path or not os.fstat(about.fileno()).st_nlink:
            raise no_such_upload()
        try:
            with files.directory(root, place) as folder:
                yield folder
        except FileNotFoundError:
            raise no_such_upload() from None


def _name(number: int, etag: str) -> str:
    return f"{number:05d}-{etag}"


def _parts_in(folder: int) -> list[Part]:
    found = []
    for name in files.names(folder):
        if named := _PART.fullmatch(name):
            # Another upload of the same part may replace this one just now.
            with suppress(FileNotFoundError):
                size_bytes = os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
                found.append(Part(int(named.group(1)), size_bytes, named.group(2)))
    return sorted(found, key=lambda part: part.number)


def _append(name: str, folder: int, target: int) -> None:
    with open(name, "rb", opener=files.opener_in(folder)) as part:
        if sys.platform == "linux":
            try:
                # Where the file system can share blocks between files, nothing is copied at all.
                while os.copy_file_range(part.fileno(), target, _COPY_BYTES):
                    pass
            except OSError as error:
                if error.errno not in _NO_KERNEL_COPY:
                    raise
        # Whatever is left: everything, where the kernel does not copy.
        while piece := os.read(part.fileno(), _READ_BYTES):
            _write_all(target, piece)


def _write_all(target: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(target, rest) :]
