"""What a run does with files: `log_artifact`, `log_artifacts`, `log_file`."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from tracklog import files
from tracklog.config import Config
from tracklog.values import BadInput, raise_if


class RunFiles:
    """The half of a `Run` that is about files."""

    _files: files.FileLog

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


def _local(path: Any) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise BadInput(f"a local path must be text or a Path, not {type(path).__name__}")
    return Path(path)
