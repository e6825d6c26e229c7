"""Brings an outbox of files to its server, as delivery.py does one of values: each file once, and in order.

What has been delivered is remembered in the segments alone. A file that was uploaded before a kill is asked
for again, and the server answers that it has it; of a large one it tells which parts are there.
"""

import contextlib
import os
import time
from base64 import b64encode
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from tracklog import rejections
from tracklog.artifact import Owner
from tracklog.artifact_api import ArtifactApi
from tracklog.content import Changed, Content
from tracklog.delivery import MISSING_RUN_PATIENCE_S, MISSING_RUN_PAUSE_S
from tracklog.records import FILE, LARGE, Record
from tracklog.rejections import Rejection
from tracklog.source import Source
from tracklog.sources import Sources
from tracklog.spool import Outbox, offline_outbox, write_whole
from tracklog.transfer import Upload
from tracklog.upload import Uploader
from tracklog_contract.errors import NOT_FOUND, Rejected

# How far a stream is read beyond what the server has, so that small files need not wait for a large one.
AHEAD_FILES: Final = 1_000
OPEN_FILES_MAX: Final = 5_000
READ_BYTES: Final = 4 * 2**20
STEP_S: Final = 0.2


@dataclass
class _File:
    """A record under delivery, which ends at `end`; `upload` is None where there is nothing to upload."""

    end: int
    upload: Upload | None = None
    data_path: Path | None = None
    is_settled: bool = False


@dataclass
class _Window:
    """The records of a stream's present segment that have been read and are not acknowledged yet."""

    files: deque[_File] = field(default_factory=deque)
    end: int = 0


