"""The workspace that MLflow's client is in, by whichever MLflow there is."""

try:
    from mlflow.utils.workspace_context import get_request_workspace as workspace
except ImportError:
    # An MLflow without workspaces.
    def workspace() -> str | None:
        """Always None."""
        return None


__all__ = ["workspace"]
