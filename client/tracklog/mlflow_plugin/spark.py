"""Spares MLflow a search for Spark at each fluent call, which costs more than all else it does there."""

import sys
from typing import Any

from mlflow.tracking._model_registry import utils


def look_only_where_imported() -> None:
    """Let MLflow ask for an active Spark session only where Spark has been imported: else there is none.

    MLflow asks at each client it makes, one or two for each fluent call, and each time tries to import
    pyspark. Where that is not installed, the import searches the whole path every time.
    """
    stock = getattr(utils, "_get_active_spark_session", None)
    if stock is None or getattr(stock, "__module__", "") != "mlflow.utils._spark_utils":
        # Another MLflow, or done already.
        return

    def active_session() -> Any:
        return stock() if "pyspark" in sys.modules else None

    utils._get_active_spark_session = active_session  # noqa: SLF001 - there is no public way