class FileDelivery:
    """Delivers one outbox of files; whoever makes one holds the outbox's sender lock."""

    def __init__(self, outbox: Outbox, api: ArtifactApi) -> None:
        """Raises: OSError, when the outbox cannot be read and written."""
        self._outbox = outbox
        self._values = outbox.for_values()
        self._uploader = Uploader(api)
        self._sources = Sources(outbox, self._new_source)
        self._windows: dict[str, _Window] = {}
        self._under_way: dict[Upload, tuple[Source, _File]] = {}
        # The last version of each path that is under way: an older one need not be sent any more.
        self._latest: dict[tuple[str, str], Upload] = {}
        # Files of runs that are not there yet, and when to ask again.
        self._again: list[tuple[float, Upload]] = []
        self._refresh_at = 0.0
        self.delivered_files = 0
        self._delivered_bytes = 0
        self._told_bytes = -1
        self.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._uploader.close()
        self._sources.close()

    @property
    def delivered_bytes(self) -> int:
        """How much of the files has been uploaded, or was there before."""
        # What is sent again after a failure counts once.
        self._delivered_bytes = max(self._delivered_bytes, self._uploader.putter.sent_bytes)
        return self._delivered_bytes

    @property
    def progress(self) -> int:
        """A number that grows for as long as something goes on."""
        return self.delivered_bytes + self._uploader.read_bytes + self.delivered_files

    @property
    def delivered(self) -> str:
        """What has been delivered, in words."""
        return f"{self.delivered_files:,} files"

    @property
    def has_more(self) -> bool:
        """Is something under way."""
        return not self._uploader.is_idle

    @property
    def has_live_writers(self) -> bool:
        """Is a process logging to this outbox."""
        return self._sources.are_live

    def pending_bytes(self) -> int:
        """How much there is that the server has not acknowledged."""
        return self._outbox.waiting_bytes()

    def has_delivered(self, stream: str, number: int, offset: int) -> bool:
        """Has the server all of a stream before an offset in one of its segments."""
        return self._sources.are_past(stream, number, offset)

    def refresh(self) -> None:
        """See which segments are there. Raises: OSError."""
        self._sources.refresh()
        self._refresh_at = time.monotonic() + STEP_S

    def deliver_next(self) -> bool:
        """Go on for a moment; False when nothing is going on.

        Raises: NotNow; OSError, when the disk does not let it go on.
        """
        before = self.progress
        if time.monotonic() >= self._refresh_at:
            self.refresh()
            self._tell_sent()
        self._try_again()
        has_read = False
        for source in self._sources:
            if len(self._under_way) < OPEN_FILES_MAX:
                has_read = self._read_on(source) or has_read
        # While there is more to read, what is under way need not be waited for.
        finished = [] if self._uploader.is_idle else self._uploader.step(0.0 if has_read else STEP_S)
        for upload in finished:
            self._settle(upload)
        for source in self._sources:
            self._acknowledge(source)
        for stream in self._sources.forget_finished():
            self._windows.pop(stream, None)
            for path in self._outbox.data_files(stream):
                _remove(path)
        return bool(finished) or self.progress > before

    def _new_source(self, stream: str, numbers: list[int]) -> Source:
        return Source(self._outbox, stream, numbers, numbers[0], 0)

    def _read_on(self, source: Source) -> bool:
        """Read what a stream has to give next, a part of a segment ahead of what is acknowledged.

        Returns: whether there was something.
        """
        window = self._windows.setdefault(source.name, _Window())
        if len(window.files) >= AHEAD_FILES:
            return False
        found = source.read_ahead(window.end, READ_BYTES) if window.files else source.read(READ_BYTES)
        for record in found:
            window.end = record.end
            file = self._file_of(source, record)
            window.files.append(file)
            if file.upload is None:
                file.is_settled = True
            else:
                self._under_way[file.upload] = source, file
                self._latest[file.upload.key] = file.upload
                self._uploader.add(file.upload)
        return bool(found)

    def _file_of(self, source: Source, record: Record) -> _File:
        if record.kind == FILE:
            path, data = record.fields
            content = Content(
                self._outbox.segment_path(source.name, source.number), len(data), record.end - len(data)
            )
            return _File(record.end, Upload(Owner(source.run_id), path, content))
        if record.kind == LARGE:
            path, name, size, mtime_ns = record.fields
            data_path = self._found(name)
            content = Content(
                data_path, size, mtime_ns=mtime_ns, checksum_path=data_path.with_suffix(".sha256")
            )
            return _File(record.end, Upload(Owner(source.run_id), path, content), data_path)
        return _File(record.end)

    def _found(self, name: str) -> Path:
        """A data file's path; one of an offline run that goes on after it was moved here is fetched."""
        path = self._outbox.file(name)
        if not os.path.lexists(path):
            left = offline_outbox(self._outbox.path.parent).for_files().file(name)
            with contextlib.suppress(OSError):
                left.rename(path)
        return path

    def _try_again(self) -> None:
        now = time.monotonic()
        due = [upload for at, upload in self._again if at <= now]
        self._again = [(at, upload) for at, upload in self._again if at > now]
        for upload in due:
            if self._is_latest(upload):
                self._uploader.add(upload)
            else:
                self._settle(upload)

    def _is_latest(self, upload: Upload) -> bool:
        return self._latest.get(upload.key) is upload

    def _tell_sent(self) -> None:
        """Let programs that wait see how far it is."""
        if self.delivered_bytes != self._told_bytes:
            self._told_bytes = self.delivered_bytes
            with contextlib.suppress(OSError):
                write_whole(self._outbox.file("sent"), str(self._told_bytes).encode())

    def _settle(self, upload: Upload) -> None:
        source, file = self._under_way[upload]
        error = upload.error if self._is_latest(upload) else None
        if error is not None and error.error_code == NOT_FOUND and self._may_come_yet(source):
            upload.begin_anew()
            self._again.append((time.monotonic() + MISSING_RUN_PAUSE_S, upload))
            return
        del self._under_way[upload]
        if self._is_latest(upload):
            del self._latest[upload.key]
        file.is_settled = True
        if error is None:
            source.missing_since = None
            self.delivered_files += 1
        else:
            self._keep(source, file, upload, error)

    def _may_come_yet(self, source: Source) -> bool:
        """Is this a run of which the server may not have been told yet: then it is asked again."""
        source.missing_since = source.missing_since or time.monotonic()
        if time.monotonic() < source.missing_since + MISSING_RUN_PATIENCE_S:
            return True
        return any(have < written for have, written in self._values.waiting().values())

    def _keep(self, source: Source, file: _File, upload: Upload, error: Rejected) -> None:
        """Keep a refused file beside the spool, and have it told."""
        content = upload.content
        data: dict[str, Any] = {"size": content.size, "sha256": upload.sha256}
        if file.data_path is None:
            with contextlib.suppress(Changed, OSError), content.opened() as fd:
                data["content"] = b64encode(os.pread(fd, content.size, content.offset)).decode()
        elif file.data_path.is_symlink():
            data["file"] = str(file.data_path.readlink())
        else:
            kept = file.data_path.with_suffix(".refused")
            with contextlib.suppress(FileNotFoundError):
                file.data_path.rename(kept)
            data["file"] = str(kept)
        rejection = Rejection(source.run_id, "file", upload.path, 0, error.error_code, error.message)
        name = f"file-{source.number}-{file.end}"
        rejections.keep(self._outbox, source.name, name, [(rejection, data)])

    def _acknowledge(self, source: Source) -> None:
        """Let go of what the server has, as far as nothing before it is under way."""
        window = self._windows.get(source.name)
        if window is None or not window.files or not window.files[0].is_settled:
            return
        done: list[_File] = []
        while window.files and window.files[0].is_settled:
            done.append(window.files.popleft())
        paths = [file.data_path for file in done if file.data_path is not None]
        source.acknowledge(done[-1].end, durably=bool(paths))
        for path in paths:
            _remove(path)
            _remove(path.with_suffix(".sha256"))
        if not window.files:
            # Deletes what is done, so that a program that waits for its last segment to go sees it.
            self._read_on(source)


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
