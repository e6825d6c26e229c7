"""The README's table of endpoints says yes to what is served, and to nothing else."""

import functools
import re
import tempfile
from pathlib import Path
from unittest.mock import MagicMock

from tests.support.readme import ROOT, endpoint_rows, names, rows_after
from tracklog_server import worker
from tracklog_server.access.quotas_http import QuotaDesk
from tracklog_server.task import Task
from tracklog_server.traffic import Traffic


@functools.cache
def served() -> set[str]:
    """Every endpoint of the server, "METHOD /path", without the twins under other prefixes and versions."""
    with tempfile.TemporaryDirectory() as root:
        task = Task("worker", 1, dsn="", database="given", artifact_dir=root, quotas="default")
        desk = QuotaDesk(MagicMock(), MagicMock(), MagicMock())
        application = worker._application(
            MagicMock(), MagicMock(), Traffic(), task, MagicMock(), MagicMock(), desk
        )
    endpoints = {
        f"{route.method} {re.sub(r'{[^}]*}', '{}', route.resource.canonical)}"
        for route in application.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    twins = {endpoint for endpoint in endpoints if " /ajax-api/" in endpoint}
    newer = {
        e for e in endpoints if e.replace("/3.0/", "/2.0/") != e and e.replace("/3.0/", "/2.0/") in endpoints
    }
    return endpoints - twins - newer


def test_the_table_says_yes_to_exactly_what_is_served() -> None:
    said = [endpoint for row in endpoint_rows() if row.is_served for endpoint in row.endpoints]
    assert len(said) == len(set(said))
    assert served() - set(said) == set(), "served, but not in the README's table of endpoints"
    assert set(said) - served() == set(), "in the README's table of endpoints, but not served"


def test_the_table_says_no_to_nothing_that_is_served() -> None:
    rows = endpoint_rows()
    said = {endpoint for row in rows if row.is_served for endpoint in row.endpoints}
    refused = [endpoint for row in rows if not row.is_served for endpoint in row.endpoints]
    assert len(refused) > 5
    wrong = {endpoint for endpoint in served() - said for pattern in refused if names(pattern, endpoint)}
    assert wrong == set()


def test_every_yes_is_linked_to_a_test() -> None:
    tests = [row.tests for row in endpoint_rows() if row.is_served]
    tests += [
        tuple(re.findall(r"\]\(([^)]+)\)", proof))
        for _, answer, proof in rows_after("client")
        if not answer.startswith("no")
    ]
    assert len(tests) > 20
    for links in tests:
        assert links
        for link in links:
            assert Path(link).name.startswith("test_")
            assert "def test_" in (ROOT / link).read_text(encoding="utf-8")
