"""The README's table of endpoints leaves out none that MLflow's own server has."""

import re

import mlflow.server
import pytest

from tests.support.readme import endpoint_rows, names

# Left over in MLflow: a path that lacks a slash, and files that its server never had.
FLAWS = {"POST /api/2.0mlflow/experiments/search-datasets", "GET /build/{}"}


def mlflow_endpoints() -> set[str]:
    """Every endpoint of MLflow's server, "METHOD /path"; those for its page alone as if they were for all."""
    return {
        f"{method} {re.sub('<[^>]*>', '{}', rule.rule).replace('/ajax-api/', '/api/')}"
        for rule in mlflow.server.app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }


@pytest.fixture(scope="module")
def patterns() -> list[str]:
    return [endpoint for row in endpoint_rows() for endpoint in row.endpoints]


def test_no_endpoint_of_mlflow_is_left_out(patterns):
    endpoints = mlflow_endpoints()
    assert len(endpoints) > 150
    # The table says of its short paths that version 3.0 of them is served too.
    left_out = {
        e
        for e in endpoints - FLAWS
        if not any(names(pattern, form) for pattern in patterns for form in (e, e.replace("/3.0/", "/2.0/")))
    }
    assert left_out == set()


def test_what_the_table_refuses_is_there_in_mlflow():
    endpoints = mlflow_endpoints()
    refused = [endpoint for row in endpoint_rows() if not row.is_served for endpoint in row.endpoints]
    assert [pattern for pattern in refused if not any(names(pattern, e) for e in endpoints)] == []
