"""The MLflow plugin: stock MLflow code logs to a tracklog server by way of the spool, with no change.

MLflow finds `build_store` by tracklog's entry points for the schemes http and https, and
`build_artifact_repository` by the one for mlflow-artifacts, which take the place of its own. MLflow is
imported only once one of them is wanted: nothing else of tracklog needs it.
"""

from typing import Any

from tracklog.config import mlflow_plugin_is_on


def build_store(store_uri: str, artifact_uri: str | None = None) -> Any:  # noqa: ARG001 - MLflow's signature
    """MLflow's store of the server at `store_uri`: its own, faster where the server is tracklog's.

    An MLflow whose insides are not as the plugin knows them keeps its own.
    """
    from mlflow.tracking._tracking_service.utils import _get_rest_store  # noqa: PLC0415 - MLflow is there now

    stock = _get_rest_store(store_uri)
    if not mlflow_plugin_is_on():
        return stock
    try:
        from tracklog.mlflow_plugin.store import TracklogStore, fits  # noqa: PLC0415 - as above
    except ImportError:
        return stock
    return TracklogStore(store_uri, stock.get_host_creds) if fits(type(stock)) else stock


def build_artifact_repository(artifact_uri: str, *args: Any, **kwargs: Any) -> Any:
    """MLflow's repository of the files at `artifact_uri`: its own, faster where the server is tracklog's.

    An MLflow whose insides are not as the plugin knows them keeps its own.
    """
    from mlflow.store.artifact.mlflow_artifacts_repo import (  # noqa: PLC0415 - MLflow is there now
        MlflowArtifactsRepository,
    )

    if not mlflow_plugin_is_on():
        return MlflowArtifactsRepository(artifact_uri, *args, **kwargs)
    try:
        from tracklog.mlflow_plugin.artifacts import (  # noqa: PLC0415 - as above
            TracklogArtifactsRepository,
            fits,
        )
    except ImportError:
        return MlflowArtifactsRepository(artifact_uri, *args, **kwargs)
    ours = TracklogArtifactsRepository if fits(MlflowArtifactsRepository) else MlflowArtifactsRepository
    return ours(artifact_uri, *args, **kwargs)
