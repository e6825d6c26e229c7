"""MLflow's repository of a server's files, which goes straight to the store once the server is tracklog's."""

import inspect
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException, RestException
from mlflow.store.artifact.artifact_repo import verify_artifact_path
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

from tracklog.artifact import Owner
from tracklog.artifact_api import ArtifactApi, NoEndpoint
from tracklog.config import credentials
from tracklog.download import PATIENCE_S, download, download_file
from tracklog.files import files_below
from tracklog.getting import Getter
from tracklog.mlflow_plugin.lane import lane_for
from tracklog.mlflow_plugin.workspace import workspace
from tracklog.post import NotNow
from tracklog.upload_now import upload_now
from tracklog_contract.errors import NOT_FOUND, Rejected, Unavailable

_T = TypeVar("_T")

_SERVICE: Final = "/api/2.0/mlflow-artifacts/artifacts/"
# Where a server of tracklog's has a run's or a model's files, unless somebody has chosen another location.
_OF_RUN: Final = re.compile(r"\d+/([0-9a-f]{32})/artifacts(?:/([^%]*))?")
_OF_MODEL: Final = re.compile(r"\d+/models/(m-[0-9a-f]{32})/artifacts(?:/([^%]*))?")
# What MLflow calls with parameters that must be those known here.
_OVERRIDDEN: Final = (
    "log_artifact",
    "log_artifacts",
    "list_artifacts",
    "download_artifacts",
    "_download_file",
)


class _Place(NamedTuple):
    """Whose files a repository is of, and the directory of these in which it begins."""

    owner: Owner
    folder: str

    def path(self, *names: str | None) -> str:
        """A path below the repository's root, as the server knows it."""
        parts = [name.strip("/") for name in (self.folder, *names) if name]
        return "/".join(part for part in parts if part not in ("", "."))

    def below(self, path: str) -> str:
        """The server's path as the repository's users know it."""
        return path.removeprefix(self.folder).removeprefix("/") if self.folder else path


class TracklogArtifactsRepository(MlflowArtifactsRepository):  # type: ignore[misc]  # MLflow is not looked at
    """MlflowArtifactsRepository, exactly, until its server is known to be tracklog's.

    Then files go to the store and come from it by many requests at once, large ones in parts. A call returns
    when the server has the files, or raises, as MLflow's own does.
    """

    def __init__(self, artifact_uri: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(artifact_uri, *args, **kwargs)
        base, _, path = self.artifact_uri.partition(_SERVICE)
        self._place = _place_at(path)
        self._lane = None if self._place is None else lane_for(base)
        if self._lane is not None:
            # Whoever wants something later finds it known.
            self._lane.probe.is_tracklog()

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Upload a file. Raises: MlflowException."""

        def upload(api: ArtifactApi, place: _Place) -> bool:
            verify_artifact_path(artifact_path)
            upload_now(api, place.owner, [(local, place.path(artifact_path, local.name))])
            return True

        local = Path(local_file)
        if not local.is_file() or not self._natively(upload):
            super().log_artifact(local_file, artifact_path)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Upload all that a directory holds. Raises: MlflowException."""

        def upload(api: ArtifactApi, place: _Place) -> bool:
            verify_artifact_path(artifact_path)
            found = [(local, place.path(artifact_path, name)) for local, name in files_below(Path(local_dir))]
            if found:
                upload_now(api, place.owner, found)
            return True

        if not self._natively(upload):
            super().log_artifacts(local_dir, artifact_path)

    def list_artifacts(self, path: str | None = None) -> list[Any]:
        """What lies in a directory; nothing for a file. Raises: MlflowException."""

        def entries(api: ArtifactApi, place: _Place) -> list[Any]:
            found = Getter(api, place.owner, PATIENCE_S).entries(place.path(path), recursive=False)
            return [FileInfo(place.below(entry.path), entry.is_dir, entry.size) for entry in found]

        found = self._natively(entries)
        return list(super().list_artifacts(path)) if found is None else found

    def download_artifacts(self, artifact_path: str, dst_path: str | None = None) -> str:
        """Download a file or directory; where it is. Raises: MlflowException."""

        def fetch(api: ArtifactApi, place: _Place) -> str:
            to = Path(dst_path or tempfile.mkdtemp()).absolute()
            path = place.path(artifact_path)
            try:
                return str(download(api, place.owner, path, to, root=place.folder))
            except Rejected as error:
                if error.error_code != NOT_FOUND or path != place.folder:
                    raise
            # A repository with nothing in it is an empty directory.
            return str(to)

        is_odd = bool(dst_path) and not Path(str(dst_path)).is_dir()
        found = None if is_odd else self._natively(fetch)
        return str(super().download_artifacts(artifact_path, dst_path)) if found is None else found

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        def fetch(api: ArtifactApi, place: _Place) -> bool:
            download_file(api, place.owner, place.path(remote_file_path), Path(local_path))
            return True

        if not self._natively(fetch):
            super()._download_file(remote_file_path, local_path)

    def _natively(self, work: Callable[[ArtifactApi, _Place], _T]) -> _T | None:
        """What `work` gives; None where MLflow's own way is to be gone. Raises: MlflowException."""
        lane, place = self._lane, self._place
        if lane is None or place is None or not lane.takes_files:
            return None
        if not lane.probe.is_tracklog() or workspace():
            return None
        api = ArtifactApi(lane.url, credentials())
        try:
            return work(api, place)
        except NoEndpoint:
            lane.takes_files = False
            return None
        except Rejected as error:
            raise RestException({"error_code": error.error_code, "message": error.message}) from None
        except (NotNow, Unavailable) as error:
            raise MlflowException(str(error)) from error
        finally:
            api.close()


def fits(stock: type) -> bool:
    """Is MLflow's repository the class that is extended here, with its methods called as they are here."""
    return stock is MlflowArtifactsRepository and all(
        _parameters(getattr(stock, name)) == _parameters(getattr(TracklogArtifactsRepository, name))
        for name in _OVERRIDDEN
    )


def _parameters(method: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(method).parameters)


def _place_at(path: str) -> _Place | None:
    """Whose files lie at a path of the server's store; None where that is not told by its form."""
    if found := _OF_RUN.fullmatch(path):
        return _Place(Owner(found[1]), (found[2] or "").strip("/"))
    if found := _OF_MODEL.fullmatch(path):
        return _Place(Owner(found[1], "model_id"), (found[2] or "").strip("/"))
    return None
