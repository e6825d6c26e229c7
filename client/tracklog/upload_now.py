"""Uploads files while the caller waits, for a front end whose calls return when the server has everything."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from tracklog.artifact import Owner
from tracklog.artifact_api import ArtifactApi, NoEndpoint
from tracklog.content import Content
from tracklog.post import NotNow
from tracklog.progress import Bar, bar
from tracklog.transfer import Upload
from tracklog.upload import Uploader
from tracklog_contract.errors import Rejected, Unavailable

STEP_S: Final = 0.2
PATIENCE_S: Final = 30.0
PAUSE_MAX_S: Final = 5.0
# So many are looked at ahead of those that are under way.
AHEAD_FILES: Final = 2_000


def upload_now(
    api: ArtifactApi,
    owner: Owner,
    files: Iterable[tuple[Path, str]],
    *,
    total_bytes: int = 0,
    patience_s: float = PATIENCE_S,
) -> None:
    """Upload local files to their paths; on return the server has all of them.

    With `total_bytes` a terminal shows how far it is.
    Raises: Rejected, for the first that was refused, when all others are there; Unavailable, when nothing
    has gone on for `patience_s` seconds; NoEndpoint, when the server cannot take files this way; OSError,
    when there is no such file.
    """
    uploader = Uploader(api)
    try:
        with bar(total_bytes, "uploading") as progress:
            error = _upload(uploader, owner, iter(files), patience_s, progress)
    finally:
        uploader.close()
    if error is not None:
        raise error


def _upload(
    uploader: Uploader, owner: Owner, files: Iterator[tuple[Path, str]], patience_s: float, progress: Bar
) -> Rejected | None:
    """Upload everything; the first refusal."""
    error: Rejected | None = None
    finished, last_progress, before = 0, time.monotonic(), -1
    while _add(uploader, owner, files):
        try:
            for upload in uploader.step(STEP_S):
                error = error or upload.error
                finished += 1
        except NoEndpoint:
            raise
        except NotNow as problem:
            reason = problem.reason
            time.sleep(min(problem.retry_after_s or STEP_S, PAUSE_MAX_S))
        else:
            reason = "nothing goes on"
        now, done = time.monotonic(), finished + uploader.putter.sent_bytes + uploader.read_bytes
        if done > before:
            last_progress, before = now, done
        elif now - last_progress > patience_s:
            raise Unavailable(reason)
        progress.show(uploader.putter.sent_bytes)
    return error


def _add(uploader: Uploader, owner: Owner, files: Iterator[tuple[Path, str]]) -> bool:
    """Add what comes next; False when nothing is left to do."""
    while uploader.under_way < AHEAD_FILES and (following := next(files, None)) is not None:
        local, path = following
        uploader.add(Upload(owner, path, Content(local, local.stat().st_size)))
    return not uploader.is_idle
