"""Finds where the files of a run or a logged model lie."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from tracklog_artifacts import paths
from tracklog_artifacts.paths import ArtifactPath
from tracklog_contract.errors import INVALID, Rejected

RootOf = Callable[[str], Awaitable[str]]
# What no run id begins with: run ids are hexadecimal.
MODEL_PREFIX: Final = "m-"


@dataclass(frozen=True)
class Place:
    """The root of a run's or a model's artifacts: as clients know it, and in the store."""

    uri: str
    path: ArtifactPath


class Places:
    """The roots of runs and models, as the log's views tell them.

    `artifact_uri` tells a run's artifact root from its id, `model_artifact_uri` a logged model's; they raise
    Rejected for a run or model that does not exist or that the caller may not know of.
    """

    def __init__(self, artifact_uri: RootOf, model_artifact_uri: RootOf) -> None:
        self.artifact_uri = artifact_uri
        self.model_artifact_uri = model_artifact_uri

    async def of_run(self, run_id: str) -> Place:
        """Where a run's artifacts lie.

        Raises: Rejected also when that is outside this store.
        """
        return place_of(await self.artifact_uri(run_id))

    async def of_model(self, model_id: str) -> Place:
        """Where a logged model's artifacts lie; raises as `of_run`."""
        return place_of(await self.model_artifact_uri(model_id))

    async def of_either(self, run_id: str, model_id: str) -> Place:
        """Where the artifacts of the one lie whose id is not "".

        Raises: Rejected also when both or none are given.
        """
        if bool(run_id) == bool(model_id):
            raise Rejected(INVALID, "Exactly one of run_id and model_id must be provided.")
        return await (self.of_run(run_id) if run_id else self.of_model(model_id))

    async def of_any(self, owner_id: str) -> Place:
        """Where the artifacts of a run lie, or of a model whose id was given as a run's."""
        return await (self.of_model if owner_id.startswith(MODEL_PREFIX) else self.of_run)(owner_id)


def place_of(uri: str) -> Place:
    """The place whose artifact root is `uri`.

    Raises: Rejected, when it is no part of this store.
    """
    path = paths.path_of_uri(uri)
    if not path:
        # The whole store is nobody's.
        raise Rejected(INVALID, "Invalid path")
    return Place(uri, path)
