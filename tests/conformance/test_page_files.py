"""The files of MLflow's web page: which are served, with what headers, and what happens without them."""

import subprocess
import sys
from importlib import util

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from tracklog_server.web_page import find_build, routes


@pytest.fixture
def build(tmp_path):
    """A page of few files, and one beside it that is no part of it."""
    folder = tmp_path / "build"
    (folder / "static" / "js").mkdir(parents=True)
    (folder / "index.html").write_text("<p>page")
    (folder / "manifest.json").write_text("{}")
    (folder / "static" / "js" / "main.0123abcd.js").write_text("1")
    (tmp_path / "secret.js").write_text("2")
    return folder


async def served(folder, path):
    """Status, headers and text of what is at `path`, sent as it is written here."""
    application = web.Application()
    for method, route, handler in routes(folder):
        application.router.add_route(method, route, handler)
    async with TestClient(TestServer(application)) as client:
        answer = await client.get(URL(path, encoded=True))
        return answer.status, answer.headers, await answer.text()


async def test_the_page_is_asked_for_anew(build):
    status, headers, text = await served(build, "/")
    assert (status, text) == (200, "<p>page")
    assert headers["Content-Type"] == "text/html"
    assert headers["Cache-Control"] == "no-cache"
    assert headers["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.parametrize(
    ("name", "content_type", "cache"),
    [
        ("static/js/main.0123abcd.js", "text/javascript", "public, max-age=31536000, immutable"),
        ("manifest.json", "application/json", "no-cache"),
    ],
)
async def test_a_file_is_kept_for_ever_where_its_name_tells_its_content(build, name, content_type, cache):
    status, headers, _ = await served(build, f"/static-files/{name}")
    assert status == 200
    assert (headers["Content-Type"], headers["Cache-Control"]) == (content_type, cache)
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "../secret.js",
        "%2e%2e/secret.js",
        "static/..%2f..%2fsecret.js",
        "static/../../secret.js",
        "..%5csecret.js",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "static",
        "static/js/",
        "none.js",
        "index.html%00",
    ],
)
async def test_nothing_else_can_be_asked_for(build, path):
    status, _, text = await served(build, f"/static-files/{path}")
    assert status == 404
    assert text != "2"


async def test_without_the_page_the_root_says_what_to_install():
    status, headers, text = await served(None, "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "pip install 'tracklog[mlflow-ui]'" in text


def test_the_installed_page_is_found_without_importing_mlflow():
    script = (
        "import sys; from tracklog_server.web_page import find_build; print(find_build()); "
        "sys.exit('mlflow' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert found.stdout.strip().endswith("/mlflow/server/js/build")


@pytest.mark.parametrize("origin", ["absent", "namespace", "without page"])
def test_no_page_is_found_where_there_is_none(monkeypatch, tmp_path, origin):
    spec = {
        "namespace": util.spec_from_loader("mlflow", None),
        "without page": util.spec_from_file_location("mlflow", tmp_path / "mlflow" / "__init__.py"),
    }.get(origin)
    monkeypatch.setattr("tracklog_server.web_page.find_spec", lambda _: spec)
    assert find_build() is None
