"""What tests with MLflow's client expect of a request that the server refuses."""

from typing import Any

import pytest
from mlflow.exceptions import MlflowException, RestException

INVALID = "INVALID_PARAMETER_VALUE"
NOT_FOUND = "RESOURCE_DOES_NOT_EXIST"
EXISTS = "RESOURCE_ALREADY_EXISTS"
INVALID_STATE = "INVALID_STATE"
QUOTA = "RESOURCE_LIMIT_EXCEEDED"


def refused_with(code: str, match: str | None = None) -> Any:
    """Expects the server's answer with this error code, as MLflow's client raises it."""
    return pytest.raises(RestException, match=match, check=lambda error: error.error_code == code)


def param_refused(match: str | None = None) -> Any:
    """The same for `log_param`: the client raises an error of its own with the server's message in it."""
    return pytest.raises(MlflowException, match=match, check=lambda error: error.error_code == INVALID)
