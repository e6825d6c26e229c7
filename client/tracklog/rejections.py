"""What the server refused for good: kept beside the spool with its data, and told to the user once."""

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from tracklog.spool import Outbox, write_all, write_whole
from tracklog_contract.errors import INVALID, STATUS_BY_CODE, Rejected


@dataclass(frozen=True)
class Rejection:
    """One refused item, as in the README's "Native ingest"; `points` are how many were lost with it."""

    run_id: str
    item: str
    key: str
    points: int
    error_code: str
    message: str

    def __str__(self) -> str:
        what = f"{self.item} {self.key!r}" if self.key else self.item
        lost = f" ({self.points} points)" if self.points else ""
        return f"{what} of run {self.run_id}{lost}: {self.error_code}: {self.message}"

    def as_error(self) -> Rejected:
        """The error that a server answers when it refuses this at once."""
        code = self.error_code if self.error_code in STATUS_BY_CODE else INVALID
        return Rejected(code, self.message)


# What was refused, and its data.
Refused: TypeAlias = tuple[Rejection, Mapping[str, Any]]


def keep(outbox: Outbox, stream: str, request: str, refused: Sequence[Refused]) -> None:
    """Write refused items and their data to the stream's file, durably; once for each request.

    Raises: OSError.
    """
    path = outbox.file(f"{stream}.rejected")
    known = _read(path, 0)
    if any(json.loads(line)["request"] == request for line in known.splitlines()):
        return
    lines = [
        json.dumps({"request": request, **asdict(rejection), "data": data}) + "\n"
        for rejection, data in refused
    ]
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # A kill or a full disk may have left half a line.
        os.ftruncate(fd, len(known))
        os.lseek(fd, 0, os.SEEK_END)
        write_all(fd, "".join(lines).encode())
        os.fsync(fd)
    finally:
        os.close(fd)


def untold(outbox: Outbox, stream: str) -> list[Rejection]:
    """The stream's rejections that no process has asked for yet; they count as told from now on."""
    path = outbox.file(f"{stream}.rejected")
    if not path.exists():
        return []
    told = _told(outbox, stream)
    lines = _read(path, told)
    found = [_rejection(line) for line in lines.splitlines()]
    if found:
        with contextlib.suppress(OSError):
            write_whole(outbox.file(f"{stream}.told"), str(told + len(lines)).encode())
    return found


def streams_with_rejections(outbox: Outbox) -> list[str]:
    """The streams of which the server has refused something."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(path.stem for path in outbox.path.iterdir() if path.suffix == ".rejected")
    return []


def _read(path: Path, start: int) -> bytes:
    """The whole lines from an offset on."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            data = file.read()
    except FileNotFoundError:
        return b""
    return data[: data.rfind(b"\n") + 1]


def _told(outbox: Outbox, stream: str) -> int:
    with contextlib.suppress(FileNotFoundError, ValueError):
        return int(outbox.file(f"{stream}.told").read_text())
    return 0


def _rejection(line: bytes) -> Rejection:
    fields = json.loads(line)
    return Rejection(**{name: fields[name] for name in Rejection.__dataclass_fields__})
