"""The paths by which Databricks' Files API knows the artifacts of runs and logged models."""

from dataclasses import dataclass
from typing import Final

from tracklog_artifacts import paths
from tracklog_artifacts.paths import ArtifactPath
from tracklog_artifacts.places import Places
from tracklog_contract.errors import NOT_FOUND, Rejected

_ROOT: Final = ("WorkspaceInternal", "Mlflow", "Artifacts")
# Root, experiment, kind, id, and the folder that all artifacts of one owner are in.
_NAMES_MIN: Final = len(_ROOT) + 4
_FOLDER: Final = "artifacts"


@dataclass(frozen=True)
class Named:
    """What a path of the Files API names: `path` in the store, and the root of its owner there."""

    text: str
    path: ArtifactPath
    root: ArtifactPath

    @property
    def is_root(self) -> bool:
        """Whether it is the folder of all the owner's artifacts."""
        return self.path == self.root


async def named(text: str, places: Places, *, is_file: bool) -> Named:
    """What a decoded path names; a file's is longer than its owner's root.

    Raises: Rejected, when it is unsafe, or of nothing that is here.
    """
    relative = text.removeprefix("/")
    names = paths.file_path(relative) if is_file else paths.directory_path(relative)
    unknown = Rejected(
        NOT_FOUND,
        f"There is nothing at '{text}'. The Files API of this server has "
        "/WorkspaceInternal/Mlflow/Artifacts/EXPERIMENT/Runs/RUN/artifacts/... and "
        ".../LoggedModels/MODEL/artifacts/... only.",
    )
    if len(names) < _NAMES_MIN + is_file or names[:3] != _ROOT:
        raise unknown
    experiment, kind, owner_id, folder = names[3:7]
    if kind not in ("Runs", "LoggedModels") or folder != _FOLDER:
        raise unknown
    place = await (places.of_run if kind == "Runs" else places.of_model)(owner_id)
    # EXPERIMENT/RUN/artifacts, and EXPERIMENT/models/MODEL/artifacts.
    above = place.path[: -3 if kind == "LoggedModels" else -2]
    if not above or above[-1] != experiment:
        raise unknown
    return Named("/" + "/".join(names), place.path + names[_NAMES_MIN:], place.path)
