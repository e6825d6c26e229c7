"""Listings as MLflow's clients read them."""

from collections.abc import Iterable
from typing import Any

from tracklog_artifacts.ledger import Listed
from tracklog_artifacts.paths import ArtifactPath


def with_files(answer: dict[str, Any], files: list[dict[str, Any]]) -> dict[str, Any]:
    """`answer` with a listing as MLflow has it; an empty one leaves the field out."""
    if files:
        answer["files"] = files
    return answer


def infos_below(root: ArtifactPath, entries: Iterable[Listed]) -> list[dict[str, Any]]:
    """MLflow's FileInfo of each, with paths that begin below `root`."""
    return [_info(entry, "/".join(entry.path[len(root) :])) for entry in entries]


def _info(entry: Listed, path: str) -> dict[str, Any]:
    info: dict[str, Any] = {"path": path, "is_dir": entry.size_bytes is None}
    if entry.size_bytes is not None:
        info["file_size"] = entry.size_bytes
    return info
