"""What a run does with files: it logs them by the spool, and lists and downloads what the server has."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tracklog import files
from tracklog.artifact import Artifact, Owner
from tracklog.config import Config
from tracklog.keeper import KEEPER, problem_of
from tracklog.progress import bar, is_shown
from tracklog.stream import Stream, Target
from tracklog.values import BadInput, raise_if
from tracklog_contract.errors import Unavailable

BAR_EVERY_S: Final = 0.5
# So long what was logged is waited for before something is read.
READ_PATIENCE_S: Final = 30.0


class RunFiles:
    """The half of a `Run` that is about files."""

    _target: Target
    _files: files.FileLog
    _stream: Stream
    _file_stream: Stream

    def log_artifact(
        self, local_path: str | os.PathLike[str], artifact_path: str | None = None, *, copy: bool = True
    ) -> None:
        """Log a file, or a directory with all it holds, under its own name in the directory `artifact_path`.

        What is logged is the content at this moment: the file may change or go away when the call returns.
        With `copy` False a file of more than 256 KiB is uploaded from where it lies: it must stay there, as
        it is, until it has been delivered, else it is told as refused.
        Raises: BadInput, when there is nothing that can be read; never because of network, disk or spool.
        """
        local = _local(local_path)
        name = local.absolute().name
        folder = files.artifact_path(artifact_path or "", root=True)
        self._add_tree(local, f"{folder}/{name}" if folder else name, copy=copy)

    def log_artifacts(
        self, local_dir: str | os.PathLike[str], artifact_path: str | None = None, *, copy: bool = True
    ) -> None:
        """Log all that a directory holds, into the directory `artifact_path` of the run; see `log_artifact`.

        Raises: BadInput, after the rest has been logged.
        """
        local = _local(local_dir)
        if not local.is_dir():
            raise BadInput(f"{local} is no directory")
        self._add_tree(local, files.artifact_path(artifact_path or "", root=True), copy=copy)

    def log_file(self, data: files.Data, path: str) -> None:
        """Log bytes, or all that an open binary stream still gives, as the file `path` of the run.

        Raises: BadInput, for a path or data that cannot be; never because of network, disk or spool.
        """
        self._files.add_data(data, files.artifact_path(path))

    def artifacts(self, path: str = "", *, recursive: bool = False) -> list[Artifact]:
        """The files and directories in the directory `path` of the run; with `recursive` all files below it.

        What was logged here is waited for, and listed. Raises: BadInput, in an offline run; Rejected, when
        the server knows no such run; Unavailable, when it cannot be reached.
        """
        from tracklog.reading import listing  # noqa: PLC0415 - importing HTTP takes longer than opening a run

        return listing(self._readable_url(), self._owner(), _directory(path), recursive=recursive)

    def download(self, path: str = "", to: str | os.PathLike[str] = ".") -> Path:
        """Download a file or directory of the run, or all of them, below the directory `to`; the place there.

        What was logged here is waited for first. Each file appears whole, and verified by its SHA-256; one
        that lies there as it is at the server is not fetched again, and of a large one that was fetched in
        part only the rest is.
        Raises: BadInput, in an offline run; Rejected, when there is no such file, or its name would lead out
        of `to`; Unavailable, when the server does not give it; OSError, when it cannot be written.
        """
        from tracklog.reading import fetched  # noqa: PLC0415 - as above

        return fetched(self._readable_url(), self._owner(), _directory(path), _local(to))

    def _flush_files(self, timeout_s: float) -> bool:
        """Wait until the server has the files; True when it has. A terminal shows how far large ones are."""
        stream = self._file_stream
        if stream.target.offline or stream.is_delivered() or not is_shown():
            return stream.flush(timeout_s)
        deadline, sent, done = time.monotonic() + timeout_s, stream.outbox.sent_bytes(), 0
        with bar(stream.outbox.waiting_bytes(), "uploading") as progress:
            while not stream.flush(min(BAR_EVERY_S, max(0.0, deadline - time.monotonic()))):
                now = stream.outbox.sent_bytes()
                # A new sender counts from 0 again.
                done, sent = done + max(0, now - sent), now
                progress.show(done)
                if time.monotonic() >= deadline:
                    return False
        return True

    def _readable_url(self) -> str:
        """The server, once it has what was logged here. Raises: BadInput; Unavailable."""
        if self._target.offline or self._target.url is None:
            raise BadInput("an offline run has no server from which to read")
        KEEPER.wake()
        deadline = time.monotonic() + READ_PATIENCE_S
        for stream in (self._stream, self._file_stream):
            if not stream.flush(max(0.0, deadline - time.monotonic())):
                problem = problem_of(stream.outbox) or f"{self._target.url} takes long"
                raise Unavailable(f"what was logged has not arrived yet: {problem}")
        return self._target.url

    def _owner(self) -> Owner:
        return Owner(self._target.run_id)

    def _add_tree(self, local: Path, path: str, *, copy: bool) -> None:
        """Log a file at `path`, or all below a directory."""
        if not local.is_dir():
            self._files.add_file(local, files.artifact_path(path), copy=copy)
            return
        problems: list[str] = []
        for file, name in files.files_below(local):
            try:
                self._files.add_file(file, files.artifact_path(f"{path}/{name}" if path else name), copy=copy)
            except BadInput as error:
                problems.append(str(error))
        raise_if(problems, "was not logged")


def for_files(config: Config) -> Config:
    """Files leave a part of the spool to values, which are little and must not be lost for want of room."""
    return replace(config, spool_bytes_max=config.spool_bytes_max * 9 // 10)


def _directory(path: str) -> str:
    return files.artifact_path(path, root=True)


def _local(path: Any) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise BadInput(f"a local path must be text or a Path, not {type(path).__name__}")
    return Path(path)
